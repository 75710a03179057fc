"""Lines that are JSON whatever callers write, that nobody waits for, and that no flood makes many."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from drivetrain.serve import logs
from drivetrain.serve.logs import LINE, MOST, Log, request_id, trace_id
from drivetrain.serve.types import Caller, Request


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    handle = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    yield handle
    os.close(handle)


def lines(handle: int) -> list[dict[str, Any]]:
    data = os.pread(handle, 10**8, 0).decode("ascii")
    assert data == "" or data.endswith("\n")
    return [json.loads(line) for line in data.splitlines() if line]


def asked(path: str = "/v2/models/m/infer", **more: Any) -> Request:
    return Request("POST", path, id="abc", log={"model": "m", "version": 1}, **more)


def test_a_line_says_who_asked_what_and_what_became_of_it(file: int) -> None:
    log = Log(file, worker=1)
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    log.access(asked(caller=Caller("shop", "10.0.0.1"), headers={"traceparent": trace}), 200, 0.0123)
    (line,) = lines(file)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info", "event": "request", "id": "abc", "method": "POST", "path": "/v2/models/m/infer", "status": 200,
        "ms": 12.3, "address": "10.0.0.1", "caller": "shop", "trace": "4bf92f3577b34da6a3ce929d0e0e4736", "model": "m",
        "version": 1, "worker": 1,
    }  # fmt: skip


def test_at_a_terminal_a_person_reads_it() -> None:
    ours, theirs = os.openpty()
    try:
        log = Log(theirs, worker=1)
        log.access(asked(caller=Caller("shop", "10.0.0.1")), 200, 0.0123)
        log.access(asked("/\x1b[31mred\n\u202e"), 500, 0.001)
        log.event("model failed", "error", model="m", reason='this is no "bundle".')
        data = b""
        while data.count(b"\n") < 3:
            data += os.read(ours, 65536)
        lines = [line.split("  ", 1)[1] for line in data.decode("ascii").splitlines()]
    finally:
        os.close(ours)
        os.close(theirs)
    assert lines == [
        "200  POST  /v2/models/m/infer  12.3 ms  caller=shop  model=m  version=1  worker=1",
        "500  POST  /\\u001b[31mred\\n\\u202e  1.0 ms  id=abc  model=m  version=1  worker=1",
        'ERROR: model failed  model=m  reason=this is no "bundle".  worker=1',
    ]


EVIL = [
    "/a\nfake: line\r\n", "/\x1b[31mred", '/"},{"x":"', "/\u2028\u2029\x85", "/\ud800", "/\x00", "/" + "é" * 50_000,
    "/" + "\x00" * 50_000, "/\\", "/\u202e",
]  # fmt: skip


@pytest.mark.parametrize("path", EVIL, ids=range(len(EVIL)))
def test_nobody_writes_a_line_of_his_own(file: int, path: str) -> None:
    log = Log(file)
    log.access(
        Request(path, path, id=path, caller=Caller(path, path), log={"model": path, "x": float("nan")}),
        404, 0.1,
    )  # fmt: skip
    log.event(path, reason=path)
    raw = os.pread(file, 10**7, 0)
    assert raw.count(b"\n") == 2
    assert raw.isascii()
    assert b"\x1b" not in raw
    assert all(len(line) <= LINE for line in raw.splitlines(keepends=True))
    assert [line["level"] for line in lines(file)] == ["warning", "info"]


def test_a_flood_makes_no_more_than_so_many_lines_and_says_so(
    file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(file)
    now = [100.0]
    monkeypatch.setattr(logs.time, "monotonic", lambda: now[0])
    for _ in range(3 * MOST):
        log.access(asked(), 200, 0.001)
    log.access(asked(), 503, 0.001)  # What went wrong has room of its own.
    assert len(lines(file)) == MOST + 1
    now[0] += 1
    log.access(asked(), 200, 0.001)
    assert lines(file)[-2]["left_out"] == 2 * MOST
    assert "left_out" not in lines(file)[-1]


def test_a_reader_who_does_not_read_keeps_nobody_waiting() -> None:
    reads, writes = os.pipe()
    log = Log(writes)
    for _ in range(2000):
        log.event("something", text="x" * 300)  # Far more than a pipe holds: this would never end.
    os.set_blocking(reads, False)
    assert os.read(reads, 10**7).endswith(b"}\n")
    log.event("again")
    assert json.loads(os.read(reads, 10**7))["lost"] > 1000
    os.close(reads)
    log.event("nobody is there")
    os.close(writes)
    log.event("nor is the file")


def test_a_full_disk_loses_lines_and_breaks_none_after(file: int) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    log = Log(file)
    log.event("first")
    resource.setrlimit(resource.RLIMIT_FSIZE, (os.fstat(file).st_size + 20, before[1]))
    try:
        log.event("second")
        log.event("third")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    log.event("fourth")
    *_, half, last = os.pread(file, 10**6, 0).decode().splitlines()
    assert len(half) == 20
    assert json.loads(last).items() >= {"event": "fourth", "lost": 2}.items()


def test_a_clock_that_jumps_neither_stops_the_lines_nor_breaks_them(
    file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Log(file)
    for now in (2_000_000_000, 1_000_000_000, 0, 4_000_000_000):
        monkeypatch.setattr(logs.time, "time_ns", lambda now=now: now * 10**9 + 5_000_000)
        log.access(asked(), 200, 0.001)
    times = [line["time"] for line in lines(file)]
    assert times[1:3] == ["2001-09-09T01:46:40.005Z", "1970-01-01T00:00:00.005Z"]
    assert len(times) == 4


def test_an_id_is_the_callers_where_it_is_a_plain_word() -> None:
    assert request_id("order-17.a_B") == "order-17.a_B"
    for given in (None, "", "a b", "a\nb", "x" * 129, "é", '"'):
        made = request_id(given)
        assert made != given
        assert len(made) == 32
    assert request_id(None) != request_id(None)


def test_a_trace_is_taken_from_what_is_a_traceparent() -> None:
    digits = "4bf92f3577b34da6a3ce929d0e0e4736"
    assert trace_id(f"00-{digits}-00f067aa0ba902b7-01") == digits
    assert trace_id(f"01-{digits}-00f067aa0ba902b7-01-more") == digits
    for wrong in (
        None, "", digits, f"ff-{digits}-00f067aa0ba902b7-01", f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{digits}-{'0' * 16}-01", f"00-{digits.upper()}-00f067aa0ba902b7-01",
    ):  # fmt: skip
        assert trace_id(wrong) == ""


def test_a_fault_of_ours_is_one_line_with_where_it_came_from(file: int) -> None:
    def inner() -> None:
        raise ZeroDivisionError("a\nforged line")

    log = Log(file)
    try:
        inner()
    except ZeroDivisionError as fault:
        log.failed(fault, id="abc")
    (line,) = lines(file)
    assert (line["level"], line["id"], line["error"]) == ("error", "abc", "ZeroDivisionError: a\nforged line")
    assert line["at"].startswith("test_serve_logs.py:")
    assert " inner < test_serve_logs.py:" in line["at"]
