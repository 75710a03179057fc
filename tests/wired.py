"""What the tests of protocols share: one server with a model of every kind, asked in this process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from serving import BUNDLES, MODELS, a_repository, run

from drivetrain.serve.repository import Repository
from drivetrain.serve.router import Router
from drivetrain.serve.servable import open_servable
from drivetrain.serve.server import Server
from drivetrain.serve.settings import Settings
from drivetrain.serve.types import Request

JSON = {"content-type": "application/json"}


class Told(NamedTuple):
    """A response."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    type: str

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return self.json()["error"]


def over(folder: Path, **settings: Any) -> Server:
    """A server of a repository, in this process."""
    asked = Settings(str(folder), **settings)
    repository = Repository(asked, open=partial(open_servable, trusted=True))
    repository.scan()
    return Server(asked, repository=repository, router=Router(repository))


def bundle(name: str) -> Path:
    """The file of one of MODELS."""
    return BUNDLES / f"{MODELS[name]}.bundle"


@cache
def everything() -> Server:
    """A server of all MODELS."""
    with TemporaryDirectory() as folder:
        return over(a_repository(Path(folder)))


def tell(
    path: str,
    body: Any = b"",
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "POST",
    server: Server | None = None,
    **more: Any,
) -> Told:
    """The response to a request; a body that is no bytes goes as JSON. A stream is read to its end."""

    async def ask() -> Told:
        plain = isinstance(body, (bytes, memoryview))
        data = body if plain else json.dumps(body).encode()
        given = {**({} if plain else JSON), **(headers or {})}
        request = Request(method, path, headers=given, body=data, id="r1", **more)
        response = await (server or everything()).answer(request)
        if isinstance(response.body, (bytes, memoryview)):
            found = bytes(response.body)
        else:
            found = b"".join([piece async for piece in response.body])
        return Told(response.status, found, response.headers, response.type)

    return run(ask())


def look(path: str, server: Server | None = None, **more: Any) -> Told:
    return tell(path, method="GET", server=server, **more)


__all__ = ["JSON", "MODELS", "Told", "bundle", "everything", "look", "over", "tell"]
