"""A tiny server behind the real HTTP layer, on a thread of its own, for tests of what comes over a socket."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator, Mapping

from drivetrain.serve import refusals, strict_json
from drivetrain.serve.access import Gate
from drivetrain.serve.http import run, serve_http
from drivetrain.serve.logs import Log
from drivetrain.serve.routes import Routes
from drivetrain.serve.settings import Access, Limits, Settings
from drivetrain.serve.types import Refusal, Request, Response, Route

GOLDEN = b'{"x": 20}'
GOLDEN_ANSWER = b'{"answer":41}'


async def _double(server: Tiny, request: Request, places: Mapping[str, str]) -> Response:
    value = strict_json.loads(request.body, depth=server.settings.limits.depth)
    return Response(strict_json.dumps({"answer": value["x"] * 2 + 1}))


async def _echo(server: Tiny, request: Request, places: Mapping[str, str]) -> Response:
    if not re.fullmatch(r"[A-Za-z0-9]{1,64}", places.get("model", "x")):
        raise Refusal(404, "there is no such model")
    said = {
        "method": request.method,
        "path": request.path,
        "query": dict(request.query),
        "bytes": len(request.body),
    }
    said |= {"caller": request.caller.name, "places": dict(places)}
    echo = request.query.get("echo", request.headers.get("x-echo", ""))
    return Response(strict_json.dumps(said), headers={"X-Echo": echo, **({echo: "x"} if echo else {})})


async def _pieces(server: Tiny, request: Request, places: Mapping[str, str]) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        try:
            for i in range(int(request.query.get("n", "3"))):
                if i and "every" in request.query:
                    await asyncio.sleep(float(request.query["every"]))
                if request.query.get("fail") == str(i):
                    raise RuntimeError("in the middle")
                yield b"piece %d\n" % i * int(request.query.get("times", "1"))
        finally:
            server.ended.append(request.id)

    return Response(pieces(), type="text/plain")


async def _slow(server: Tiny, request: Request, places: Mapping[str, str]) -> Response:
    try:
        await asyncio.sleep(float(request.query.get("seconds", "0.2")))
    except asyncio.CancelledError as why:
        server.cancelled.append(request.id)
        server.told_why += why.args
        raise
    return Response(b'{"slow":true}')


async def _large(server: Tiny, request: Request, places: Mapping[str, str]) -> Response:
    return Response(b"x" * int(request.query["n"]), type="application/octet-stream")


async def _broken(server: Tiny, request: Request, places: Mapping[str, str]) -> Response:
    raise RuntimeError("/etc/secret is broken")


async def _admin(server: Tiny, request: Request, places: Mapping[str, str]) -> Response:
    server.changed += 1
    return Response(b"{}")


ROUTES = (
    Route("GET", "/health/live", _echo, "open"),
    Route("GET", "/models/{model}", _echo, "read"),
    Route("POST", "/models/{model}/predict", _double),
    Route("POST", "/v1/models/{model}:predict", _double),
    Route("POST", "/v1/models/{model}/versions/{version}:predict", _double),
    Route("POST", "/v2/models/{model}/infer", _double),
    Route("GET", "/v2/models/{model}/versions/{version}", _echo, "read"),
    Route("POST", "/v2/repository/models/{model}/load", _admin, "admin"),
    Route("POST", "/v2/repository/models/{model}/unload", _admin, "admin"),
    Route("DELETE", "/models/{model}/records", _admin, "admin"),
    Route("POST", "/echo", _echo),
    Route("GET", "/pieces", _pieces, "read"),
    Route("GET", "/slow", _slow, "read"),
    Route("GET", "/large", _large, "read"),
    Route("GET", "/broken", _broken, "read"),
)


class Tiny:
    """As much of the server as the HTTP layer needs."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.routes = Routes(ROUTES)
        self.gate = Gate(settings)
        self.told: list[tuple[str, str, int]] = []
        self.cancelled: list[str] = []
        self.told_why: list[object] = []
        self.ended: list[str] = []
        self.changed = 0
        self.log: Log | None = None

    async def answer(self, request: Request) -> Response:
        assert request.route is not None
        try:
            response = await request.route.handler(self, request, request.places)
        except Exception as error:  # noqa: BLE001 - as the real one does.
            response = refusals.response(error, request)
        self.finished(request, response.status)
        return response

    def finished(self, request: Request, status: int) -> None:
        self.told.append((request.method, request.path, status))
        if self.log is not None:
            self.log.access(request, status, 0.0)


class Running:
    """A server that runs: its port, and itself."""

    def __init__(self, port: int, server: Tiny, file: int) -> None:
        self.port, self.server, self._file = port, server, file

    def lines(self) -> list[bytes]:
        """What was logged."""
        return os.pread(self._file, 1 << 30, 0).splitlines()

    def socket(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def say(self, *pieces: bytes) -> bytes:
        """Send pieces over one new connection, and all that comes back until it ends."""
        with self.socket() as sock:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for piece in pieces:
                    sock.sendall(piece)
            return read_all(sock)

    def golden(self) -> bytes:
        """The body that the golden request gets."""
        return body_of(self.say(post("/models/tiny/predict", GOLDEN, "Connection: close")))


@contextlib.contextmanager
def running(
    *,
    limits: Limits | None = None,
    access: Access | None = None,
    server: type[Tiny] = Tiny,
    **settings: object,
) -> Iterator[Running]:
    told = Settings("", limits=limits or Limits(), access=access or Access(), **settings)
    sock = socket.create_server(("127.0.0.1", 0))
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed below.
    ready, made = threading.Event(), list[tuple[asyncio.AbstractEventLoop, asyncio.Event, Tiny]]()

    async def main() -> None:
        stop, tiny = asyncio.Event(), server(told)
        tiny.log = Log(file.fileno())
        listening = await serve_http(tiny, [sock], told)
        made.append((asyncio.get_running_loop(), stop, tiny))
        ready.set()
        await stop.wait()
        await listening.close(2.0)

    thread = threading.Thread(target=run, args=(main(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield Running(sock.getsockname()[1], made[0][2], file.fileno())
    finally:
        made[0][0].call_soon_threadsafe(made[0][1].set)
        thread.join(15)
        sock.close()
        file.close()


def read_all(sock: socket.socket) -> bytes:
    pieces = list[bytes]()
    with contextlib.suppress(ConnectionResetError):
        while piece := sock.recv(1 << 20):
            pieces.append(piece)
    return b"".join(pieces)


def request(method: str, target: str, *headers: str, body: bytes = b"", host: str = "localhost") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def get(target: str, *headers: str) -> bytes:
    return request("GET", target, *headers)


def post(target: str, body: bytes, *headers: str) -> bytes:
    return request("POST", target, f"Content-Length: {len(body)}", *headers, body=body)


def status_of(answer: bytes) -> int:
    """The first answer's status; 0 where the connection ended without one."""
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


def statuses_of(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) [A-Z]", answer)]


def head_of(answer: bytes) -> dict[str, str]:
    lines = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]
