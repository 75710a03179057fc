"""The sockets of a server: bound before anything is forked, so that a port that can't be had is told at once, and closed so that
nobody who was let in is cut off."""

from __future__ import annotations

import errno
import socket
import struct
import sys
import time
from contextlib import suppress

from drivetrain.errors import DrivetrainError, UsageError
from drivetrain.serve.settings import Settings

LAST_WORDS = 1.0
STOPPING = (
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Type: application/json\r\n"
    b'Content-Length: 37\r\n\r\n{"error":"the server is stopping."}\r\n'
)
SO_ATTACH_FILTER = 26
"""Linux' socket(7); Python has no name for it."""


def listen(settings: Settings) -> tuple[list[socket.socket], str]:
    """Those that HTTP is heard on, one for each address of the host, and its URL."""
    if settings.http is None:
        if settings.grpc is None:
            raise UsageError("neither HTTP nor gRPC is served.", fix="Give --http or --grpc a port.")
        return [], ""
    sockets: list[socket.socket] = []
    port = settings.http
    try:
        for family, address in _addresses(settings.host, "--host"):
            sockets.append(_bind(family, address, port, "--http"))
            port = sockets[0].getsockname()[1]
        for each in sockets:
            each.listen(max(128, settings.limits.connections))
            each.setblocking(False)
    except BaseException:
        for each in sockets:
            each.close()
        raise
    scheme = "https" if settings.access.certificate else "http"
    return sockets, f"{scheme}://{name_of(sockets[0], settings.host)}"


def shut_out(listening: socket.socket) -> None:
    """Let nobody new come in: who has come in is answered. A socket that is just closed would cut off those who were let in by the
    system and not yet by us. So on Linux a filter drops what comes to it (BPF's "ret 0"): a caller tries again after a second,
    and is refused then, or let in by the next server on this port. Elsewhere the queue is made short."""
    with suppress(OSError):
        listening.listen(0)
    if sys.platform == "linux":
        import ctypes

        instruction = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0), 8)
        program = struct.pack("@HP", 1, ctypes.addressof(instruction))
        with suppress(OSError):
            listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def refuse_rest(listening: socket.socket) -> None:
    """Those whom no worker had time for."""
    until = time.monotonic() + LAST_WORDS
    with suppress(OSError):
        while time.monotonic() < until:
            caller = listening.accept()[0]
            with caller:
                caller.settimeout(0.1)
                caller.sendall(STOPPING)
                caller.shutdown(socket.SHUT_WR)
                while caller.recv(65536) and time.monotonic() < until:
                    pass


def reserve(settings: Settings) -> socket.socket:
    """The port of gRPC, kept for the workers: bound and not listening, so that nothing is heard on it here."""
    assert settings.grpc is not None
    family, address = _addresses(settings.host, "--host")[0]
    free = _bind(family, address, settings.grpc, "--grpc")  # Alone: a port that others share is taken.
    port = free.getsockname()[1]
    free.close()
    return _bind(family, address, port, "--grpc", share=True)


def only_from_here(sockets: list[socket.socket], settings: Settings) -> bool:
    """Whether this machine alone reaches what is listened on."""
    hosts = [str(each.getsockname()[0]) for each in sockets] or [settings.host]
    return all(host == "::1" or host.startswith("127.") for host in hosts)


def _addresses(host: str, option: str) -> list[tuple[int, str]]:
    try:
        found = socket.getaddrinfo(host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as fault:
        raise UsageError(
            f"{host!r} is no address of this machine.", where=option,
            fix="Use 127.0.0.1 for this machine alone, 0.0.0.0 for all that can reach it.",
        ) from fault  # fmt: skip
    return [(family, str(address[0])) for family, *_, address in found]


def _bind(family: int, address: str, port: int, option: str, *, share: bool = False) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share and hasattr(socket, "SO_REUSEPORT"):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((address, port))
    except OSError as fault:
        made.close()
        raise _unbound(fault, address, port, option) from fault
    return made


def _unbound(fault: OSError, address: str, port: int, option: str) -> DrivetrainError:
    where = f"{option} {port}"
    if fault.errno == errno.EADDRINUSE:
        return DrivetrainError(
            f"another program listens on port {port}.", where=where, fix=f"Choose another, or {option} 0 for a free one."
        )  # fmt: skip
    if fault.errno in (errno.EACCES, errno.EPERM):
        return DrivetrainError("you may not listen on this port.", where=where, fix="Take one above 1023.")
    if fault.errno == errno.EADDRNOTAVAIL:
        return UsageError(
            f"{address} is no address of this machine.", where="--host",
            fix="Use 127.0.0.1 for this machine alone, 0.0.0.0 for all that can reach it.",
        )  # fmt: skip
    return DrivetrainError(f"this can't be listened on: {fault.strerror}.", where=where)


def name_of(bound: socket.socket, host: str) -> str:
    """host:port as callers write it."""
    port = bound.getsockname()[1]
    if bound.family == socket.AF_INET6 and ":" in host:
        return f"[{host}]:{port}"
    return f"{host}:{port}"
