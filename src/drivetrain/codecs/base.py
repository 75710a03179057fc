"""The contract of a codec, and the signature that a model has: codecs by name for inputs and targets."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import math
import re
import types
import typing
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any, ClassVar, Self, cast

import numpy as np
import numpy.typing as npt

from drivetrain import extensions
from drivetrain.errors import DataError, DrivetrainError, UsageError, nearest
from drivetrain.field_names import field_name_fault
from drivetrain.files import from_json, to_json
from drivetrain.ragged import MOST_STEPS, Column, Ragged, Rows
from drivetrain.types import Array
from drivetrain.values import canonical, is_nothing, scalar, short

_OP = re.compile(r"([a-z][a-z0-9_]*)@([1-9][0-9]*)")
_IMPLEMENTATIONS: dict[str, type[Codec]] = {}

MISSING_WORDS = frozenset({"", "na", "n/a", "nan", "null", "?", "#n/a", r"\n"})
"""Texts that mean "no value" once trimmed and in lower case; the last is MySQL's."""
NO_NUMBER = MISSING_WORDS | {"none", "-", "--", "missing"}
"""The same for numbers and dates; a category may well be called so."""

LARGEST = float(np.finfo(np.float32).max)

NEVER_MISSING = "missing, as none was in training"
"""Of values that `Codec.unusual` names."""

MOST_NAMES = 20
"""Classes, tags or items that are named to people one by one."""

Cell = str | float | int | bool | None
Errors = dict[int, DrivetrainError]
"""Row -> why it can't be encoded."""


class FieldError(UsageError, ValueError):
    """A field that a codec can't have. A ValueError too: what makes a codec of a spec takes it for one."""


def is_missing(raw: Any, words: frozenset[str] = MISSING_WORDS) -> bool:
    """Whether a raw value says that there is none: None, NaN, not-a-time, pandas' NA, or text among `words`."""
    return raw.strip().lower() in words if isinstance(raw, str) else is_nothing(raw)


def absent_words(absent: Sequence[str] | None, usual: frozenset[str]) -> frozenset[str]:
    """The texts that mean "no value" to a codec whose field `absent` is this: as `canonical` has them, in lower case."""
    return usual if absent is None else frozenset(canonical(word.strip()).lower() for word in absent)


class Codec(ABC):
    """Immutable data that says how one kind of column is read, encoded and decoded.

    A subclass is a frozen dataclass whose fields are all of its state, fitted state included, and hold JSON
    values only (tuples count as lists). It lives in `codecs/<name>.py` and names its op, `<name>@<version>`.
    A change of meaning is a new version, never a changed one: old bundles keep theirs.
    """

    op: ClassVar[str]
    """Name and version, as written in signature.json."""
    like: ClassVar[str] = ""
    """Name of the kind whose files in other rooms (metrics, heads ...) serve this one, where it has none of its own."""
    called: ClassVar[str] = ""
    """What a value is, in words: "a number"; where it isn't said, by the kind's name."""
    read_tolerance: ClassVar[float] = 0.0
    """Largest difference per element allowed to another runtime's `read` (a JPEG decoder may differ)."""
    encoded_tolerance: ClassVar[float] = 0.0
    """Largest difference per element allowed to another runtime's `encode`."""
    no_value: ClassVar[frozenset[str]] = MISSING_WORDS
    """The texts that mean "no value" where the field `absent` of a codec that has it is None."""
    from_files: ClassVar[bool] = False
    """True where raw values are usually files: encoding is done in parallel, from each file's bytes, and kept."""
    from_text: ClassVar[bool] = True
    """Whether a text, such as a cell of a CSV, can be a raw value."""
    pictured: ClassVar[bool] = False
    """True where raw values are pictures, as files or arrays: what opens and looks at such may do so."""
    drawn: ClassVar[bool] = False
    """True where an encoded value is a picture to look at: uint8 (height, width, 1 or 3)."""
    augment: ClassVar[str] = ""
    """Name of the file in `data/augment` whose random changes its encoded values bear in training: "pictures" for uint8
    (height, width, channels) that may be turned, moved and lit otherwise. None where nothing may change them."""
    of_tokens: ClassVar[bool] = False
    """True where encoded values are tokens, int64 (n,) from 0, and `decode` takes such: what a bundle that generates reads
    and writes."""
    choices: ClassVar[tuple[str, ...]] = ()
    """Parts of an answer that are chosen: equal or not, and safe within `margin`."""
    learned: ClassVar[tuple[str, ...]] = ()
    """Fields that `fit` sets where they are None: with one that is, a codec says nothing yet and is in no bundle."""
    apart: ClassVar[Mapping[str, str]] = {}
    """Fields that hold a whole text file, and what a bundle calls the member that it keeps one in (FORMAT.md, section 1)."""
    padding: float = 0
    """Where rows are of different lengths: what follows the shorter ones of a batch. No network may look at it."""
    longest: int = 65_536
    """Where rows are of different lengths: the greatest there may be. Whatever is longer is refused."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "op" in cls.__dict__:
            _IMPLEMENTATIONS[cls.op] = cls

    @abstractmethod
    def fit(self, values: Iterable[Any]) -> Self:
        """A new codec that has learned its state from raw training values; fields the user set are kept."""

    @abstractmethod
    def read(self, raw: Any) -> Any:
        """Raw bytes, path, cell -> the object (image array, text, number). Raises DataError."""

    @abstractmethod
    def encode(self, value: Any) -> Array:
        """The object -> an array of `dtype` and `shape`; where that begins with None, as long as the object is, 0 included.
        Raises DataError."""

    def encode_raw(self, raw: Any) -> Array:
        """`encode(read(raw))`. A codec overrides it where it can save the copies between the two."""
        return self.encode(self.read(raw))

    def encode_column(self, values: Array) -> tuple[Any, Errors]:
        """A column of raw values (n,) -> (n, *shape), a `Column`; and the errors by row, whose rows are zeros, or empty where
        rows are of different lengths.

        Each different value is encoded once. A codec overrides it where it can do many at a time.
        """
        different, which = distinct(values)
        faults: Errors = {}
        if self.varies:
            with Rows(cast("tuple[int, ...]", self.shape[1:]), self.dtype, self.padding) as rows:
                for place, raw in enumerate(different):
                    try:
                        rows.append(self.fitting(self.encode_raw(raw)))
                    except DrivetrainError as fault:
                        faults[place] = fault
                        rows.append(rows.empty)
                return by_row(rows.together(), which), errors_by_row(faults, which)
        encoded = np.zeros((len(different), *self.shape), self.dtype)
        for place, raw in enumerate(different):
            try:
                encoded[place] = self.fitting(self.encode_raw(raw))
            except DrivetrainError as fault:
                faults[place] = fault
        return by_row(encoded, which), errors_by_row(faults, which)

    def fitting(self, encoded: Array) -> Array:
        """An encoded value, when it is of this codec's dtype and shape and not too long. Raises DataError."""
        shape = (len(encoded), *self.shape[1:]) if self.varies and encoded.ndim else self.shape
        if encoded.shape != shape or encoded.dtype != self.dtype:
            raise DataError(
                f"{self.op} made {encoded.dtype} {encoded.shape} of it, not {self.dtype} {shape}."
            )
        if self.varies and len(encoded) > self.most_steps:
            raise DataError(
                f"it is {len(encoded):,} long; {self.most_steps:,} is the most.",
                fix="Cut it, or leave it out.",
            )
        return encoded

    @property
    def most_steps(self) -> int:
        """How long a row may be, whatever `longest` says: no batch is longer."""
        return min(self.longest, MOST_STEPS)

    def together(self, rows: Sequence[Array]) -> Column:
        """Encoded values as one column."""
        if not self.varies:
            return rows if isinstance(rows, np.ndarray) else np.stack(rows)
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        none = np.zeros((0, *self.shape[1:]), self.dtype)
        return Ragged.of(np.concatenate([none, *rows]), lengths, self.padding)

    def truths(self, values: Array, encoded: Any) -> Any:
        """What metrics take for true, of raw target values (n,) and what they are encoded to: as exact as they are given.

        The encoded values themselves, unless encoding rounds.
        """
        del values
        return encoded

    def stretches(self, raw: Any) -> Iterator[tuple[float, float, Array]] | None:
        """Of a raw value that is more than is heard, or seen, at once: the stretches that a model answers for, in their order:
        where each begins and ends, in seconds, and it encoded. None where one encoded value is all of it. Raises DataError as
        `read` does."""
        del raw
        return None

    @property
    def told(self) -> str:
        """What a person should know of what it has learned, as the end of a sentence that begins with the field; empty where
        that is nothing."""
        return ""

    def rounding(self, values: Array) -> float:
        """The largest step between neighbours that encoding raw values (n,) takes, in standard deviations of them: what it
        may lose. 0 where that is next to nothing."""
        del values
        return 0.0

    def enlarged(self, factor: float) -> Self:
        """The codec that keeps `factor` times as much for random crops in training; itself where that means nothing."""
        del factor
        return self

    @abstractmethod
    def decode(self, output: Array) -> dict[str, Any]:
        """One row of model output -> what a person understands, as JSON values; under "text", where that is among them, as
        it is printed."""

    def texts(self, tokens: Iterable[int]) -> Iterator[str]:
        """Of a codec `of_tokens`: what a person reads of each token, as soon as it is there, empty where that is nothing.
        Put together it is the text that they are; here their numbers."""
        for place, token in enumerate(tokens):
            yield f" {token}" if place else str(token)

    def knows(self, raw: Any) -> bool:
        """Whether a raw value is one that an answer can be: a class of somebody else's model is none. Raises DataError as
        `read` does."""
        del raw
        return True

    def answer_cells(self, answer: Mapping[str, Any] | None, brief: bool = False) -> dict[str, Cell]:
        """What a table of answers has of one, by column: of what `decode` gave, or the same columns empty. `brief` leaves
        out what only details the rest."""
        del brief
        return {"answer": None if answer is None else to_json(answer)}

    @abstractmethod
    def profile(self, encoded: Any) -> dict[str, Any]:
        """A summary, in JSON, of many encoded rows, a `Column`: what training data looked like."""

    def unusual(self, values: Array, encoded: Any, profile: Mapping[str, Any]) -> list[tuple[str, Array]]:
        """What in raw values (n,), and the `Column` that they are encoded to, no training row was like, by the `profile` of those:
        (what they are: "not seen in training", which rows: bool (n,)), each row once at most. A profile that doesn't say
        it is no reason.
        """
        del values, encoded, profile
        return []

    def lost(self, raw: Any, encoded: Array) -> Mapping[str, str]:
        """What of a raw value is not in what it is encoded to: a reason as `Unusual` has it, the same for many values, and what it
        is of this one ("not read to the end, for being too long": "only its first 512 tokens are read")."""
        del raw, encoded
        return {}

    @property
    @abstractmethod
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the encoded array."""

    @property
    @abstractmethod
    def shape(self) -> tuple[Any, ...]:
        """The shape of one encoded value, without the row axis: whole numbers, of which the first may be None instead (as long
        as the value is). Raises DrivetrainError before `fit`."""

    @property
    def varies(self) -> bool:
        """Whether rows are of different lengths."""
        return self.shape[:1] == (None,)

    @property
    def large(self) -> bool:
        """Whether one value is much to compute with, as a picture or a window of a signal is beside a number: batches are
        then smaller, and more cores worth their while."""
        return len(self.shape) > 1

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of one row of model output that `decode` takes, when this codec is a target: the same for each row. (An
        answer as long as it happens to be is for a bundle's program to make.)"""
        raise DrivetrainError(f"{self.op} can't be a target: there is no model output that it decodes")

    @property
    def output_dtype(self) -> np.dtype[Any]:
        """The dtype of a model output that `decode` takes."""
        return np.dtype(np.float32)

    @property
    def output_names(self) -> tuple[str, ...]:
        """What each place of a model output is about: outputs of two models can be compared where it is the same."""
        return self.labels or ()

    @property
    def holds_texts(self) -> bool:
        """Whether raw values are texts, which a pretrained model may be given to read with its own tokenizer."""
        return False

    @property
    def word_names(self) -> tuple[str, ...] | None:
        """Of tokens that are words what each is called, by its number, "" where it is none; None where tokens are something else.
        Pretrained vectors of words may be given for them."""
        return None

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The names of which an answer is exactly one, the encoded value being its place among them (none before `fit`);
        None where an answer is no choice."""
        return None

    @property
    def code_names(self) -> Sequence[str]:
        """Where an encoded value is whole numbers from 0 that each stand for something, a word or a class: what for; empty
        where it is none such. A network may have a vector for each of them."""
        return ()

    @property
    def first_word(self) -> int:
        """Of a text's `code_names` the place of the first that a text has: padding and what is unknown come before it."""
        return 0

    @property
    def without_text(self) -> tuple[int, ...]:
        """The codes that stand for no text, which nothing is to write; none where there are no others."""
        return tuple(range(self.first_word)) if len(self.code_names) > self.first_word else ()

    def chosen(self, probabilities: Array) -> Array:
        """(n,) the place among `labels` that is answered for model outputs (n, labels)."""
        return np.asarray(probabilities).argmax(axis=1)

    def input_words(self) -> str:
        """What an input of it takes, in a sentence for people."""
        return f"{self.op}, as described in signature.json."

    def answer_words(self) -> str:
        """What a model says of a target of it, in a sentence for people."""
        return f"{self.op}, as described in signature.json."

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """JSON schema of the raw value as it travels in JSON."""

    def margin(self, output: Array) -> float:
        """How much each element of a model output may be off before `decode` chooses something else, at least.

        Infinite where it chooses nothing; 0 where two choices are equal.
        """
        del output
        return math.inf

    def to_bytes(self, raw: Any) -> bytes:
        """The raw value as bytes, for a golden case. `from_bytes` of it reads the same."""
        return to_json(_as_json(raw)).encode()

    def from_bytes(self, data: bytes) -> Any:
        """A raw value from what `to_bytes` gave."""
        return from_json(data)

    def nasty_examples(self) -> list[tuple[str, Any]]:
        """(name, raw value) pairs at the edge of what this codec accepts; every runtime must agree on them."""
        return []

    def with_fields(self, **fields: Any) -> Self:
        """The codec with other values of some fields."""
        return dataclasses.replace(cast("Any", self), **fields)

    def spec(self) -> dict[str, Any]:
        """The codec as JSON: `{"op": ..., field: value, ...}`. `from_spec` of it gives an equal codec."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return {"op": self.op, **{field.name: _plain(getattr(self, field.name)) for field in fields}}


class Quantity(Codec):
    """What answers with a number: encodes to float32 (), and decodes float32 () or (1,), in natural units.

    It is learned on a scale of its own, z = `transform`(x), which is sign(x) log(1 + |x|) with `log` and else x; `center` and
    `spread` are those of the training rows' z, and `scaled` is what a graph works on. No answer leaves `scale`, the ends of
    a scale, where there is one. With `interval` an answer is a range: see `codecs/number.py` for this and what goes with it.
    What is done with targets on a scale (regression, intervals, blends) asks for this, never for a kind.
    """

    log: bool
    center: float | None
    spread: float | None
    scale: tuple[float, float] | None
    interval: float | None
    coverage: float
    local: tuple[tuple[float, float], ...]
    lowest: float | None
    highest: float | None

    @abstractmethod
    def transform(self, values: Array) -> npt.NDArray[np.float64]:
        """z of values x."""

    @abstractmethod
    def inverse(self, transformed: Array) -> npt.NDArray[np.float64]:
        """x of z."""

    @abstractmethod
    def scaled(self, values: Array) -> npt.NDArray[np.float64]:
        """Natural units to the scale that a graph works on."""

    @abstractmethod
    def within(self, values: Array) -> Array:
        """The values, on the scale where there is one."""

    @abstractmethod
    def factors(self, places: Array) -> npt.NDArray[np.float64]:
        """How many times `interval` the range is wide at places on the scale that a graph works on."""

    @abstractmethod
    def bounds(self, outputs: Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Low and high ends of the range for each output (n,). Raises DrivetrainError without `interval`."""

    @abstractmethod
    def without_interval(self) -> Self:
        """The codec as it was before its answers had ranges."""


def distinct(values: Iterable[Any]) -> tuple[list[Any], Array]:
    """The different values of a column, and for each row (n,) which of them it is.

    Equal values of different types (1, 1.0, True) are different here. Where a value can't be hashed (a list, an
    array), each row stands for itself.
    """
    column = cast("Array", values) if isinstance(values, np.ndarray) else None
    if column is not None and column.ndim == 1 and column.dtype.kind in "biufM":
        found, which = np.unique(column, return_inverse=True)
        return list(found), which
    items: list[Any] = list(cast("Iterable[Any]", values))
    keys: list[Any] = items
    if len({*map(type, items)} - {type(None)}) > 1:
        keys = list(zip(map(type, items), items))
    places: dict[Any, int] = defaultdict(count().__next__)  # Numbers them as they come, in one pass.
    try:
        which = np.fromiter(map(places.__getitem__, keys), np.int64, len(keys))
    except TypeError:
        return items, np.arange(len(items))
    return list(places) if keys is items else [key[1] for key in places], which


def by_row(encoded: Any, which: Array) -> Any:
    """What was made of the different values (k, ...), for each row (n, ...). `which` is that of `distinct`."""
    each_its_own = len(which) == len(encoded) and bool((which == np.arange(len(which))).all())
    return encoded if each_its_own else encoded[which]


def errors_by_row(faults: Errors, which: Array) -> Errors:
    """The errors of different values, for each row that holds one: a copy each, for each gets a place of its own."""
    if not faults:
        return {}
    wrong = np.zeros(int(which.max()) + 1, bool)
    wrong[list(faults)] = True
    rows = np.flatnonzero(wrong[which])
    return {row: copy.copy(faults[place]) for row, place in zip(rows.tolist(), which[rows].tolist())}


def share_cells(names: Sequence[str], answer: Mapping[str, Any]) -> dict[str, Cell]:
    """The probability of each name, by column."""
    shares = answer.get("probabilities", {})
    return {f"probability of {name}": short(shares.get(name)) for name in names}


def _as_json(raw: Any) -> Any:
    """A raw value as JSON has it: null for what isn't finite, a date as ISO 8601."""
    if isinstance(raw, np.datetime64):
        return None if is_nothing(raw) else str(cast("object", raw))
    raw = scalar(raw)
    if isinstance(raw, float) and not math.isfinite(raw):
        return None
    return raw.isoformat() if isinstance(raw, (datetime.date, datetime.time)) else raw


def _plain(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)  # pyright: ignore[reportUnknownVariableType]
    return value


def some_of(names: Sequence[str]) -> str:
    """The first names of many, for people."""
    shown = ", ".join(names[:MOST_NAMES])
    return shown + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")


def codec_names() -> list[str]:
    """The names of the codecs there are, one for each file of the room: here and in extensions."""
    return list(extensions.names("codecs"))


def from_spec(spec: Mapping[str, Any]) -> Codec:
    """The codec that a spec describes. Raises DrivetrainError for an unknown op, version or field."""
    op = spec.get("op")
    match = _OP.fullmatch(op) if isinstance(op, str) else None
    if match is None:
        raise DrivetrainError(f"a codec spec needs an op like 'image@1', not {op!r}")
    if extensions.find("codecs", match[1]) is None:
        source = "Install a newer drivetrain, or the extension that has it."
        fix = f"{nearest(match[1], codec_names())} {source}".strip()
        raise DrivetrainError(f"there is no codec {match[1]!r}.", fix=fix)
    implementation = _IMPLEMENTATIONS.get(match[0])
    if implementation is None:
        raise DrivetrainError(f"the codec {op} is not known here.", fix="Install a newer drivetrain.")
    values = {key: _frozen(value) for key, value in spec.items() if key != "op"}
    known = {field.name for field in dataclasses.fields(implementation)}  # type: ignore[arg-type]
    if unknown := sorted(values.keys() - known):
        raise DrivetrainError(
            f"the codec {op} has no field {unknown[0]!r}.", fix="Install a newer drivetrain."
        )
    try:
        made = implementation(**values)
    except (TypeError, ValueError) as fault:
        raise DrivetrainError(f"the codec {op} can't have these fields: {fault}") from fault
    for key, hint in _hints(implementation).items():
        if key in values and not _fits(values[key], hint):
            raise DrivetrainError(f"the codec {op} can't have {values[key]!r:.60} as {key}.")
    return made


@cache
def _hints(implementation: type[Codec]) -> dict[str, Any]:
    hints = typing.get_type_hints(implementation)
    return {field.name: hints[field.name] for field in dataclasses.fields(implementation)}  # type: ignore[arg-type]


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value of a spec is of its field's type: a whole number may stand for a float, and true is no number."""
    kind, arms = typing.get_origin(hint) or hint, typing.get_args(hint)
    if kind is types.UnionType:
        return any(_fits(value, arm) for arm in arms)
    if kind is tuple:
        if not isinstance(value, tuple):
            return False
        parts = cast("tuple[Any, ...]", value)
        kinds = [arms[0]] * len(parts) if arms[-1] is ... else arms
        return len(parts) == len(kinds) and all(map(_fits, parts, kinds))
    if hint is float:
        return type(value) in (int, float) and abs(value) <= LARGEST
    return value in arms if kind is typing.Literal else type(value) is kind


@dataclass(frozen=True)
class Signature:
    """What goes in and what comes out: field name -> codec."""

    inputs: Mapping[str, Codec]
    targets: Mapping[str, Codec]

    def __post_init__(self) -> None:
        if shared := sorted(self.inputs.keys() & self.targets.keys()):
            raise DrivetrainError(
                f"{shared[0]!r} is both an input and a target.", fix="Give each field one role."
            )
        for name in (*self.inputs, *self.targets):
            if fault := field_name_fault(name):
                raise DrivetrainError(f"the field name {name!r:.60} {fault}.", fix="Rename the column.")

    @property
    def fields(self) -> dict[str, Codec]:
        """Inputs, then targets."""
        return {**self.inputs, **self.targets}

    def fit(self, columns: Mapping[str, Iterable[Any]]) -> Signature:
        """A signature whose codecs are fitted to the raw training values of their columns."""
        return Signature(
            {name: codec.fit(columns[name]) for name, codec in self.inputs.items()},
            {name: codec.fit(columns[name]) for name, codec in self.targets.items()},
        )

    def to_json(self) -> dict[str, Any]:
        """The content of signature.json."""
        return {
            "inputs": {name: codec.spec() for name, codec in self.inputs.items()},
            "targets": {name: codec.spec() for name, codec in self.targets.items()},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Signature:
        """The signature that `to_json` wrote. Raises DrivetrainError."""
        try:
            inputs, targets = dict(value["inputs"]), dict(value["targets"])
        except (KeyError, TypeError, ValueError) as fault:
            raise DrivetrainError(
                "a signature needs 'inputs' and 'targets', each an object of codec specs"
            ) from fault
        return cls(
            {name: from_spec(spec) for name, spec in inputs.items()},
            {name: from_spec(spec) for name, spec in targets.items()},
        )
