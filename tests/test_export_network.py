"""A network's graph, written by its own modules: it says what torch says, for each kind of input and target."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from drivetrain.bundle.graph import check_graph
from drivetrain.bundle.tensors import made_names
from drivetrain.codecs import Codec, Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.date import MISSING, Date
from drivetrain.codecs.image import Image
from drivetrain.codecs.number import Number
from drivetrain.codecs.tags import Tags
from drivetrain.codecs.text import Text
from drivetrain.graphs.network import NotWritten, write_network
from drivetrain.graphs.torch_export import export_graph, torch_graph
from drivetrain.models.build import build_network
from drivetrain.models.heads import HeadOptions
from drivetrain.models.network import Network
from drivetrain.runtime import OnnxSession
from drivetrain.types import Array

FITTED = Number(center=3.0, spread=2.0)
INPUTS: dict[str, dict[str, Codec]] = {
    "numbers": {"a": FITTED, "b": Number(center=1.0, spread=0.5, log=True), "c": Number(scaling="none")},
    "gaps": {"a": Number(center=3.0, spread=2.0, missing=True), "b": FITTED},
    "only gaps": {"a": Number(center=3.0, spread=2.0, missing=True, log=True)},
    "category": {"town": Category(classes=("Ulm", "Bonn", "Kiel")), "ward": Category(classes=("1", "2"))},
    "date": {
        "day": Date(
            parts=("year", "month", "day", "weekday", "yearday", "hour", "minute"),
            center=10**9,
            spread=1e7,
            missing=True,
        )
    },
    "tags": {"words": Tags(tags=("x", "y", "z"))},
    "text": {"story": Text(words=("the", "cat", "sat"), length=4)},
}
INPUTS["all"] = {f"{kind} {name}": codec for kind, codecs in INPUTS.items() for name, codec in codecs.items()}
INPUTS["text with n-grams"] = {"story": Text(words=("the", "cat"), length=4, grams=10, most_grams=8)}
TARGETS: dict[str, Codec] = {
    "class": Category(classes=("no", "yes", "perhaps")),
    "number": Number(center=10.0, spread=4.0),
    "log": Number(center=2.0, spread=1.0, log=True),
    "tag": Tags(tags=("x", "y")),
}  # fmt: skip


def rows_of(codecs: Mapping[str, Codec], count: int, seed: int = 0) -> dict[str, Array]:
    """Encoded rows, with what is missing or unknown among them."""
    draw = np.random.default_rng(seed)
    rows: dict[str, Array] = {}
    for name, codec in codecs.items():
        kind = codec.op.partition("@")[0]
        if kind == "number":
            rows[name] = (draw.normal(3, 4, count) * 10.0 ** draw.integers(-1, 2, count)).astype(np.float32)
            rows[name][draw.random(count) < 0.2] = np.nan if codec.missing else 0.0
        elif kind == "category":
            rows[name] = draw.integers(0, codec.levels, count)
        elif kind == "date":
            moments = 10**9 + draw.integers(-(10**8), 10**8, count)
            parts = [moments, *(draw.integers(0, 12, count) for _ in codec.parts)]
            rows[name] = np.stack(parts, 1)
            rows[name][draw.random(count) < 0.3] = [MISSING, *[-1] * len(codec.parts)]
        elif kind == "text":
            lengths = draw.integers(0, codec.shape[0] + 1, (count, 1))
            words = draw.integers(1, codec.levels, (count, codec.shape[0]))
            rows[name] = np.where(np.arange(codec.shape[0]) < lengths, words, 0).astype(np.int32)
            rows[name][:, codec.length :] = draw.integers(0, 2**10, (count, codec.most_grams or 0))
        else:
            rows[name] = draw.integers(0, 256 if kind == "image" else 2, (count, *codec.shape)).astype(
                np.uint8
            )
    return rows


def network(
    model: str | nn.Module, inputs: Mapping[str, Codec], targets: Mapping[str, Codec]
) -> tuple[Network, Signature]:
    torch.manual_seed(0)
    heads = {name: HeadOptions(limits=(-1.0, 0.5)) for name in targets if name == "number"}
    rows = rows_of({**inputs, **targets}, 200)
    made = build_network(Signature(inputs, targets), rows, model, heads=heads).eval()
    with torch.no_grad():  # As after some training: nothing at its first value.
        for weights in made.parameters():
            weights.add_(torch.randn_like(weights) * 0.1)
    return made, Signature(inputs, targets)


def said(made: Network, rows: Mapping[str, Array]) -> dict[str, Array]:
    with torch.no_grad():
        outputs = made.finish(made({name: torch.tensor(array) for name, array in rows.items()}))
    return {name: output.numpy() for name, output in outputs.items()}


def near(found: Mapping[str, Array], wanted: Mapping[str, Array]) -> None:
    for name, want in wanted.items():
        assert found[name].dtype == want.dtype
        assert found[name].shape == want.shape
        np.testing.assert_allclose(
            found[name], want, rtol=3e-6, atol=1e-6 * max(1.0, np.abs(want).max(initial=0))
        )


@pytest.mark.parametrize("model", ["mlp", "linear"])
@pytest.mark.parametrize("kind", INPUTS)
def test_a_written_graph_says_what_the_network_says(kind: str, model: str) -> None:
    made, signature = network(model, INPUTS[kind], TARGETS)
    graph = write_network(made, signature)
    check_graph(graph, signature)
    session = OnnxSession(graph, made_names(signature))
    for count in (0, 1, 2, 300):
        rows = rows_of(INPUTS[kind], count, seed=count)
        near(session.run(rows), said(made, rows))
    assert graph == write_network(made, signature)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mlp", "linear"])
def test_it_says_what_the_graph_of_torchs_exporter_says(model: str) -> None:
    made, signature = network(model, INPUTS["all"], TARGETS)
    rows = rows_of(signature.inputs, 300, seed=1)
    ours, theirs = (
        OnnxSession(graph, made_names(signature)).run(rows)
        for graph in (write_network(made, signature), torch_graph(made, signature, rows))
    )
    near(ours, theirs)


@pytest.mark.parametrize(("model", "side", "channels"), [*product(("cnn", "mlp", "linear"), (8, 28), (1, 3))])
def test_pictures(model: str, side: int, channels: int) -> None:
    inputs = {"picture": Image(size=side, channels=channels)}
    made, signature = network(model, inputs, {name: TARGETS[name] for name in ("class", "number")})
    graph = write_network(made, signature)
    check_graph(graph, signature)
    for count in (0, 1, 5):
        rows = rows_of(inputs, count)
        near(OnnxSession(graph, made_names(signature)).run(rows), said(made, rows))


@pytest.mark.parametrize("model", ["dot", "neural"])
def test_pairs(model: str) -> None:
    made, signature = network(model, INPUTS["category"], {"rating": Number(center=3.0, spread=1.0)})
    session = OnnxSession(write_network(made, signature), made_names(signature))
    for count in (0, 1, 50):
        rows = rows_of(signature.inputs, count)
        near(session.run(rows), said(made, rows))


class Own(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.layer(features).sin()


class DifferentRelu(nn.ReLU):
    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return super().forward(features) * 2


ONE = {"class": TARGETS["class"]}
TAGS = INPUTS["tags"]


def test_a_module_of_somebodys_own_is_left_to_torch() -> None:
    for module in (Own(), nn.Sequential(nn.Linear(3, 3), DifferentRelu())):
        with pytest.raises(NotWritten):
            write_network(*network(module, TAGS, ONE))


def test_somebodys_own_layers_of_torchs_are_written() -> None:
    made, signature = network(
        nn.Sequential(nn.Linear(3, 5, bias=False), nn.ReLU(), nn.Linear(5, 3)), TAGS, ONE
    )
    rows = rows_of(TAGS, 20)
    near(OnnxSession(write_network(made, signature), made_names(signature)).run(rows), said(made, rows))


def test_what_changes_what_a_module_computes_is_left_to_torch() -> None:
    made, signature = network("mlp", TAGS, ONE)
    made.combiner.layers[1].register_forward_hook(lambda module, given, output: output * 2)
    with pytest.raises(NotWritten, match="hooks"):
        write_network(made, signature)
    made, signature = network("mlp", TAGS, ONE)

    class Doubled(type(made.combiner)):
        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(features)

    made.combiner.__class__ = Doubled
    with pytest.raises(NotWritten, match="Doubled"):
        write_network(made, signature)


@pytest.mark.slow
def test_somebodys_own_module_is_exported_by_torch() -> None:
    made, signature = network(Own(), TAGS, ONE)
    rows = rows_of(TAGS, 20)
    near(OnnxSession(export_graph(made, signature, rows), made_names(signature)).run(rows), said(made, rows))


@pytest.mark.slow
def test_writing_imports_no_exporter() -> None:
    code = """
import numpy as np, sys
from drivetrain.codecs import Signature
from drivetrain.codecs.number import Number
from drivetrain.graphs.torch_export import export_graph
from drivetrain.models.build import build_network
rows = {"a": np.arange(9, dtype=np.float32), "b": np.arange(9, dtype=np.float32)}
signature = Signature({"a": Number(center=0.0, spread=1.0)}, {"b": Number(center=0.0, spread=1.0)})
export_graph(build_network(signature, rows, "mlp"), signature, rows)
print(*sys.modules)
"""
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "onnx" in loaded
    assert not {
        "torch.onnx.ops",
        "torch.onnx._internal.exporter",
        "onnxscript",
        "torch._dynamo",
    }.intersection(loaded)
