"""One question to a server and its reply, whoever carries them: nothing here opens a connection.

Address  where the server is, and what every question says
Call     what is asked, and how the reply is read
Reply    what came back
Refused  the server's own no
"""

from __future__ import annotations

import random
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import responses
from typing import Any, Generic, TypeVar, cast
from urllib.parse import quote, urlsplit

from drivetrain.errors import DrivetrainError, FileError, UsageError, one_line
from drivetrain.files import from_json

T = TypeVar("T")
LONGEST_TOLD = 300
"""Characters of a reply that is no JSON, in an error."""
BUSY = (429, 503)
"""The server did nothing: the same may be asked again."""
LONGEST_WAIT = 30.0
"""Seconds that one Retry-After is heeded."""
MOST_REPLY = 2**30
PIECE = 2**16
"""Bytes of a reply that are read at once."""
IDLE_SECONDS = 50.0
"""A connection that was idle for longer is not used again: much that stands between closes one after a minute, unseen."""
_HEADER = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


class Refused(DrivetrainError):
    """The server answered, and the answer is no: `status` is HTTP's word for why, `request` the id to look for in its log."""

    def __init__(
        self, status: int, error: str, *, where: object = "", fix: str = "", request: str = ""
    ) -> None:
        super().__init__(error, where=where, fix=fix)
        self.status, self.request = status, request


@dataclass(frozen=True)
class Address:
    """Where a server is. `prefix` is the path that its own begin with, behind a proxy that adds one."""

    host: str
    port: int
    secure: bool
    prefix: str
    headers: Mapping[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == (443 if self.secure else 80)
        return f"{'https' if self.secure else 'http'}://{host}{'' if usual else f':{self.port}'}{self.prefix}"


def address_of(url: str, key: str | None) -> Address:
    """Raises UsageError for what is no address of a server."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as fault:
        raise UsageError(f"this is no address: {fault}.", where=url, fix=_EXAMPLE) from fault
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError("this is no address of a server.", where=url, fix=_EXAMPLE)
    if parts.username or parts.password or parts.query or parts.fragment:
        shown = f"{parts.scheme}://{host}"
        raise UsageError(
            "an address of a server has neither a user nor a query.",
            where=shown,
            fix="Give the key as key=...",
        )
    if key is not None and not _HEADER.fullmatch(key):
        raise UsageError("this can't be a key.", where="key", fix="A key is one line of plain characters.")
    secure = parts.scheme == "https"
    port = port or (443 if secure else 80)
    named = f"[{host}]" if ":" in host else host
    headers = {
        "Host": named if port == (443 if secure else 80) else f"{named}:{port}",
        "User-Agent": "drivetrain-client",
        "Accept-Encoding": "identity",
        **({} if key is None else {"Authorization": f"Bearer {key}"}),
    }
    return Address(host, port, secure, parts.path.rstrip("/"), headers)


def check_limits(timeout: float, retries: int, connections: int) -> None:
    """Raises UsageError for what no question could be asked with."""
    if not timeout > 0 or connections < 1 or retries < 0:
        raise UsageError("timeout and connections are above 0, retries 0 or more.", where="timeout")


_EXAMPLE = "Such as http://127.0.0.1:8000."


def secure_context(ca: str | None, certificate: str | tuple[str, str] | None) -> ssl.SSLContext:
    """TLS 1.2 or newer with the server's certificate checked: by this machine's authorities, or by those in the file `ca`.
    `certificate` is the caller's own: a file with its private key, or the two apart. Raises FileError."""
    try:
        context = ssl.create_default_context(cafile=ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if certificate is not None:
            pair = (certificate, None) if isinstance(certificate, str) else certificate
            context.load_cert_chain(*pair)
    except (OSError, ssl.SSLError) as fault:
        where = ca if certificate is None else certificate if isinstance(certificate, str) else certificate[0]
        raise FileError(
            f"this is no certificate that can be used: {fault}.", where=where, fix="Give a file in PEM."
        ) from fault
    return context


@dataclass(frozen=True, slots=True)
class Reply:
    """`headers` are named in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return from_json(self.body, where="the server's reply")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """What is asked. `read` makes of a good reply what the caller gets."""

    method: str
    path: str
    read: Callable[[Reply], T]
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def head(self, address: Address) -> dict[str, str]:
        """All headers of the request."""
        sized = {"Content-Length": str(len(self.body))} if self.method != "GET" else {}
        return {**address.headers, **self.headers, **sized}

    def answer(self, reply: Reply) -> T:
        """What the caller gets. Raises Refused."""
        if not 200 <= reply.status < 300:
            raise refusal(reply)
        return self.read(reply)


def place(*parts: str | int) -> str:
    """A path of these, each escaped: a name can't become two steps of it."""
    return "".join(f"/{quote(str(part), safe='')}" for part in parts)


def header(name: str, value: Any) -> dict[str, str]:
    """A header, where there is a value. Raises UsageError for one that can't be sent."""
    if value is None:
        return {}
    if not _HEADER.fullmatch(str(value)):
        raise UsageError(
            f"{str(value)!r:.60} can't be sent as {name}.", fix="Give one line of plain characters."
        )
    return {name: str(value)}


def refusal(reply: Reply) -> Refused:
    """The error that a reply tells of, whoever wrote it: this server, or what stands before it."""
    request = reply.headers.get("x-request-id", "")
    status = f"{reply.status} {responses.get(reply.status, '')}".strip()
    try:
        told = reply.json()
    except DrivetrainError:
        told = None
    if isinstance(told, dict) and isinstance(cast("dict[str, Any]", told).get("error"), str):
        found = cast("dict[str, Any]", told)
        where, fix = (str(found.get(name) or "") for name in ("where", "fix"))
        return Refused(reply.status, found["error"], where=where, fix=fix, request=request)
    if 300 <= reply.status < 400:
        fix = "Give the address that it names; a key is sent nowhere else by itself."
        return Refused(reply.status, f"the server sends elsewhere ({status}).", fix=fix, request=request)
    text = one_line(reply.body[: 4 * LONGEST_TOLD].decode("utf-8", "replace"))[:LONGEST_TOLD]
    said = f": {text}" if text and "<" not in text else "."
    fix = "Is this a Drivetrain server, and is what stands before it in order?"
    return Refused(reply.status, f"the server answered {status}{said}", fix=fix, request=request)


def wait_before_again(reply: Reply, left: float) -> float | None:
    """Seconds to wait before the same is asked again; None where it isn't to be. `left` is the time that the caller still has.

    Only what the server refused undone, saying how long it takes, is asked again. Callers that were refused together don't come
    back together.
    """
    if reply.status not in BUSY:
        return None
    try:
        told = float(reply.headers.get("retry-after", ""))
    except ValueError:
        return None
    wait = max(told, 0.05) * random.uniform(1.0, 1.25)
    return wait if told <= LONGEST_WAIT and wait < left else None


def unreachable(address: Address, fault: Exception, seconds: float) -> DrivetrainError:
    """Why there is no reply, in words."""
    where = address.url
    if isinstance(fault, TimeoutError):
        return DrivetrainError(
            f"there was no answer in {seconds:g} seconds.",
            where=where,
            fix="Give a longer timeout, or ask for less at once.",
        )
    if isinstance(fault, ssl.SSLCertVerificationError):
        return DrivetrainError(
            f"its certificate is not one to trust: {fault.verify_message}.", where=where,
            fix="Give the file of the authority that signed it: ca=... in Python, SSL_CERT_FILE in the environment.",
        )  # fmt: skip
    if isinstance(fault, ssl.SSLError):
        reason = (fault.reason or str(fault)).replace("_", " ").lower()
        return DrivetrainError(
            f"no secure connection could be made: {reason}.", where=where, fix="Is it http or https?"
        )
    if isinstance(fault, ConnectionRefusedError):
        return DrivetrainError(
            "nobody answers there.",
            where=where,
            fix="Is the server started (drivetrain serve MODELS), and is this its port?",
        )
    told = getattr(fault, "strerror", None) or str(fault) or type(fault).__name__
    return DrivetrainError(
        f"the server can't be asked: {told}.", where=where, fix="Check the address, and that it runs."
    )
