"""What is wrong with a file of somebody else's kind is told before a training, with the file's name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from drivetrain import extensions
from drivetrain.codecs import Signature, from_spec
from drivetrain.codecs.image import Image
from drivetrain.codecs.number import Number
from drivetrain.data.kinds.guess import guess_kinds
from drivetrain.data.read.readers import read_frame
from drivetrain.errors import DrivetrainError, UsageError
from drivetrain.metrics import metrics_of
from drivetrain.models.base import BaseNetwork
from drivetrain.models.build import build_network
from drivetrain.models.registry import refuse_unfit, resolve

CODEC = """
from dataclasses import dataclass
from typing import ClassVar
import numpy as np
from drivetrain.codecs import Codec

@dataclass(frozen=True)
class Hue(Codec):
    op: ClassVar[str] = "hue@1"
    dtype = np.dtype(np.float32)
    shape = (2,)
    output_shape = (2,)
    def fit(self, values): return self
    def read(self, raw): return float(raw)
    def encode(self, value): return np.array([np.sin(value), np.cos(value)], np.float32)
    def decode(self, output): return {"hue": float(np.arctan2(*output))}
    def profile(self, encoded): return {}
    def schema(self): return {"type": "number"}
"""
ENCODER = """
from drivetrain.models.encoders import Encoder

class HueEncoder(Encoder):
    def forward(self, arrays): return list(arrays)

def build(codecs, rows, options): return HueEncoder(list(codecs))
"""
HEAD = """
from torch import nn
from drivetrain.models.heads import last_layer

class HueHead(nn.Module):
    error_name = "squared_distance"
    def __init__(self, features, options):
        super().__init__()
        self.layers = last_layer(features, 2, options)
    def forward(self, features): return self.layers(features)
    def losses(self, pairs, true): return (pairs - true).square().sum(1)
    def loss(self, pairs, true): return self.losses(pairs, true).mean()
    def error(self, pairs, true): return self.losses(pairs, true).sum()
    def error_of_mean(self, mean): return mean
    def finish(self, pairs): return pairs

def build(codec, features, options): return HueHead(features, options)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A kind with a codec, an encoder and a head, as the guide has it."""
    package = tmp_path / "painting"
    write(package / "codecs" / "hue.py", CODEC)
    write(package / "models" / "encoders" / "hue.py", ENCODER)
    write(package / "models" / "heads" / "hue.py", HEAD)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    extensions.register("painting")
    yield package
    extensions.forget()
    for name in [name for name in sys.modules if name.partition(".")[0] == "painting"]:
        del sys.modules[name]


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def network(model: str = "mlp") -> BaseNetwork:
    hue = from_spec({"op": "hue@1"})
    rows = np.stack([hue.encode(value) for value in np.arange(6.0)])
    return build_network(Signature({"a": hue}, {"b": hue}), {"a": rows, "b": rows}, model)


def test_a_head_that_knows_of_no_members_gets_one_row_of_features(package: Path) -> None:
    made = network()
    assert made.training
    assert made({"a": torch.zeros(5, 2)})["b"].shape == (5, 2)


def test_a_picture_is_told_by_a_network_of_one_member() -> None:
    rows = {"a": np.zeros(4, np.float32), "b": np.zeros((4, 6, 6, 1), np.uint8)}
    made = build_network(
        Signature({"a": Number().fit([1, 2])}, {"b": Image(size=6, channels=1)}), rows, "mlp"
    )
    assert made({"a": torch.zeros(5)})["b"].shape == (5, 6, 6, 1)


@pytest.mark.parametrize(
    ("part", "old", "new", "told"),
    [
        ("heads", "features, 2,", "features, 3,", "size of tensor"),
        ("heads", "return pairs\n", "return pairs * float('nan')\n", "finish gives NaN"),
        ("heads", ".mean()", "", r"loss gives \(2,\), not \(\)"),
        ("heads", "def error_of_mean", "def something", "error_of_mean"),
        ("heads", "def build", "def make", "has no build"),
        ("encoders", "def build", "def make", "has no build"),
        ("encoders", "list(arrays)", "arrays[0]", "this one gave"),
        ("encoders", "list(arrays)", "[each[:, None] for each in arrays]", r"\(2, 1, 2\)"),
        ("encoders", "list(arrays)", "[each / 0 for each in arrays]", "NaN or infinity"),
        ("encoders", "list(arrays)", "nothing", "NameError"),
    ],
)
def test_a_part_that_fails_is_told_before_a_training(
    package: Path, part: str, old: str, new: str, told: str
) -> None:
    text = {"heads": HEAD, "encoders": ENCODER}[part]
    assert old in text
    write(package / "models" / part / "hue.py", text.replace(old, new))
    with pytest.raises(DrivetrainError, match=told) as fault:
        network()
    assert fault.value.where == f"painting.models.{part}.hue"


def test_a_file_of_metrics_that_lacks_something_is_told(package: Path) -> None:
    write(package / "metrics" / "hue.py", "METRICS = ()\ndef measure(): ...\ndef losses(): ...\n")
    with pytest.raises(DrivetrainError, match="has no DECIDES and no statistics"):
        metrics_of(from_spec({"op": "hue@1"}))


def test_a_codec_alone_is_no_kind_of_a_table(package: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n2,3\n")
    frame = read_frame(tmp_path / "a.csv")
    with pytest.raises(UsageError, match=r"data/kinds/hue\.py"):
        guess_kinds(frame, "b", {"a": "hue"})
    write(package / "data" / "kinds" / "hue.py", "WORDS = ('hue',)\n")
    extensions.register("painting")
    with pytest.raises(DrivetrainError, match="has no told"):
        guess_kinds(frame, "b", {"a": "hue"})


def test_a_kind_without_a_part_is_told_which(package: Path) -> None:
    hue = from_spec({"op": "hue@1"})
    (package / "models" / "encoders" / "hue.py").unlink()
    with pytest.raises(UsageError, match="no network has an encoder of hue"):
        refuse_unfit("mlp", Signature({"a": hue}, {"b": Number()}))
    (package / "models" / "heads" / "hue.py").unlink()
    with pytest.raises(UsageError, match="no network has a head of hue"):
        refuse_unfit("mlp", Signature({"a": Number()}, {"b": hue}))


def test_where_no_name_fits_none_is_offered() -> None:
    with pytest.raises(UsageError, match="torch module of your own"):
        resolve("nothing", ())
