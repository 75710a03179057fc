"""The three codecs keep the contract of a codec, and check_codec notices when one does not."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
import pytest

from drivetrain.codecs import Codec, base, codec_names, from_spec
from drivetrain.codecs.category import Category
from drivetrain.codecs.image import Image
from drivetrain.codecs.number import Number
from drivetrain.errors import DrivetrainError
from drivetrain.testing import check_codec

GENERATOR = np.random.default_rng(0)
FILES = [raw for _, raw in Image().nasty_examples()]
ARRAYS = [
    GENERATOR.integers(0, 256, shape, dtype=np.uint8)
    for shape in ((30, 40, 3), (1, 1, 3), (1, 700), (32, 32), (700, 2, 3), (600, 800))
]


@pytest.mark.parametrize(
    ("codec", "values"),
    [
        (Image(), FILES),
        (Image(channels=1), FILES),
        (Image(size=(20, 33), resize="pad"), FILES),
        (Image(size=32), ARRAYS),
        (Image(size=32, channels=1, resize="stretch"), ARRAYS),
        (Category(), ["dog", "cat", " dog ", "Änne", 3, np.int64(4), True]),
        (Category(classes=("z", "a")), ["a", "z"]),
        (Number(), [1, 2.5, " 3e1 ", np.float32(0.1), np.int8(-4)]),
        (Number(center=3.0), [1, 2]),
        (Number(scaling="none", spread=2.0), [5.0]),
    ],
)
def test_contract(codec: Codec, values: list[Any]) -> None:
    check_codec(codec, values)


def test_every_codec_has_a_contract_test() -> None:
    assert set(codec_names()) == {"image", "category", "number"}, "add the new codec to test_contract"


@dataclasses.dataclass(frozen=True)
class Broken(Number):
    """A number codec of which `fault` is broken, to show that check_codec sees it."""

    fault: ClassVar[str] = ""
    kept: ClassVar[Any] = np.zeros((), np.float32)

    def fit(self, values: Iterable[Any]) -> Any:
        if self.fault == "fit in place":
            object.__setattr__(self, "center", 1.0)
            return self
        if self.fault == "fit forgets":
            return dataclasses.replace(super().fit(values), scaling="standard")
        if self.fault == "fit drifts":
            return dataclasses.replace(self, center=(self.center or 0) + 1, spread=1.0)
        sound = Number(self.scaling, center=self.center, spread=self.spread).fit(values)
        return dataclasses.replace(self, center=sound.center, spread=sound.spread)

    def read(self, raw: Any) -> Any:
        if self.fault == "aliased":
            return np.array(super().read(raw), np.float32)
        if self.fault == "input changed":
            return np.array([super().read(raw)], np.float32)
        return super().read(raw)

    def encode(self, value: Any) -> Any:
        match self.fault:
            case "aliased":
                return value
            case "input changed":
                value += 1
                return np.array(value[0])
            case "dtype":
                return np.array(value, np.float64)
            case "shape":
                return np.array([value], np.float32)
            case "random":
                return np.array(GENERATOR.random(), np.float32)
            case "same memory":
                self.kept[...] = value
                return self.kept
            case "refused":
                raise DrivetrainError("no")
            case _:
                return super().encode(value)

    def to_bytes(self, raw: Any) -> bytes:
        return b"7" if self.fault == "bytes" else super().to_bytes(raw)

    def profile(self, encoded: Any) -> dict[str, Any]:
        return {"mean": float("nan")} if self.fault == "profile" else super().profile(encoded)

    def schema(self) -> dict[str, Any]:
        return {"type": "float"} if self.fault == "schema" else super().schema()

    def decode(self, output: Any) -> dict[str, Any]:
        return {"value": output} if self.fault == "decode" else super().decode(output)

    def nasty_examples(self) -> list[tuple[str, Any]]:
        return [("text", "x")] if self.fault == "nasty" else super().nasty_examples()

    def spec(self) -> dict[str, Any]:
        spec = super().spec()
        return {**spec, "center": 9.0} if self.fault == "spec" and self.center is not None else spec


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken stands for number@1 during one test, and no longer."""
    monkeypatch.setitem(base._IMPLEMENTATIONS, Number.op, Broken)


BROKEN = {
    "fit in place": "fit changed the codec",
    "fit forgets": "fit replaced the user's scaling",
    "fit drifts": "fitting twice changes",
    "aliased": "memory shared",
    "input changed": "encode changed what was read",
    "dtype": "encodes to float64",
    "shape": r"encodes to shape \(1,\)",
    "random": "differently the second time",
    "same memory": "same memory each time",
    "refused": "value 0 is refused",
    "bytes": "reads differently after to_bytes",
    "profile": "profile of 0 rows is not JSON",
    "schema": "no JSON type",
    "decode": "decoded output is not JSON",
    "nasty": "nasty example 'text' is refused",
    "spec": "differs",
}


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize("fault", ["", *BROKEN])
def test_check_codec_sees(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Broken, "fault", fault)
    codec = Broken(scaling="none")
    if not fault:
        check_codec(codec, [1, 2, 3])
        return
    with pytest.raises(AssertionError, match=BROKEN[fault]):
        check_codec(codec, [1, 2, 3])


def test_check_codec_sees_a_field_that_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    class Loose(Number):
        def __setattr__(self, name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        def __hash__(self) -> int:
            return hash(self.spec()["op"])

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Number) and self.spec() == other.spec()

    monkeypatch.setitem(base._IMPLEMENTATIONS, Number.op, Loose)
    with pytest.raises(AssertionError, match="can be set"):
        check_codec(Loose(), [1, 2])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "needs an op"),
        ({"op": 3}, "needs an op"),
        ({"op": "image"}, "needs an op"),
        ({"op": "../base@1"}, "needs an op"),
        ({"op": "imag@1"}, "Did you mean image"),
        ({"op": "base@1"}, "no codec 'base'"),
        ({"op": "image@2"}, "not known here"),
        ({"op": "image@1", "sice": 3}, "no field 'sice'"),
        ({"op": "image@1", "size": [1]}, "two whole numbers"),
        ({"op": "image@1", "resize": "squash"}, "resize must be"),
        ({"op": "category@1", "classes": ["a", "a"]}, "named twice"),
        ({"op": "number@1", "spread": 0}, "above 0"),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(DrivetrainError, match=message):
        from_spec(spec)
