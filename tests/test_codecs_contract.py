"""The codecs keep the contract of a codec, and check_codec notices when one does not."""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from tokenizer_files import ALL
from tokenizer_files import codec as subwords

from drivetrain.codecs import Codec, Signature, base, codec_names, from_spec
from drivetrain.codecs.audio import Audio
from drivetrain.codecs.bag import Bag
from drivetrain.codecs.bytes import Bytes
from drivetrain.codecs.category import Category
from drivetrain.codecs.date import Date
from drivetrain.codecs.image import Image
from drivetrain.codecs.number import Number
from drivetrain.codecs.ranking import Ranking
from drivetrain.codecs.series import Series
from drivetrain.codecs.tags import Tags
from drivetrain.codecs.tensor import TYPES, Tensor
from drivetrain.codecs.text import Text
from drivetrain.codecs.tokens import Tokens
from drivetrain.codecs.trace import Trace
from drivetrain.errors import DrivetrainError, UsageError
from drivetrain.testing import check_codec

GENERATOR = np.random.default_rng(0)
FILES = [raw for _, raw in Image().nasty_examples()]
ARRAYS = [
    GENERATOR.integers(0, 256, shape, dtype=np.uint8)
    for shape in ((30, 40, 3), (1, 1, 3), (1, 700), (32, 32), (700, 2, 3), (600, 800))
]


DAY = datetime.date(1969, 7, 20)
MOMENT = datetime.datetime(2021, 3, 4, 5, 6, 7, 891, datetime.timezone(datetime.timedelta(hours=-5)))


TRACES = [raw for _, raw in Trace().nasty_examples()]
SOUNDS = [raw for _, raw in Audio(rate=8000, seconds=0.3).nasty_examples()]
TEXTS = [
    "The cat sat on the mat.", "the CAT's <b>mat</b> &amp; more", "", None, 3, "\ud800 \0 \U0001f600", "x" * 70_000,
    "naïve e\u0301 line\r\nnext",
]  # fmt: skip


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
        (Number("robust", log=True, missing=True), [1, None, -2.5, float("nan"), "?", float("inf"), 1e30]),
        (Number(thousands=".", interval=1.5), ["1.234,5", "7"]),
        (Number(log=True, interval=2.0, coverage=0.8), [0, 10, 1e38]),
        (Number(interval=2.0, local=((-1.0, 0.5), (1.0, 2.0)), lowest=0.0, highest=1e38), [0, 10, 1e38]),
        (Category(costs=((0, 1), (5, 0))), ["ill", "well"]),
        (Category(open=True, rare=2, most=2), ["a", "a", "b", "b", "c", "c", "d", None, "?", 3.0, True]),
        (Category(open=True), [None, "N/A"]),
        (Date(), [DAY, MOMENT, np.datetime64("2020-02-29T12:00:00.123456789"), "Dec 31, 2019 11:59 PM"]),
        (Date(missing=True), [None, "-", float("nan"), "31.12.2019", np.datetime64("NaT")]),
        (Date(epoch="ms", parts=("hour", "year")), [1.5e12, "1500000000123", DAY]),
        (Tags(), [["a", "b"], [], ("b", " b "), None, [3, True]]),
        (Tags(separator=";", open=True, rare=2, thresholds=(0.2, 0.7)), ["a; b", "b;a", "c", ["a"]]),
        (Text(), ["The cat sat", "the CAT's mat", "", None, 3]),
        (Text(words=("cat",), length=2), ["a cat and a dog"]),
        (Text(grams=12), ["The cat sat on the cat", "", None, 3, "\ud800 \0 \U0001f600", "x" * 70_000]),
        (Text(grams=22, most_grams=3), ["a cat and a dog", "\u00a0"]),
        (Bag(rare=1), TEXTS),
        (Bag(rare=1, most=3, lower=False, strip_html=True, strip_accents=True, stop_words=("the",)), TEXTS),
        (Bag(words=("cat",)), ["a cat and a CAT", "dog"]),
        (Series(), [[1, 2.5], "3 4", [None, 5]]),
        (Series(("x", "y"), length=2), [[[1, 2], [None, 4]]]),
        (Ranking(), [["a", "b"], [], ("b", " b "), None, [3, True]]),
        (Ranking(items=("z", "a"), shown=1), [["a", "q", "r"]]),
        (Tokens(), [[3, 0, 3], (1,), np.array([7, 2]), []]),
        (Tokens(size=9), [[8], []]),
        (Tokens(tokenizer="words"), TEXTS),
        (Tokens(tokenizer="words", lines=True, rare=1, length=3, keep="end"), TEXTS),
        (Tokens(tokenizer="characters", rare=0, absent=("no",)), [*TEXTS, "No"]),
        (Tokens(tokenizer="bpe", most=60, lower=True, strip_html=True, strip_accents=True), TEXTS),
        (Tokens(tokenizer="wordpiece", strip_punctuation=True, stop_words=("the", "a")), TEXTS),
        (Tokens(tokenizer="unigram", most=5), TEXTS),
        (Tokens(tokenizer="unigram"), [""]),
        (Trace(), TRACES),
        (Trace(size=16, bounds=(0.0, 0.0, 10.0, 5.0), slow=0.5, fast=40.0), TRACES),
        (Bytes(size=16), FILES[:3]),
        (Bytes(size=32, layout="pairs", most=200), FILES[:3]),
        (Audio(), SOUNDS),
        (Audio(rate=8000, seconds=0.02, keep="beginning", trim=20.0), SOUNDS),
        (Audio(seconds=0.5, keep="end"), SOUNDS[:2]),
        (Audio(rate=8000, resample=False), SOUNDS[:1]),
        *((subwords(record), TEXTS) for record in ALL.values()),
        *(
            (Tensor(kind, (2, 3)), [raw for _, raw in Tensor(kind, (2, 3)).nasty_examples()])
            for kind in TYPES
        ),
        (Tensor("int32"), [3, -4]),
    ],
)
def test_contract(codec: Codec, values: list[Any]) -> None:
    check_codec(codec, values)


def test_every_codec_has_a_contract_test() -> None:
    tested = {
        "image",
        "audio",
        "trace",
        "bytes",
        "category",
        "number",
        "date",
        "tags",
        "text",
        "bag",
        "ranking",
        "tokens",
        "subwords",
        "series",
        "tensor",
    }
    assert set(codec_names()) == tested, "add the new codec to test_contract"
    book = (Path(base.__file__).parent / "OPS.md").read_text(encoding="utf-8")
    for name in tested:
        assert f"| `{name}@1` |" in book
        assert f"## {name}@1" in book


def test_the_book_names_every_field() -> None:
    book = (Path(base.__file__).parent / "OPS.md").read_text(encoding="utf-8")
    for codec in (
        Image(),
        Audio(),
        Trace(),
        Bytes(),
        Category(),
        Number(),
        Date(),
        Tags(),
        Text(),
        Bag(),
        Ranking(),
        Tokens(),
    ):
        section = book.split(f"## {codec.op}")[1].split("\n## ")[0]
        told = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", section, re.MULTILINE))))
        assert {field.name for field in dataclasses.fields(codec)} <= told, codec.op


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

    def encode_column(self, values: Any) -> Any:
        encoded, errors = super().encode_column(values)
        if self.fault == "column":
            return encoded + np.float32(1), errors
        if self.fault == "one error":
            return encoded, dict.fromkeys(errors, DrivetrainError("no"))
        return encoded, {} if self.fault == "no error" else errors

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
    "column": "encodes differently in a column",
    "one error": "share one error",
    "no error": "rows in error are",
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
        ({"op": "category@1", "rare": 2}, "only where the category is open"),
        ({"op": "category@1", "classes": ["a", "b"], "costs": [[0, 1]]}, "for each of the 2 classes"),
        ({"op": "category@1", "costs": [[0, 1], [1]]}, "costs need a row and a column"),
        ({"op": "category@1", "costs": [[0]], "open": True}, "can't be open"),
        ({"op": "number@1", "spread": 0}, "above 0"),
        ({"op": "number@1", "scaling": "minmax"}, "scaling must be"),
        ({"op": "number@1", "thousands": "_"}, "thousands must be"),
        ({"op": "number@1", "interval": -1.0}, "at least 0"),
        ({"op": "number@1", "local": [[1.0, 1.0], [1.0, 2.0]]}, "above the one before"),
        ({"op": "number@1", "local": [[float(place), 1.0] for place in range(65)]}, "at most 64 places"),
        ({"op": "number@1", "local": [[0.0, -1.0]]}, "factors from 0"),
        ({"op": "number@1", "local": [[0.0, 1.0, 2.0]]}, "can't have"),
        ({"op": "number@1", "lowest": 2.0, "highest": 1.0}, "not above the other"),
        ({"op": "number@1", "coverage": 1}, "between 0 and 1"),
        ({"op": "date@1", "order": "ydm"}, "order must be"),
        ({"op": "date@1", "epoch": "d"}, "epoch must be"),
        ({"op": "date@1", "parts": ["year", "year"]}, "different ones"),
        ({"op": "date@1", "parts": ["second"]}, "different ones"),
        ({"op": "date@1", "center": 0.5}, "whole number"),
        ({"op": "tags@1", "tags": ["a", "a"]}, "named twice"),
        ({"op": "tags@1", "tags": ["a"], "thresholds": [0.5, 0.5]}, "2 thresholds don't fit 1 tags"),
        ({"op": "tags@1", "thresholds": [1]}, "between 0 and 1"),
        ({"op": "tags@1", "rare": 3}, "only where the tags are open"),
        ({"op": "text@1", "length": 257}, "between 1 and 256"),
        ({"op": "text@1", "length": 2.5}, "whole number between 1 and 256"),
        ({"op": "text@1", "most": 2.5}, "whole numbers from 0"),
        ({"op": "text@1", "grams": 23}, "from 8 to 22"),
        ({"op": "text@1", "most_grams": 5}, "where there are grams"),
        ({"op": "text@1", "grams": 18, "most_grams": 8193}, "between 1 and 8192"),
        ({"op": "ranking@1", "shown": 2.5}, "whole number from 1"),
        ({"op": "ranking@1", "shown": True}, "whole number from 1"),
    ],
)
def test_a_spec_that_makes_no_sense_is_refused(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(DrivetrainError, match=message):
        from_spec(spec)


@pytest.mark.parametrize(
    ("codec", "fields", "message"),
    [
        (Image, {"size": 0}, "one or two whole numbers from 1 to 4096, not 0"),
        (Image, {"size": (1, 2, 3)}, "one or two whole numbers"),
        (Image, {"size": 3.5}, "one or two whole numbers"),
        (Image, {"resize": "foo"}, "resize must be one of crop"),
        (Number, {"scaling": "foo"}, "scaling must be one of standard"),
        (Category, {"classes": ("a", "a")}, "named twice"),
        (Date, {"order": "ydm"}, "order must be"),
        (Tags, {"tags": ("a", "a")}, "named twice"),
        (Text, {"length": 0}, "between 1 and"),
        (Ranking, {"shown": 0}, "whole number from 1"),
    ],
)
def test_impossible_fields_of_a_codec_are_an_error_of_the_user(
    codec: type[Codec], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        codec(**fields)


@pytest.mark.parametrize(
    "name", ["default payment (next month)", "native-country", "größe", "a", "a/b", "a\\b", "%", "x" * 200]
)
def test_a_field_may_be_called_like_any_column(name: str) -> None:
    signature = Signature({name: Number()}, {"target": Number()})
    assert Signature.from_json(signature.to_json()) == signature


@pytest.mark.parametrize("name", ["", "x" * 201, " a", "a\u00a0", "a\nb", "a\0", "\ud800"])
def test_a_field_can_not_be_called_so(name: str) -> None:
    with pytest.raises(DrivetrainError, match="the field name"):
        Signature({name: Number()}, {"target": Number()})


def test_a_column_is_encoded_value_by_value_and_each_of_them_once() -> None:
    """1, 1.0 and True are one key to a dict, and three things to a category."""

    class Counting(Category):
        reads: ClassVar[list[Any]] = []

        def read(self, raw: Any) -> Any:
            self.reads.append(raw)
            return super().read(raw)

    codec = Counting(classes=("1", "true", "1.5"))
    column = np.array([1, 1.0, True, "1", None, 1, "1", True, None, 1.5], object)
    encoded, errors = codec.encode_column(column)
    assert encoded.tolist() == [0, 0, 1, 0, 0, 0, 0, 1, 0, 2]
    assert sorted(errors) == [4, 8]
    assert len(codec.reads) == 6
    errors[4].at("here")
    assert errors[8].where == ""


@pytest.mark.parametrize(
    ("column", "want", "wrong"),
    [
        (np.array([2, 1, 2]), [1, 0, 1], []),
        (np.array([1.0, np.nan, 2.0, np.nan]), [0, 0, 1, 0], [1, 3]),
        (np.array([[1], [2], "x", "1"], object), [0, 0, 0, 0], [0, 1, 2]),
        (np.array([], object), [], []),
    ],
)
def test_columns_of_any_dtype(column: Any, want: list[int], wrong: list[int]) -> None:
    encoded, errors = Category(classes=("1", "2")).encode_column(column)
    assert encoded.tolist() == want
    assert sorted(errors) == wrong
