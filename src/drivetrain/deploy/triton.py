"""A model repository for Triton: each bundle's graph for its ONNX backend, and the codecs around it as a step in Python."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import numpy as np

from drivetrain.bundle import Bundle
from drivetrain.bundle.program import Forecast, Generate
from drivetrain.codecs import Codec
from drivetrain.deploy.plan import Deployed, Plan
from drivetrain.deploy.wheel import wheel
from drivetrain.errors import UsageError
from drivetrain.ragged import lengths_of
from drivetrain.serve.tensors import datatype_of

MOST_ROWS = 64
GRAPH = "_graph"
TEXT = np.dtype(object)

_MODEL = '''"""Written by drivetrain: %(about)s"""

import os

import triton_python_backend_utils as pb_utils

from drivetrain.deploy.triton_step import Step, execute%(also)s


class TritonPythonModel:
    def initialize(self, args):
        folder = os.path.join(args["model_repository"], args["model_version"])
        self.step = Step(os.path.join(folder, %(bundle)s)%(run)s)

    def execute(self, requests):
        return execute(self.step, requests, pb_utils)
'''


def files(plan: Plan) -> dict[str, bytes]:
    """The repository, what to install in the backend's Python, and a page that says which model is what."""
    found: dict[str, bytes] = {}
    told: list[str] = []
    for name, versions in groupby(plan.models, lambda each: each.name):
        several = [*versions]
        _refuse_unlike(several)
        found |= dict(_model(name, several))
        told.append(_row(several[0]))
    wheel_name, data = wheel()
    page = _PAGE % {"rows": "\n".join(told), "wheel": wheel_name}
    return {
        f"triton/{path}": each
        for path, each in {**found, wheel_name: data, "README.md": page.encode()}.items()
    }


def is_graph(bundle: Bundle) -> bool:
    """Whether one run of its graph is what the bundle answers by: then Triton can do that, without Python."""
    return not isinstance(bundle.program, (Forecast, Generate)) and bundle.recommender is None


def _model(name: str, versions: list[Deployed]) -> Iterator[tuple[str, bytes]]:
    bundle = versions[0].bundle
    graph = is_graph(bundle)
    yield f"models/{name}/config.pbtxt", _step_config(name).encode()
    if graph:
        yield f"models/{name}{GRAPH}/config.pbtxt", _graph_config(name + GRAPH, bundle).encode()
    for each in versions:
        file = f"{name}.bundle"
        about = f"the codecs of {name}, around {name}{GRAPH}." if graph else f"all of {name}."
        run = (
            f", run_in_triton({name + GRAPH!r}, {[*each.bundle.tensors.outputs.values()]!r}, pb_utils)"
            if graph
            else ""
        )
        also = ", run_in_triton" if graph else ""
        text = _MODEL % {"about": about, "bundle": repr(file), "run": run, "also": also}
        yield f"models/{name}/{each.version}/model.py", text.encode()
        yield f"models/{name}/{each.version}/{file}", each.packed
        if graph:
            yield f"models/{name}{GRAPH}/{each.version}/model.onnx", each.bundle.graph


def _refuse_unlike(versions: list[Deployed]) -> None:
    """Triton has one description for all versions of a model."""
    first, *others = [each.bundle for each in versions]
    for other in others:
        if is_graph(first) and _graph_config("", other) != _graph_config("", first):
            raise UsageError(
                "its versions don't take the same tensors, and Triton has one description for all of them.",
                where=versions[0].name, fix="Write one version alone, or give them different names.",
            )  # fmt: skip


def _port(name: str, dtype: np.dtype[Any], shape: tuple[int | None, ...]) -> str:
    kind = datatype_of(dtype).replace("BYTES", "STRING")  # As configurations say it.
    sides = [-1 if side is None else side for side in shape] or [1]
    scalar = "" if shape else " reshape { shape: [ ] }"
    return f"  {{ name: {json.dumps(name)} data_type: TYPE_{kind} dims: {sides}{scalar} }}"


def _graph_config(name: str, bundle: Bundle) -> str:
    tensors = bundle.tensors
    inputs: list[str] = []
    for field, codec in bundle.signature.inputs.items():
        inputs.append(_port(tensors.inputs[field], codec.dtype, codec.shape))
        if codec.varies:
            inputs.append(_port(tensors.inputs[lengths_of(field)], np.dtype(np.int64), ()))
    outputs = [
        _port(tensors.outputs[field], codec.output_dtype, codec.output_shape)
        for field, codec in bundle.signature.targets.items()
    ]
    return _config(name, 'backend: "onnxruntime"', inputs, outputs)


def _step_config(name: str) -> str:
    return _config(name, 'backend: "python"', [_port("item", TEXT, (1,))], [_port("answer", TEXT, (1,))])


def _config(name: str, backend: str, inputs: list[str], outputs: list[str]) -> str:
    return "\n".join(
        [
            f"name: {json.dumps(name)}",
            backend,
            f"max_batch_size: {MOST_ROWS}",
            "input [",
            ",\n".join(inputs),
            "]",
            "output [",
            ",\n".join(outputs),
            "]",
            "dynamic_batching { }",
            "version_policy: { all { } }",
            "",
        ]
    )


def _row(model: Deployed) -> str:
    if not is_graph(model.bundle):
        return f"| `{model.name}` | all of it, as a step in Python | raw values: JSON |"
    inputs = model.bundle.signature.inputs
    tensors = model.bundle.tensors.inputs
    encoded = ", ".join(
        f"`{tensors[field]}` = {field} ({_encoding(codec)})" for field, codec in inputs.items()
    )
    return (
        f"| `{model.name}` | its codecs, as a step in Python that asks `{model.name}{GRAPH}` | raw values: JSON |\n"
        f"| `{model.name}{GRAPH}` | its graph alone, by the ONNX backend, without Python | encoded values: {encoded} |"
    )


def _encoding(codec: Codec) -> str:
    return f"{codec.op}, {codec.dtype.name}"


_PAGE = """# A model repository for Triton

    tritonserver --model-repository models

| model | what runs | takes |
|---|---|---|
%(rows)s

A step in Python takes the tensor `item`, a text of JSON for each row (a record by the model's inputs, files in it as base64), and
gives `answer`, a text of JSON each. It needs drivetrain in the Python of Triton's backend: `pip install ./%(wheel)s`.
What is encoded is described by each bundle's signature.json: whoever sends encoded values has to encode them as the codecs do.
"""
