"""Many callers at once, in one process of its own, that costs so little that the server is what is measured.

`python load.py` reads one JSON object on standard input: "port", "request" (base64 of the bytes of one HTTP request),
"concurrency", "seconds". It keeps so many connections busy, one request at a time each, and prints "answers", "refused", "errors",
"seconds", "p50_ms", "p99_ms".
"""

from __future__ import annotations

import base64
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections import deque
from typing import Any

LENGTH, GOOD = b"content-length:", b"HTTP/1.1 200"


def load(
    port: int,
    request: bytes,
    concurrency: int = 32,
    seconds: float = 3.0,
    core: int | None = None,
    rate: float | None = None,
) -> dict[str, Any]:
    """Ask a server on this machine from a process of its own, on one core where it is named. At most `rate` requests a second,
    evenly; without it each connection asks again as soon as it was answered."""
    asked = {
        "port": port,
        "request": base64.b64encode(request).decode(),
        "concurrency": concurrency,
        "seconds": seconds,
        "core": core,
        "rate": rate,
    }
    done = subprocess.run(
        [sys.executable, "-I", __file__],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=True,
    )
    return json.loads(done.stdout)


def post(path: str, body: bytes, kind: str = "application/json", port: int = 0) -> bytes:
    """The bytes of one request."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class _Caller:
    """One connection: what has come of the answer that it waits for."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = b""
        self.begun = 0.0

    def whole(self) -> bool:
        head, found, body = self.data.partition(b"\r\n\r\n")
        if not found:
            return False
        lower = head.lower()
        place = lower.find(LENGTH)
        if place < 0:
            return body.endswith(b"0\r\n\r\n")
        end = lower.find(b"\r\n", place)
        return len(body) >= int(lower[place + len(LENGTH) : end if end > 0 else None])


def _run(
    port: int, request: bytes, concurrency: int, seconds: float, rate: float | None = None
) -> dict[str, Any]:
    callers = {caller.socket.fileno(): caller for caller in (_Caller(port) for _ in range(concurrency))}
    poll = select.epoll()
    answers = refused = errors = usual = 0
    times: list[float] = []
    clock = time.perf_counter
    for number in callers:
        poll.register(number, select.EPOLLIN)
    free, asked = deque(callers.values()), 0
    begun = clock()
    end = begun + seconds
    while (now := clock()) < end and callers:
        while free and (rate is None or asked < rate * (now - begun)):
            caller = free.popleft()
            caller.data, caller.begun = b"", clock()
            caller.socket.sendall(request)
            asked += 1
        for number, _ in poll.poll(0.1 if rate is None else 0.001):
            caller = callers[number]
            piece = caller.socket.recv(1 << 16)
            if not piece:
                errors += 1
                poll.unregister(number)
                del callers[number]
                continue
            data = caller.data = caller.data + piece if caller.data else piece
            good = data.startswith(GOOD)
            # Most answers are as long as the one before: what is as long, and begins as it should, is whole.
            if not (good and len(data) == usual) and not caller.whole():
                continue
            times.append(clock() - caller.begun)
            if good:
                answers, usual = answers + 1, len(data)
            else:
                refused += 1
            free.append(caller)
    spent = clock() - begun
    times.sort()
    at = lambda share: round(1000 * times[min(len(times) - 1, int(share * len(times)))], 4) if times else None  # noqa: E731
    return {
        "answers": answers,
        "refused": refused,
        "errors": errors,
        "seconds": spent,
        "p50_ms": at(0.5),
        "p99_ms": at(0.99),
    }


if __name__ == "__main__":
    asked = json.loads(sys.stdin.read())
    if asked.get("core") is not None:
        os.sched_setaffinity(0, {asked["core"]})
    print(
        json.dumps(
            _run(
                asked["port"],
                base64.b64decode(asked["request"]),
                asked["concurrency"],
                asked["seconds"],
                asked.get("rate"),
            )
        )
    )
