"""A real server, in processes of its own, on a free port of this machine."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SIMPLE = {
    "inputs": [
        {"name": "area", "shape": [1], "datatype": "FP32", "data": [80]},
        {"name": "town", "shape": [1], "datatype": "INT64", "data": [1]},
    ]
}
"""To /v2/models/houses/infer: the answer is 4000."""
HOUSES = Path(__file__).parent / "bundles" / "format-1-houses.bundle"


class Served:
    """`url`, `grpc` and `models` as the server told them, its `process`, and what it wrote to its log."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        assert process.stdout
        self.process, self._log = process, log
        line = process.stdout.readline()
        if not line:
            raise AssertionError(f"it did not begin:\n{log.read_text()}")
        self.told: dict[str, Any] = json.loads(line)
        self.url, self.grpc, self.models = self.told["http"], self.told["grpc"], self.told["models"]
        self.host, _, port = self.url.partition("://")[2].rpartition(":")
        self.port = int(port or 0)

    def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """One request on a connection of its own: the status, and the body: parsed where it is JSON."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body)
            connection.request(method, path, data, dict(headers or {}))
            response = connection.getresponse()
            found = response.read()
        finally:
            connection.close()
        is_json = (response.headers.get("Content-Type") or "").startswith("application/json")
        return response.status, json.loads(found) if is_json else found.decode("utf-8", "replace")

    @property
    def workers(self) -> list[int]:
        """The processes that answer."""
        found: list[int] = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                words = path.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(words[1]) == self.process.pid and words[0] != "Z":
                found.append(int(path.parent.name))
        return found

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """The exit code."""
        self.process.send_signal(number)
        return self.process.wait(40)


@contextmanager
def served(path: str | os.PathLike[str], *options: str, **environment: str) -> Iterator[Served]:
    """`drivetrain serve PATH OPTIONS`, ended at the end of the block. Where it doesn't begin: AssertionError with its log."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        command = [
            sys.executable,
            "-m",
            "drivetrain",
            "serve",
            os.fspath(path),
            "--http",
            "0",
            "--json",
            *options,
        ]
        with log.open("w") as file:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=file, text=True, env={**os.environ, **environment}
            )
        try:
            yield Served(process, log)
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
            process.communicate()
