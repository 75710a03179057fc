"""A real PostgreSQL server for tests, in a folder of its own, by a socket; none where its programs aren't installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DEBIAN = "/usr/lib/postgresql"


def program(name: str) -> str | None:
    """Where one of PostgreSQL's programs is: on the path, or where Debian has it."""
    found = sorted(Path(DEBIAN).glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return shutil.which(name) or (str(found[-1]) if found else None)


def why_not() -> str:
    """Why there can be no server here; empty where there can."""
    if program("initdb") is None or program("postgres") is None:
        return "PostgreSQL's initdb and postgres are not installed"
    if os.getuid() == 0:
        try:
            pwd.getpwnam("nobody")
        except KeyError:
            return "PostgreSQL refuses root, and there is no user nobody"
    return ""


class Server:
    """A server that can be stopped and started again. `url` is by a socket in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.url = folder, f"postgresql://drive@/postgres?host={folder}"
        self._process: subprocess.Popen[bytes] | None = None
        self._as: dict[str, Any] = {"cwd": folder, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}}
        if os.getuid() == 0:  # Which PostgreSQL refuses.
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            self._as |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        made = [program("initdb"), "-D", "data", "-U", "drive", "-A", "trust", "--no-sync", "-E", "UTF8"]
        subprocess.run(made, check=True, capture_output=True, **self._as)

    def start(self) -> None:
        arguments = ["-D", "data", "-k", str(self.folder), "-c", "listen_addresses="]
        self._process = subprocess.Popen(
            [program("postgres") or "", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **self._as
        )  # fmt: skip
        self._wait()

    def _wait(self) -> None:
        import psycopg

        until = time.monotonic() + 20
        while True:
            try:
                psycopg.connect(self.url).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def kill(self, how: int = 3) -> None:
        """End it: by SIGQUIT at once, without a word to anybody."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(20)
            self._process = None


@contextmanager
def postgres() -> Iterator[Server]:
    """A server that runs as long as the block does."""
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))  # A socket's path has to be short.
    folder.chmod(0o711)
    server = None
    try:
        server = Server(folder)
        server.start()
        yield server
    finally:
        if server is not None:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)
