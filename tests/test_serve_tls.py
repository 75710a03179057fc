"""HTTPS, and callers that are known by their certificates."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest
from certificates import certificates
from http_server import GOLDEN, GOLDEN_ANSWER, Running, body_of, get, post, read_all, running, status_of

from drivetrain.errors import FileError
from drivetrain.serve.access import new_key
from drivetrain.serve.http.listen import tls
from drivetrain.serve.settings import Access, Key, Limits


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """authority.pem, server.pem, client.pem signed by it; other.pem signed by nobody; a .key to each."""
    signed = {"server": "/CN=localhost", "client": "/O=Lab/CN=robot-7"}
    return certificates(tmp_path_factory.mktemp("certificates"), signed, strangers=("other",))


def served(folder: Path, **more: object) -> Access:
    return Access(certificate=str(folder / "server.pem"), private_key=str(folder / "server.key"), **more)  # type: ignore[arg-type]


def said(server: Running, folder: Path, sent: bytes, client: str = "") -> bytes:
    context = ssl.create_default_context(cafile=str(folder / "authority.pem"))
    if client:
        context.load_cert_chain(folder / f"{client}.pem", folder / f"{client}.key")
    with server.socket() as plain, context.wrap_socket(plain, server_hostname="localhost") as sock:
        sock.sendall(sent)
        return read_all(sock)


def test_https(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("drivetrain.serve.http.listen.LEAVING", 0.2)
    monkeypatch.setattr("drivetrain.serve.http.listen.SWEEP", 0.05)
    with running(access=served(folder), limits=Limits(body=2**20)) as server:
        assert (
            body_of(said(server, folder, post("/models/tiny/predict", GOLDEN, "Connection: close")))
            == GOLDEN_ANSWER
        )
        assert len(body_of(said(server, folder, get("/large?n=3000000", "Connection: close")))) == 3_000_000
        assert status_of(said(server, folder, post("/echo", b"x" * (2**20 + 1)))) == 413
        assert (
            status_of(server.say(get("/models/a"))) == 0
        )  # Not over TLS: closed, and the next one is answered.
        assert status_of(said(server, folder, get("/models/a", "Connection: close"))) == 200


def test_older_tls_is_refused(folder: Path):
    context = tls(served(folder))
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_caller_is_known_by_its_certificate(folder: Path):
    access = served(folder, client_authority=str(folder / "authority.pem"))
    with running(access=access) as server:
        answer = said(server, folder, get("/models/a", "Connection: close"), "client")
        assert b'"caller":"robot-7"' in body_of(answer)
        for client in ("", "other"):
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                assert said(server, folder, get("/models/a", "Connection: close"), client) == b""
        load = post("/v2/repository/models/a/load", b"", "Connection: close")
        assert (
            status_of(said(server, folder, load, "client")) == 403
        )  # Changing the server needs a key, always.


def test_a_certificate_is_no_key(folder: Path):
    key, hashed = new_key()
    access = served(folder, client_authority=str(folder / "authority.pem"), keys=(Key("a", hashed),))
    with running(access=access) as server:
        assert status_of(said(server, folder, get("/models/a", "Connection: close"), "client")) == 401
        with_key = get("/models/a", "Connection: close", f"X-API-Key: {key}")
        assert status_of(said(server, folder, with_key, "client")) == 200


def test_who_begins_tls_and_says_no_more_is_closed(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("drivetrain.serve.http.listen.HANDSHAKE", 0.3)
    with running(access=served(folder)) as server, server.socket() as sock:
        sock.sendall(bytes.fromhex("16030100c801"))
        started = time.monotonic()
        read_all(sock)
        assert time.monotonic() - started < 3
        assert status_of(said(server, folder, get("/models/a", "Connection: close"))) == 200


def test_certificates_that_cant_be_used_are_told(folder: Path):
    for certificate, key in (("missing.pem", ""), ("server.key", ""), ("server.pem", "client.key")):
        access = Access(certificate=str(folder / certificate), private_key=str(folder / key) if key else "")
        with pytest.raises(FileError, match="certificate"):
            tls(access)


def test_a_key_with_a_password_is_told_and_not_waited_for(folder: Path):
    subprocess.run(
        ["openssl", "ec", "-in", "server.key", "-out", "locked.key", "-aes128", "-passout", "pass:secret"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    begin = "import sys; from drivetrain.serve.http.listen import tls; from drivetrain.serve.settings import Access;"
    done = subprocess.run(
        [sys.executable, "-c", f"{begin} tls(Access(certificate='server.pem', private_key='locked.key'))"],
        cwd=folder, capture_output=True, text=True, timeout=20, start_new_session=True, stdin=subprocess.PIPE, check=False,
    )  # fmt: skip
    assert "the key without a password" in done.stderr
    with pytest.raises(FileError, match=r"nowhere\.pem: no such file"):
        tls(Access(certificate=str(folder / "nowhere.pem"), private_key=str(folder / "server.key")))


def test_a_client_that_vanishes_in_the_middle_leaves_nothing(folder: Path):
    with running(access=served(folder)) as server:
        context = ssl.create_default_context(cafile=str(folder / "authority.pem"))
        plain = server.socket()
        sock = context.wrap_socket(plain, server_hostname="localhost")
        sock.sendall(get("/slow?seconds=30"))
        time.sleep(0.05)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
        sock.close()
        until = time.monotonic() + 2
        while not server.server.cancelled and time.monotonic() < until:
            time.sleep(0.01)
        assert len(server.server.cancelled) == 1
