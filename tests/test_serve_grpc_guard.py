"""What stands before grpc's core: who goes beyond a limit is hung up on, and nobody else notices."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from grpc_calls import call, path, serving
from http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
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

from drivetrain.serve.grpc import guard, hpack
from drivetrain.serve.settings import Limits

LIVE, INFER = path("ServerLive"), path("ModelInfer")
CALM = b"\0\0\0\x0b"
INDEXED = b"\x40\x01x\x01y"
"""A header that stays in the table of headers, as number 62: `0xbe` names it."""


@pytest.fixture(scope="module")
def guarded() -> Iterator[Any]:
    with serving("houses") as found:
        yield found


def said(connection: socket.socket, seconds: float = 3) -> bytes:
    """All that comes back until it is hung up on."""
    found = b""
    connection.settimeout(seconds)
    with suppress(ConnectionError):
        while data := connection.recv(2**16):
            found += data
    return found


def goaway(found: bytes) -> bytes:
    """The code of a GOAWAY among frames."""
    while len(found) >= 9:
        size = int.from_bytes(found[:3], "big")
        if found[3] == GOAWAY:
            return found[13:17]
        found = found[9 + size :]
    return b""


def refused(found: Any, reason: str) -> float:
    return found.server.counters.total("drivetrain_refused_total", reason=reason)


def attacked(port: int, raw: bytes) -> bytes:
    """What a connection gets back that has said hello, and then this as fast as it can."""
    with connected(port) as connection:
        assert connection.recv(9)[3] == SETTINGS  # The core has said hello too.
        with suppress(OSError):
            connection.sendall(raw)
        return said(connection)


# --- headers ----------------------------------------------------------------------------------------------


def test_headers_without_end_hold_nobody_up(guarded: Any) -> None:
    """5 MB that name one header over and over: the core alone is at it for seconds, in which nobody is answered."""
    opened = frame(HEADERS, 0, 1, head(LIVE) + INDEXED)
    bomb = opened + frame(CONTINUATION, 0, 1, b"\xbe" * 16000) * 300
    before = refused(guarded, "size")
    golden = guarded.call("ModelMetadata", {"name": "houses"})
    done = threading.Event()

    def attack() -> None:
        with connected(guarded.port) as connection, suppress(OSError):
            connection.sendall(bomb)
            said(connection, 20)
        done.set()

    attackers = [threading.Thread(target=attack) for _ in range(2)]
    for each in attackers:
        each.start()
    slowest = 0.0
    while not done.is_set():
        begun = time.monotonic()
        assert guarded.call("ModelMetadata", {"name": "houses"}, timeout=30) == golden
        slowest = max(slowest, time.monotonic() - begun)
    for each in attackers:
        each.join()
    assert slowest < 1
    assert refused(guarded, "size") == before + 2


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (frame(HEADERS, END_HEADERS, 1, head(LIVE) + INDEXED + b"\xbe" * 300), "size"),
        (frame(HEADERS, END_HEADERS, 1, head(LIVE, ("x", "y" * 17000))), "size"),
        (frame(HEADERS, 0, 1, head(LIVE)) + frame(CONTINUATION, 0, 1, b"\xbe") * 6, "size"),
        (frame(HEADERS, 0, 1, head(LIVE)) + frame(CONTINUATION, 0, 1) * 6, "size"),
        (frame(CONTINUATION, END_HEADERS, 1, head(LIVE)), "syntax"),
        (frame(HEADERS, 0, 1, head(LIVE)) + frame(PING, 0, 0, b"12345678"), "syntax"),
        (frame(HEADERS, END_HEADERS, 1, b"\0\x7f\xff\xff\xff\xff\xff\xff" + b"a" * 30), "syntax"),
        (frame(HEADERS, END_HEADERS | 8, 1, b"\xff" + head(LIVE)), "syntax"),
    ],
    ids=["fields", "bytes", "frames", "empty frames", "nothing begun", "a frame between", "number", "padding"],
)  # fmt: skip
def test_headers_beyond_a_limit(guarded: Any, raw: bytes, reason: str) -> None:
    before = refused(guarded, reason)
    assert goaway(attacked(guarded.port, raw)[_rest_of_settings(guarded) :]) == CALM
    assert refused(guarded, reason) == before + 1


def _rest_of_settings(found: Any) -> int:
    """Bytes of the core's first frame behind its head."""
    with connected(found.port) as connection:
        return int.from_bytes(connection.recv(9)[:3], "big")


def test_fields_are_counted() -> None:
    assert hpack.fields(head(LIVE)) == 6
    assert (
        hpack.fields(INDEXED + b"\xbe\xbe" + b"\x3f\xe1\x1f" + b"\x10\x01a\x81\x1f" + block(("a", "b" * 300)))
        == 6
    )
    assert hpack.fields(b"") == 0
    assert hpack.bare(b"\x03" + b"\0\0\0\0\x10" + b"abc" + b"\0\0\0" + b"de", 12, 8 | 32) == b"abcde"
    for cut in range(1, len(block(("name", "value")))):
        with pytest.raises(ValueError):
            hpack.fields(block(("name", "value"))[:cut])
    with pytest.raises(ValueError):
        hpack.fields(b"\xff" * 20)


def test_headers_in_pieces_are_a_call(guarded: Any) -> None:
    """In frames of their own, with a priority, and a byte at a time."""
    whole = head(LIVE, ("authorization", "Bearer " + "k" * 3000))
    raw = (
        frame(HEADERS, 32, 1, b"\0\0\0\0\x10" + whole[:20])
        + frame(CONTINUATION, 0, 1, whole[20:900])
        + frame(CONTINUATION, END_HEADERS, 1, whole[900:])
        + frame(DATA, END_STREAM, 1, message(b""))
    )
    with connected(guarded.port) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in raw:
            connection.sendall(bytes((byte,)))
        found = b""
        while b"grpc-status" not in found:
            data = connection.recv(2**16)
            assert data, found
            found += data
        assert message(b"\x08\x01") in found


# --- floods -----------------------------------------------------------------------------------------------

BEGUN = frame(HEADERS, END_HEADERS, 1, head(INFER))


@pytest.mark.parametrize(
    "flood",
    [
        frame(PING, 0, 0, b"12345678") * 3000,
        frame(SETTINGS, 0, 0) * 3000,
        frame(SETTINGS, 0, 0, b"\0\x04\0\0\xff\xff" * 2000) * 100,
        frame(2, 0, 1, b"\0\0\0\0\0") * 3000,
        frame(0xEE, 0, 0, b"unknown") * 3000,
        frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\x01") * 3000,
        BEGUN + frame(DATA, 0, 1) * 3000,
        BEGUN + frame(DATA, 0, 1, b"\0") * 3000,
        b"".join(
            frame(HEADERS, END_HEADERS, each, head(INFER)) + frame(RST_STREAM, 0, each, b"\0\0\0\x08")
            for each in range(1, 4000, 2)
        ),
        b"".join(frame(HEADERS, END_HEADERS, each, head(INFER)) for each in range(1, 4000, 2)),
    ],
    ids=[
        "pings", "settings", "large settings", "priorities", "unknown", "windows", "empty data", "small data", "rapid reset",
        "streams",
    ],
)  # fmt: skip
def test_a_flood_is_ended_and_nobody_else_notices(guarded: Any, flood: bytes) -> None:
    before = refused(guarded, "rate")
    attacked(guarded.port, flood)
    assert refused(guarded, "rate") == before + 1
    begun = time.monotonic()
    assert guarded.call("ServerLive").live
    assert time.monotonic() - begun < 1


def test_who_is_told_why(guarded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """GOAWAY with its code, where all at once hasn't put anything between."""
    told: list[Any] = []
    monkeypatch.setattr(guarded.server, "log", SimpleNamespace(
        event=lambda what, level, **more: told.append((what, more["reason"], more["address"])), access=lambda *_: None
    ))  # fmt: skip
    monkeypatch.setattr(guard, "LINES", 10**6)
    with connected(guarded.port) as connection:
        size = int.from_bytes(connection.recv(9)[:3], "big")
        time.sleep(0.05)
        connection.sendall(frame(2, 0, 1, b"\0\0\0\0\0") * 3000)
        assert goaway(said(connection)[size:]) == CALM
    assert told == [("connection ended", "rate", "127.0.0.1")]


def test_honest_callers_are_never_ended(guarded: Any) -> None:
    """As many calls at once as the core takes, all cancelled; long keys; and calls one after another without pause."""
    reasons = ("rate", "size", "syntax", "memory", "timeout", "connections")
    before = [refused(guarded, reason) for reason in reasons]
    key = (
        ("authorization", "Bearer " + "k" * 2000),
        ("traceparent", "00-" + "a" * 32 + "-" + "b" * 16 + "-01"),
    )

    async def many() -> None:
        async with grpc.aio.insecure_channel(f"localhost:{guarded.port}") as channel:
            live = channel.unary_unary(LIVE)
            for _ in range(2):
                await asyncio.gather(*(live(b"", metadata=key) for _ in range(300)))
            stream: Any = channel.stream_unary(INFER)
            waiting = [stream(metadata=key) for _ in range(400)]
            await asyncio.sleep(0.1)
            for each in waiting:
                each.cancel()
            await live(b"")

    asyncio.run(many())
    for _ in range(300):
        assert guarded.call("ServerLive").live
    assert [refused(guarded, reason) for reason in reasons] == before


# --- what is shared ---------------------------------------------------------------------------------------


def half(stream: int, size: int) -> bytes:
    """A call whose message doesn't end."""
    return frame(HEADERS, END_HEADERS, stream, head(INFER)) + frame(
        DATA, 0, stream, b"\0\0\0\x0f\xa0" + b"x" * size
    )


def test_who_has_most_in_memory_goes_when_it_is_full() -> None:
    with (
        serving("houses", limits=Limits(body=4096)) as found,
        connected(found.port) as large, connected(found.port) as small,
    ):  # fmt: skip
        small.sendall(half(1, 2000))
        large.sendall(b"".join(half(each, 3500) for each in range(1, 30, 2)))
        time.sleep(0.2)
        assert not refused(found, "memory")
        small.sendall(b"".join(half(each, 3500) for each in range(3, 10, 2)))
        said(large)
        assert refused(found, "memory") == 1
        small.sendall(frame(PING, 0, 0, b"are here"))
        found_back = b""
        while b"are here" not in found_back:
            data = small.recv(2**16)
            assert data
            found_back += data
        assert found.call("ServerLive").live


def test_what_is_answered_is_no_longer_held() -> None:
    """Far more than fits at once, one after another."""
    with serving("houses", limits=Limits(body=4096)) as found:
        for _ in range(40):
            with suppress(grpc.RpcError):
                call(found.channel, "ModelInfer", b"\x0a\x7f" + b"x" * 3000)
        assert not refused(found, "memory")


def test_of_too_many_connections_those_that_ask_nothing_go() -> None:
    with serving("houses", limits=Limits(connections=4)) as found, ExitStack() as silent:
        assert found.call("ServerLive").live
        for _ in range(6):
            silent.enter_context(connected(found.port))
        until = time.monotonic() + 5
        while refused(found, "connections") < 3 and time.monotonic() < until:
            time.sleep(0.02)
        assert refused(found, "connections") == 3
        assert found.call("ServerLive").live


def test_the_core_has_room_for_whoever_comes_in_place_of_another() -> None:
    with serving("houses", limits=Limits(connections=4)) as found, ExitStack() as more:
        for _ in range(200):
            connection = more.enter_context(connected(found.port))
            assert connection.recv(9)[3] == SETTINGS  # The core's hello: it has taken it.


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        PREFACE[:10],
        PREFACE + frame(HEADERS, 0, 1, head(LIVE)),
        PREFACE + frame(HEADERS, 4, 1, b"a" * 256)[:9],
    ],
    ids=["nothing", "half a hello", "headers without end", "the head of headers"],
)
def test_who_does_not_go_on_is_hung_up_on(raw: bytes) -> None:
    with (
        serving("houses", limits=Limits(seconds_to_receive=0.3)) as found,
        socket.create_connection(("127.0.0.1", found.port), timeout=5) as connection,
    ):
        connection.sendall(raw)
        begun = time.monotonic()
        said(connection)
        assert time.monotonic() - begun < 2
        assert found.call("ServerLive").live


def test_the_address_of_a_caller_is_known(guarded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(
        guarded.server, "finished", lambda request, status: seen.append(request.caller.address)
    )
    assert guarded.call("ServerLive").live
    assert seen == ["127.0.0.1"]


def test_too_many_of_one_network_keep_no_other_out() -> None:
    """Even where each of them has a call under way."""

    class Connection(guard._Outside):
        def end(self, reason: str) -> None:
            self._leave()
            ended.append(self)

    def connection(network: str, streams: int) -> Any:
        made = Connection(crowd)
        made.network, made.streams = network, dict.fromkeys(range(streams), 0)
        crowd.add(made)
        return made

    async def main() -> None:
        nonlocal crowd
        server: Any = SimpleNamespace(settings=SimpleNamespace(limits=Limits(connections=4)))
        crowd = guard.Guard(server)
        many = [connection("1.1.1.1", 1) for _ in range(4)]
        other = connection("2.2.2.2", 0)
        assert ended == [many[0]]
        again = connection("1.1.1.1", 0)
        assert ended[1:] == [again]
        crowd.remove(other)
        crowd.remove(other)
        assert crowd._networks == {"1.1.1.1": 3}
        for each in many:
            crowd.remove(each)
        one, two, *_ = (connection(f"3.3.3.{place}", place % 2) for place in range(1, 6))
        assert ended[2:] == [two]
        assert one in crowd.connections
        crowd.connections.clear()
        await crowd.close()

    crowd: Any = None
    ended: list[Any] = []
    asyncio.run(main())
