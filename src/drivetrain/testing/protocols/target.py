"""The server that is tried: its two addresses, and what it says it can do."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from drivetrain.testing.protocols.suite import Skipped, Unmet, equal, must

SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back over HTTP. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError as fault:
            raise Unmet(f"status {self.status}, and the body is no JSON: {self.body[:80]!r}") from fault

    def ok(self) -> Any:
        """The JSON of a 200."""
        if self.status != 200:
            raise Unmet(f"status {self.status}, not 200: {self.body[:160]!r}")
        return self.json()

    def refused(self, *statuses: int) -> str:
        """The words of an error: 4xx, or one of these; a JSON object with `error`, a text that isn't empty."""
        if not (self.status in statuses if statuses else 400 <= self.status < 500):
            raise Unmet(
                f"status {self.status}, not {' or '.join(map(str, statuses)) or '4xx'}: {self.body[:120]!r}"
            )
        said = self.json()
        must(
            isinstance(said, dict) and "error" in said,
            f"the body of the error is no object with 'error': {self.body[:80]!r}",
        )
        must(isinstance(said["error"], str) and said["error"], f"'error' is no text: {said['error']!r:.80}")
        return said["error"]


@dataclass
class Target:
    """`url` is where HTTP is answered, `grpc` the address of gRPC ("": there is none), `headers` go with each request: a key."""

    url: str
    grpc: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    versions: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        parts = urlsplit(self.url if "//" in self.url else f"http://{self.url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{self.url!r} is no http:// or https:// address")
        self._secure, self._host, self._base = parts.scheme == "https", parts.netloc, parts.path.rstrip("/")

    def connect(self) -> http.client.HTTPConnection:
        """A connection of one's own, closed by who asks for it."""
        if self._secure:
            return http.client.HTTPSConnection(
                self._host, timeout=SECONDS, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(self._host, timeout=SECONDS)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        on: http.client.HTTPConnection | None = None,
    ) -> Reply:
        """One request, on a connection of its own unless there is one."""
        connection = on or self.connect()
        try:
            connection.request(method, self._base + path, body, {**self.headers, **(headers or {})})
            answer = connection.getresponse()
            return Reply(
                answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
            )
        except (OSError, http.client.HTTPException) as fault:
            raise Unmet(f"{method} {path} got no answer: {type(fault).__name__} {fault}") from fault
        finally:
            if on is None:
                connection.close()

    def get(self, path: str) -> Reply:
        return self.ask("GET", path)

    def post(self, path: str, record: Any) -> Reply:
        """JSON; text is sent as it is."""
        body = (
            record
            if isinstance(record, bytes)
            else record.encode()
            if isinstance(record, str)
            else json.dumps(record).encode()
        )
        return self.ask("POST", path, body, {"Content-Type": "application/json"})

    @cached_property
    def _extensions(self) -> list[str]:
        reply = self.get("/v2")
        said = reply.json() if reply.status == 200 else {}
        return said.get("extensions") or [] if isinstance(said, dict) else []

    def needs_extension(self, name: str) -> None:
        if not any(each == name or each.startswith(f"{name}(") for each in self._extensions):
            raise Skipped(f"the server doesn't say that it has the extension {name!r}")

    @cached_property
    def known(self) -> dict[tuple[str, str], bool]:
        """Whether the server has a model, by its name and how it was asked."""
        return {}

    def needs_model(self, name: str, protocol: str = "v2") -> None:
        """Skip where the server hasn't this model, by what it says of it."""
        key = (name, protocol)
        if key not in self.known:
            self.known[key] = self.get(f"/{protocol}/models/{name}").status == 200
        if not self.known[key]:
            raise Skipped(f"the server has no model {name!r} under /{protocol}/models")

    def version_of(self, name: str) -> str:
        """A version of the model that may be asked for. Skips where the server says none."""
        versions = self.get(f"/v2/models/{name}").ok().get("versions") or []
        if not versions:
            raise Skipped("the server names no versions")
        return str(versions[-1])

    def golden(self) -> None:
        """The plainest of questions is still answered right: what went before has broken nothing."""
        said = self.post("/v2/models/simple/infer", simple_request()).ok()
        equal(
            outputs_of(said)["OUTPUT0"]["data"],
            [n + 1 for n in range(16)],
            "the sum that is asked for after it",
        )


def tensor(name: str, datatype: str, shape: list[Any], data: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data, **more}


def simple_inputs(rows: int = 1) -> list[dict[str, Any]]:
    """0 .. 15 in each row of the first, ones in the second."""
    return [
        tensor("INPUT0", "INT32", [rows, 16], list(range(16)) * rows),
        tensor("INPUT1", "INT32", [rows, 16], [1] * 16 * rows),
    ]


def simple_request(rows: int = 1, **more: Any) -> dict[str, Any]:
    return {"inputs": simple_inputs(rows), **more}


def outputs_of(said: Any) -> dict[str, Any]:
    """Outputs by name."""
    must(
        isinstance(said, dict) and isinstance(said.get("outputs"), list),
        f"the answer has no list 'outputs': {said!r:.100}",
    )
    return {each["name"]: each for each in said["outputs"]}
