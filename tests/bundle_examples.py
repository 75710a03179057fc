"""Small models for the tests of bundle and runtime, built by hand: a graph, and the same sums in numpy as
"training"."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image as Pillow

from drivetrain.bundle import bundle_bytes, make_cases, nasty_samples
from drivetrain.bundle.archive import MANIFEST, MANIFEST_HASH, read_zip, write_zip
from drivetrain.bundle.golden import GoldenCase
from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.image import Image
from drivetrain.codecs.number import Number
from drivetrain.files import from_json, sha256, to_json

PICTURES = Signature({"image": Image(size=8, channels=3)}, {"label": Category(classes=("cat", "dog", "owl"))})
HOUSES = Signature(
    {"area": Number(center=0.0, spread=1.0), "town": Category(classes=("Ulm", "Bonn"))},
    {"price": Number(center=0.0, spread=1.0)},
)


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def pictures(count: int, seed: int = 0, side: int = 11) -> list[bytes]:
    random = np.random.default_rng(seed)
    return [png(random.integers(0, 256, (side, side + 2, 3), dtype=np.uint8)) for _ in range(count)]


def weights() -> np.ndarray:
    return np.random.default_rng(1).normal(0, 1.5, (192, 3)).astype(np.float32)


def model(
    nodes: list[Any], initializers: dict[str, np.ndarray], inputs: dict[str, Any], outputs: dict[str, Any]
) -> bytes:
    """A serialized graph; inputs and outputs are name -> (dtype, dims)."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, *port) for name, port in inputs.items()],
        [helper.make_tensor_value_info(name, *port) for name, port in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in initializers.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return proto.SerializeToString()


IMAGE_PORT = {"input_0": (TensorProto.UINT8, ["n", 8, 8, 3])}
LABEL_PORT = {"output_0": (TensorProto.FLOAT, ["n", 3])}
IMAGE_NODES = (
    helper.make_node("Cast", ["input_0"], ["float"], to=TensorProto.FLOAT),
    helper.make_node("Div", ["float", "white"], ["unit"]),
    helper.make_node("Flatten", ["unit"], ["flat"]),
    helper.make_node("Gemm", ["flat", "weight"], ["logits"]),
    helper.make_node("Softmax", ["logits"], ["output_0"], axis=-1),
)


def image_graph(weight: np.ndarray | None = None) -> bytes:
    held = {"white": np.float32(255.0).reshape(()), "weight": weights() if weight is None else weight}
    return model(list(IMAGE_NODES), held, IMAGE_PORT, LABEL_PORT)


def image_forward(batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    pixels = batch["image"].astype(np.float64).reshape(len(batch["image"]), -1) / 255
    logits = pixels @ weights().astype(np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return {"label": powers / powers.sum(axis=1, keepdims=True)}


def house_graph() -> bytes:
    nodes = [
        helper.make_node("Gather", ["towns", "input_1"], ["base"]),
        helper.make_node("Mul", ["input_0", "rate"], ["size"]),
        helper.make_node("Add", ["base", "size"], ["output_0"]),
    ]
    held = {"towns": np.float32([1000, 3000]), "rate": np.float32(12.5).reshape(())}
    inputs = {"input_0": (TensorProto.FLOAT, ["n"]), "input_1": (TensorProto.INT64, ["n"])}
    return model(nodes, held, inputs, {"output_0": (TensorProto.FLOAT, ["n"])})


def house_forward(batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {"price": np.float64([1000, 3000])[batch["town"]] + batch["area"].astype(np.float64) * 12.5}


def image_cases() -> list[GoldenCase]:
    valid = [
        (f"picture {n}", "validation", {"image": raw, "label": "cat"}) for n, raw in enumerate(pictures(4))
    ]
    return make_cases(PICTURES, [*valid, *nasty_samples(PICTURES, valid[0][2])], image_forward)


def house_cases() -> list[GoldenCase]:
    rows = [
        ("small", "validation", {"area": 40, "town": "Ulm"}),
        ("large", "validation", {"area": "250.5", "town": "Bonn"}),
    ]
    return make_cases(HOUSES, [*rows, *nasty_samples(HOUSES, rows[0][2])], house_forward)


def arguments(**changes: Any) -> dict[str, Any]:
    """The arguments of `write_bundle` and `bundle_bytes` for the picture model."""
    usual = {
        "name": "animals",
        "task": "image_classification",
        "signature": PICTURES,
        "graph": image_graph(),
        "cases": image_cases(),
        "profile": {"image": {"n": 4}},
        "card": "# Animals\n",
        "facts": {"metrics": {"accuracy": 0.5}},
        "created": "2026-01-02T03:04:05Z",
    }
    return {**usual, **changes}


@cache
def image_bundle() -> bytes:
    return bundle_bytes(**arguments())


@cache
def house_bundle() -> bytes:
    return bundle_bytes(
        **arguments(name="houses", task="tabular", signature=HOUSES, graph=house_graph(), cases=house_cases())
    )


def altered(
    data: bytes, changes: Mapping[str, bytes | None], manifest: Mapping[str, Any] | None = None
) -> bytes:
    """The bundle with members replaced, added or (None) removed, and every hash made right again, as an
    attacker would."""
    members = {name: bytes(view) for name, view in read_zip(data).items()}
    record = from_json(members.pop(MANIFEST))
    del members[MANIFEST_HASH]
    for name, content in changes.items():
        if content is None:
            del members[name]
        else:
            members[name] = content
    record["members"] = {name: {"sha256": sha256(body), "bytes": len(body)} for name, body in members.items()}
    written = to_json({**record, **(manifest or {})}).encode()
    return write_zip({**members, MANIFEST: written, MANIFEST_HASH: (sha256(written) + "\n").encode()})


def member(data: bytes, name: str) -> bytes:
    return bytes(read_zip(data)[name])


def rezipped(data: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    """The same members in a zip of Python's own making, which is not the canonical layout."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, view in read_zip(data).items():
            archive.writestr(name, bytes(view))
    return buffer.getvalue()


def edited_graph(edit: Any) -> bytes:
    """The picture model's graph after `edit(ModelProto)`."""
    proto = onnx.load_from_string(image_graph())
    edit(proto)
    return proto.SerializeToString()
