"""What tests of the server share: tiny bundles of every program, and a server in this process. No torch."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from drivetrain.errors import nearest
from drivetrain.files import from_json, to_json
from drivetrain.runtime import from_onnx
from drivetrain.serve.servable import Servable, open_servable
from drivetrain.serve.server import Server
from drivetrain.serve.settings import Settings
from drivetrain.serve.types import Asked, Refusal, Request, Response

BUNDLES = Path(__file__).parent / "bundles"
MODELS = {
    "houses": "format-2-houses", "pictures": "format-1-pictures", "trees": "format-1-trees", "blend": "format-3-blend",
    "said": "format-6-said", "files": "format-7-files", "sounds": "format-7-sounds", "traces": "format-7-traces",
    "writer": "format-5-writer", "translator": "format-7-translator", "sales": "format-8-sales",
}  # fmt: skip
"""Name of a model -> its bundle."""


class Given:
    """A router of servables that are there: by name, or by name and version."""

    def __init__(self, *servables: Servable, shadows: tuple[Servable, ...] = ()) -> None:
        self.servables = {(each.name, each.version): each for each in servables}
        self.shadows = shadows

    def lease(self, asked: Asked) -> Lease:
        versions = {version: each for (name, version), each in self.servables.items() if name == asked.model}
        version = max(versions, default=0) if asked.version is None else asked.version
        if version not in versions:
            raise Refusal(
                404,
                f"there is no model {asked.model!r}.",
                fix=nearest(asked.model, [n for n, _ in self.servables]),
            )
        return Lease(versions[version], self.shadows)


class Lease:
    def __init__(self, servable: Servable, shadows: tuple[Servable, ...] = ()) -> None:
        self.servable, self.shadows = servable, shadows
        self.arm, self.by, self.draw = "", "newest", None

    def hold(self) -> Lease:
        return self

    def close(self) -> None:
        pass

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *reason: object) -> None:
        pass


@cache
def servable(name: str, version: int = 1) -> Servable:
    """One of MODELS, opened once."""
    return open_servable(BUNDLES / f"{MODELS[name]}.bundle", name, version, threads=1, trusted=True)


@cache
def simple(texts: bool = False) -> bytes:
    """The graph of the clients' examples: OUTPUT0 = INPUT0 + INPUT1, OUTPUT1 = INPUT0 - INPUT1, INT32 [-1, 16], or as texts."""
    from onnx import TensorProto, helper

    node, kind = helper.make_node, TensorProto.STRING if texts else TensorProto.INT32
    nodes = [node(op, ["a", "b"], [made]) for op, made in (("Add", "c"), ("Sub", "d"))]
    ends = ("INPUT0", "a"), ("INPUT1", "b"), ("c", "OUTPUT0"), ("d", "OUTPUT1")
    first, *last = (
        [
            node("Cast", [given], [made], to=TensorProto.INT32 if made in "ab" else kind)
            for given, made in ends
        ],
        nodes,
    )
    ports = {
        name: helper.make_tensor_value_info(name, kind, ["n", 16])
        for pair in ends
        for name in pair
        if "PUT" in name
    }
    graph = helper.make_graph(
        [*first[:2], *last[0], *first[2:]],
        "simple",
        [ports["INPUT0"], ports["INPUT1"]],
        [ports["OUTPUT0"], ports["OUTPUT1"]],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10
    ).SerializeToString()


def simple_bundle(path: Path, texts: bool = False) -> Path:
    """The same as a bundle."""
    from_onnx(simple(texts), path)
    return path


def a_repository(folder: Path, *names: str) -> Path:
    """A folder of models, of each a version 1; by default all MODELS."""
    for name in names or MODELS:
        (folder / name / "1").mkdir(parents=True)
        shutil.copy(BUNDLES / f"{MODELS[name]}.bundle", folder / name / "1" / "model.bundle")
    return folder


def a_server(*servables: Servable, settings: Settings | None = None, **more: Any) -> Server:
    """A server of these, in this process."""
    for each in servables:
        each.batcher = None  # That of another test's server.
    router = Given(*servables, shadows=more.pop("shadows", ()))
    return Server(settings or Settings("models"), repository=None, router=router, **more)


def golden_items(servable: Servable) -> list[dict[str, Any]]:
    """The raw values of its golden cases."""
    inputs = servable.bundle.signature.inputs
    return [
        {field: codec.from_bytes(case.raw[field]) for field, codec in inputs.items()}
        for case in servable.bundle.cases
    ]


def run(main: Any) -> Any:
    """What a coroutine gives."""
    return asyncio.run(main)


def ask(
    server: Server,
    method: str,
    path: str,
    body: Any = b"",
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """The response to a request, asked in this process; a body that is no bytes goes as JSON."""
    data = body if isinstance(body, (bytes, bytearray, memoryview)) else to_json(body).encode()
    return run(server.answer(Request(method, path, body=bytes(data), headers=headers or {}, **more)))


def said(response: Response) -> Any:
    """The JSON of a response."""
    assert isinstance(response.body, bytes)
    return from_json(response.body)
