"""The protocol class itself, without a socket: whatever comes, in whatever pieces, it raises nothing and answers the same."""

from __future__ import annotations

import asyncio
import itertools
import re
from typing import Any

import pytest
from http_attacks import ATTACKS, CHUNKED, posted
from http_server import GOLDEN, Tiny, get, post, statuses_of
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivetrain.serve.http.connection import Connection
from drivetrain.serve.http.listen import Hub
from drivetrain.serve.settings import Limits, Settings


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written, self.closed = b"", False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def write_eof(self) -> None:
        pass

    def can_write_eof(self) -> bool:
        return True

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else None


SETTINGS = Settings("", limits=Limits(body=2000, headers=1000))


async def _said(pieces: list[bytes], waits: bool = False) -> bytes:
    hub = Hub(Tiny(SETTINGS), SETTINGS)
    hub.sweeping.cancel()
    wire, connection = Wire(), Connection(hub)
    connection.connection_made(wire)  # type: ignore[arg-type]
    for piece in pieces:
        if not wire.closed:
            connection.data_received(piece)
        await (_answered(connection) if waits else asyncio.sleep(0))
    await _answered(connection)
    connection.connection_lost(None)
    assert not hub.connections
    assert hub.door._held == 0
    return wire.written


async def _answered(connection: Connection) -> None:
    while connection.task is not None and connection.more is None and not connection.task.done():
        await asyncio.sleep(0)


def answers(pieces: list[bytes], waits: bool = False) -> tuple[list[int], bytes]:
    """Statuses, and all bytes but those that are never the same. Who `waits` has each piece answered before the next."""
    written = asyncio.run(_said(pieces, waits))
    return statuses_of(written), re.sub(rb"(?:X-Request-Id|Date): [^\r]*\r\n", b"", written)


_WORDS = st.sampled_from(
    [b"GET ", b"POST ", b"/models/a", b"/pieces", b"/large?n=10", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"Host: localhost\r\n",
     b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"Content-Length: 9000\r\n",
     b"\r\n", b"5\r\nabcde\r\n", b"0\r\n\r\n",
     b"abcde", b"Content-Encoding: gzip\r\n", b"Content-Encoding: deflate\r\n", b"Expect: 100-continue\r\n",
     b"Connection: close\r\n",
     b"Upgrade: x\r\nConnection: upgrade\r\n", b"X: " + b"y" * 600 + b"\r\n", b"\x1f\x8b\x08", b"%2e%2e", get("/models/a"),
     post("/models/tiny/predict", GOLDEN), post("/echo", b"12345")]
)  # fmt: skip
_SAID = st.lists(_WORDS | st.binary(max_size=30), max_size=10).map(b"".join)


@settings(max_examples=100, deadline=None)
@given(_SAID, st.lists(st.integers(0, 600), max_size=5))
@example(post("/models/tiny/predict", GOLDEN), [1, 2, 3])
def test_pieces_make_no_difference(said: bytes, cuts: list[int]):
    points = sorted({0, len(said), *(cut for cut in cuts if cut < len(said))})
    statuses, whole = answers([said])
    assert not set(statuses) & {500, 502, 503}
    assert answers([said[a:b] for a, b in itertools.pairwise(points)]) == (statuses, whole)


def test_a_byte_at_a_time_makes_no_difference():
    said = (
        get("/models/a") + post("/models/tiny/predict", GOLDEN) + get("/nowhere") + post("/echo", b"x" * 100)
    )
    said += posted(CHUNKED, b'3\r\n{"x\r\n6\r\n": 20}\r\n0\r\n\r\n')
    assert answers([said[i : i + 1] for i in range(len(said))]) == answers([said])
    assert answers([said])[0] == [200, 200, 404, 200, 200]


def test_it_makes_no_difference_what_the_server_was_run_from():
    """A server that is started where another exception is being handled: the parser's exceptions then have other contexts."""
    try:
        raise ImportError
    except ImportError:
        assert answers([post("/echo", b"x" * 3000)])[0] == [413]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([one for one in ATTACKS if len(one.said[0]) < 3000]), st.data())
def test_no_attack_is_another_in_pieces(one: Any, data: st.DataObject):
    """What passes a check must not depend on where the network cuts it: that is what smuggling lives on."""
    said = b"".join(one.said)
    cut = data.draw(st.integers(0, len(said)))
    assert answers([said[:cut], said[cut:]]) == answers([said])


_WHOLE = [
    get("/models/a"), post("/models/tiny/predict", GOLDEN), post("/models/tiny/predict", b'{"x": 1}'),
    post("/models/tiny/predict", b'{"x": '), post("/echo", b"x" * 100), get("/nowhere"), get("/models/a?echo=1"),
    get("/models/a").replace(b"localhost", b"evil"),
    posted(CHUNKED, b'9\r\n{"x": 20}\r\n0\r\n\r\n'),
]  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(_WHOLE), min_size=2, max_size=12))
def test_a_head_that_is_known_makes_no_difference(said: list[bytes]):
    """One whole request after the other's answer, so that heads come again, or all at once, where the parser reads each."""
    assert answers(said, waits=True) == answers([b"".join(said)])


@pytest.mark.parametrize("before", [b"P", b"GET", b"\r\nG", get("/models/a")[:-2]])
def test_a_head_is_known_only_where_a_request_begins(before: bytes):
    whole = post("/models/tiny/predict", GOLDEN)
    said = [whole, whole, whole + before, whole, whole]
    assert answers(said, waits=True) == answers([b"".join(said)])
    assert answers(said, waits=True)[0] == [200, 200, 200, 400]
