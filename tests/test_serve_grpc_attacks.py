"""What attackers do to gRPC servers, done to one in a process of its own: after each an honest call is answered within a second as
before, the memory hasn't grown, and every line of the log is one."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_calls import call, path
from grpc_server import served
from http2 import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    block,
    connected,
    frame,
    message,
)
from http2 import call as head
from serving import a_repository

INFER, LIVE = path("ModelInfer"), path("ServerLive")
ASKED = {
    "model_name": "houses",
    "inputs": [
        {"name": "area", "datatype": "FP32", "shape": [2]},
        {"name": "town", "datatype": "INT64", "shape": [2]},
    ],
    "raw_input_contents": [np.array([0.5, 1], np.float32).tobytes(), np.array([0, 1], np.int64).tobytes()],
}
SETTINGS_TOML = "[limits]\nseconds_to_receive = 3\nbody = 8_388_608\n"
pytestmark = pytest.mark.slow
CANCEL = struct.pack(">I", 8)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    models = a_repository(tmp_path_factory.mktemp("attacked") / "models", "houses")
    with served(models, SETTINGS_TOML) as found:
        yield found


@contextmanager
def unharmed(server: Any, mebibytes: float = 64) -> Iterator[None]:
    """Whatever is done within, the server is as before."""
    address = f"localhost:{server.grpc}"
    with grpc.insecure_channel(address) as channel:
        golden = _patiently(channel)
        began = time.monotonic()
        for _ in range(20):
            call(channel, "ModelInfer", ASKED)
        usual = (time.monotonic() - began) / 20
    before = server.memory()
    yield
    begun = time.monotonic()
    with grpc.insecure_channel(address) as channel:
        assert _patiently(channel) == golden
        assert time.monotonic() - begun < 1 + 50 * usual  # Others work on this machine too.
    assert server.alive()
    assert server.memory() - before < mebibytes
    for line in server.log():
        assert isinstance(json.loads(line), dict)


def _patiently(channel: grpc.Channel) -> Any:
    """An answer: while a flood of calls is being thrown away, grpc's core refuses others by chance (CANCELLED)."""
    while True:
        try:
            return call(channel, "ModelInfer", ASKED)
        except grpc.RpcError as refused:
            if refused.code() != grpc.StatusCode.CANCELLED:  # type: ignore[attr-defined]
                raise
            time.sleep(0.05)


def said(connection: socket.socket, until: bytes, seconds: float = 8) -> bytes:
    """What comes back, until these words are in it."""
    found = b""
    connection.settimeout(seconds)
    with suppress(OSError):
        while until not in found and (data := connection.recv(2**16)):
            found += data
    return found


def sent(port: int, *pieces: bytes, until: bytes = b"") -> bytes:
    """What a connection says to bytes, if words are waited for; a server may hang up in the middle."""
    with connected(port) as connection:
        with suppress(OSError):
            for piece in pieces:
                connection.sendall(piece)
        return said(connection, until) if until else b""


def streams(count: int) -> range:
    return range(1, 2 * count, 2)


def test_a_method_whose_name_is_no_text(server: Any) -> None:
    """20 bytes of it end any other server of grpc.aio for good."""
    with unharmed(server):
        for name in (b"/\xff\xfe", INFER.encode() + b"\x80", b"nothing", b"/a\0b", b"/" + b"a" * 6000):
            words = b"Method not found!"
            opened = frame(HEADERS, END_HEADERS | END_STREAM, 1, head(name))
            assert words in sent(server.grpc, opened, until=words), name
            for _ in range(20):
                sent(server.grpc, frame(HEADERS, END_HEADERS | END_STREAM, 1, head(name)))


def test_rapid_reset(server: Any) -> None:
    """CVE-2023-44487: a stream that is ended as it begins costs its sender nothing."""
    opened = head(INFER)
    with unharmed(server):
        for _ in range(25):
            both = [
                frame(HEADERS, END_HEADERS, each, opened) + frame(RST_STREAM, 0, each, CANCEL)
                for each in streams(2000)
            ]
            sent(server.grpc, b"".join(both))


def test_streams_that_are_reset_with_their_message_in_them(server: Any) -> None:
    from drivetrain.serve.grpc.messages import message as kind

    raw = message(kind("inference.ModelInferRequest")(**ASKED).SerializeToString())
    opened = head(INFER)
    with unharmed(server):
        for _ in range(10):
            sent(server.grpc, b"".join(
                frame(HEADERS, END_HEADERS, each, opened) + frame(DATA, END_STREAM, each, raw) + frame(RST_STREAM, 0, each, CANCEL)
                for each in streams(500)
            ))  # fmt: skip


def test_bombs(server: Any) -> None:
    """64 MiB of zeros in as many KB, where 8 MiB are the limit: whole ones that are refused, and ones cut off in the middle."""
    zeros = b"\0" * 2**26
    packed = {"gzip": gzip.compress(zeros, 9), "deflate": zlib.compress(zeros, 9)}
    with unharmed(server):
        for _ in range(10):
            for name, data in packed.items():
                framed = message(data, compressed=True)
                pieces = [framed[start : start + 16384] for start in range(0, len(framed), 16384)]
                opened = frame(HEADERS, END_HEADERS, 1, head(INFER, ("grpc-encoding", name)))
                whole = b"".join(frame(DATA, 0, 1, piece) for piece in pieces) + frame(DATA, END_STREAM, 1)
                words = b"message larger than max"
                assert words in sent(server.grpc, opened, whole, until=words)
                for _ in range(5):
                    sent(server.grpc, opened, frame(DATA, 0, 1, pieces[0]))


@pytest.mark.parametrize(
    "flood",
    [
        frame(PING, 0, 0, b"12345678"),
        frame(SETTINGS, 0, 0),
        frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 2**31 - 1)),
        frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)),
        frame(RST_STREAM, 0, 1, CANCEL),
        frame(2, 0, 1, b"\0\0\0\0\0"),
        frame(0xEE, 0, 0, b"unknown"),
        frame(PING, ACK, 0, b"12345678"),
    ],
    ids=["ping", "settings", "windows", "window", "reset", "priority", "unknown", "acks"],
)
def test_floods_of_frames(server: Any, flood: bytes) -> None:
    with unharmed(server):
        sent(server.grpc, *[flood * 1000] * 100)


def test_floods_within_a_stream(server: Any) -> None:
    begun = frame(HEADERS, END_HEADERS, 1, head(INFER))
    with unharmed(server):
        sent(server.grpc, begun, *[frame(DATA, 0, 1) * 1000] * 100)
        sent(server.grpc, begun, *[frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 1)) * 1000] * 100)
        sent(server.grpc, begun, *[frame(DATA, 0, 1, message(b""))] * 5000)


def test_endless_and_huge_metadata(server: Any) -> None:
    """CVE-2024-27316 and its like: headers that never end."""
    begun = frame(HEADERS, 0, 1, head(LIVE))
    with unharmed(server):
        sent(server.grpc, begun, *[frame(CONTINUATION, 0, 1) * 1000] * 100)
        sent(
            server.grpc,
            begun,
            *(frame(CONTINUATION, 0, 1, block((f"x{each}", "y" * 16000))) for each in range(2000)),
        )
        sent(
            server.grpc,
            begun,
            *(frame(CONTINUATION, 0, 1, block((f"x{each}", ""))) * 100 for each in range(2000)),
        )
        for _ in range(20):
            sent(
                server.grpc,
                frame(HEADERS, END_HEADERS, 1, head(LIVE, *[(f"x{each}", "y" * 100) for each in range(120)])),
            )
        # A small block that names one large header over and over (an HPACK bomb).
        large = b"\x40\x01x" + b"\x7f\x81\x1e" + b"y" * 4000
        sent(
            server.grpc,
            frame(HEADERS, 0, 1, head(LIVE) + large),
            frame(CONTINUATION, 0, 1, b"\xbe" * 4000),
        )


@pytest.mark.parametrize(
    "header",
    [
        (b"x-request-id", b"a\r\nb"), (b"x-request-id", b"\xff\xfe"), (b"x-request-id", b'{"level":"info"}'), (b"x-\xff", b"a"),
        (b"a-bin", b"!!!"), (b"authorization", b"Bearer a\r\nx-admin: 1"), (b"grpc-timeout", b"99999999999H"),
        (b"grpc-timeout", b"x"), (b"grpc-encoding", b"brotli"), (b"content-type", b"text/html"), (b"traceparent", b"\n\n"),
        (b"x-priority", b"9" * 50), (b"te", b""), (b":path", b"/again"), (b"connection", b"close"),
    ],
    ids=str,
)  # fmt: skip
def test_odd_metadata(server: Any, header: tuple[bytes, bytes]) -> None:
    with unharmed(server):
        for _ in range(10):
            sent(
                server.grpc,
                frame(HEADERS, END_HEADERS, 1, head(INFER, header)),
                frame(DATA, END_STREAM, 1, message(b"")),
            )


def test_messages_that_never_end_and_callers_that_go_on(server: Any) -> None:
    """2,000 streams of 8 connections that have begun to send, while somebody asks as usual."""
    begun = head(INFER)
    half = b"".join(
        frame(HEADERS, END_HEADERS, each, begun) + frame(DATA, 0, each, b"\0\0\x10\0\0" + b"x" * 50)
        for each in streams(250)
    )

    def cost(channel: Any) -> float:
        """The server's CPU-seconds for a call: of a clock on the wall others on this machine take their part."""
        before = server.cpu()
        for _ in range(150):
            call(channel, "ModelInfer", ASKED)
        return (server.cpu() - before) / 150

    with unharmed(server), grpc.insecure_channel(f"localhost:{server.grpc}") as channel, ExitStack() as stack:
        usual = min(cost(channel) for _ in range(3))
        slow = [stack.enter_context(connected(server.grpc)) for _ in range(8)]
        for connection in slow:
            connection.sendall(half)
        time.sleep(0.3)
        assert min(cost(channel) for _ in range(5)) < 3 * usual
        time.sleep(3)  # What took too long to come has been ended.
        answer = said(slow[0], b"settings timeout")
        assert b"took too long" in answer or b"settings timeout" in answer


def test_connections_that_say_nothing(server: Any) -> None:
    with unharmed(server), ExitStack() as stack, grpc.insecure_channel(f"localhost:{server.grpc}") as channel:
        connection = None
        for place in range(500):
            connection = socket.create_connection(("127.0.0.1", server.grpc), timeout=5)
            stack.enter_context(connection)
            connection.sendall(PREFACE[: place % len(PREFACE)])
        for _ in range(50):
            call(channel, "ModelInfer", ASKED)
        assert connection is not None
        connection.settimeout(8)
        while connection.recv(2**16):  # Until it is hung up on.
            pass


def test_answers_that_nobody_takes(server: Any) -> None:
    """A window of nothing: each answer waits for its caller."""
    from drivetrain.serve.grpc.messages import message as kind

    raw = message(kind("inference.ModelInferRequest")(**ASKED).SerializeToString())
    begun = head(INFER)
    with unharmed(server), ExitStack() as stack, grpc.insecure_channel(f"localhost:{server.grpc}") as channel:
        for _ in range(3):
            connection = socket.create_connection(("127.0.0.1", server.grpc), timeout=5)
            stack.enter_context(connection)
            connection.sendall(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0)))
            for each in streams(300):
                connection.sendall(
                    frame(HEADERS, END_HEADERS, each, begun) + frame(DATA, END_STREAM, each, raw)
                )
        for _ in range(50):
            call(channel, "ModelInfer", ASKED)


def test_messages_of_very_many_fields(server: Any) -> None:
    """A million inputs in 2 MB: parsed they would be seventy times that."""
    heavy = b"\x2a\0" * 2**20
    with unharmed(server), grpc.insecure_channel(f"localhost:{server.grpc}") as channel:
        for _ in range(10):
            with pytest.raises(grpc.RpcError) as refused:
                call(channel, "ModelInfer", heavy)
            assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED  # type: ignore[attr-defined]


def test_what_is_no_http2(server: Any) -> None:
    with unharmed(server):
        for raw in (
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            bytes(range(256)) * 100,
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"\0" * 500,
            PREFACE + b"\xff" * 5000,
            PREFACE + frame(SETTINGS, 0, 0, b"\0" * 7),
            PREFACE + frame(HEADERS, END_HEADERS, 0, head(LIVE)),
            PREFACE + frame(DATA, 0, 1, b"x" * 16000),
            PREFACE + frame(HEADERS, END_HEADERS, 1, b"\xff" * 300),
            PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 2, head(LIVE)),
        ):
            for _ in range(10):
                with (
                    socket.create_connection(("127.0.0.1", server.grpc), timeout=5) as connection,
                    suppress(OSError),
                ):
                    connection.sendall(raw)


def test_names_that_would_steer_a_log(server: Any) -> None:
    with unharmed(server), grpc.insecure_channel(f"localhost:{server.grpc}") as channel:
        for name in (
            'a"}\n{"level":"error"',
            "\x1b[2J",
            "<script>",
            "../../etc/passwd",
            "\u202e",
            "a" * 10_000,
        ):
            with pytest.raises(grpc.RpcError) as refused:
                call(channel, "ModelInfer", {**ASKED, "model_name": name})
            assert refused.value.code() == grpc.StatusCode.NOT_FOUND  # type: ignore[attr-defined]
