"""What a reader does with the graphs of a bundle to make an answer (FORMAT.md, section 5.4)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from drivetrain.bundle.archive import MANIFEST
from drivetrain.bundle.facts import is_whole
from drivetrain.errors import BundleError

MODEL, PREFILL, STEP = "model", "prefill", "step"
"""The graphs that there may be; each is the member NAME.onnx."""
MOST_VOCABULARY = 2**20
MOST_LONGEST = 2**16


@dataclass(frozen=True)
class Single:
    """The graph `model`, run once: encoded rows in, outputs out. This alone was there before format 5."""

    name: ClassVar[str] = "single"
    required: ClassVar[tuple[str, ...]] = (MODEL,)
    optional: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True)
class Forecast(Single):
    """The graph `model`, run once for each moment that a series is foretold from: what it reads are the moments before. How the
    rows of a table become moments says the member forecast.json."""

    name: ClassVar[str] = "forecast"


@dataclass(frozen=True)
class Generate:
    """Tokens, one after the other: the graph `step` takes the newest ones and the state that the step before has left, and says
    how likely each token is to come next. The graph `prefill`, where there is one, makes the first state of the inputs.

    Tokens are whole numbers from 0, below `vocabulary`. `start` is the one that `step` sees first (None: there is none), each of
    `stop` ends a sequence, and so does its length when it is `longest`, start and a prompt that `step` takes included. None of
    `never` is chosen: what stands for no text, such as a word that the training has not seen.
    """

    name: ClassVar[str] = "generate"
    required: ClassVar[tuple[str, ...]] = (STEP,)
    optional: ClassVar[tuple[str, ...]] = (PREFILL,)
    vocabulary: int
    longest: int
    stop: tuple[int, ...] = ()
    start: int | None = None
    never: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not is_whole(self.vocabulary, 1, MOST_VOCABULARY):
            raise _wrong(f"its vocabulary is not of 1 to {MOST_VOCABULARY:,} tokens")
        if not is_whole(self.longest, 1, MOST_LONGEST):
            raise _wrong(f"the longest sequence has not 1 to {MOST_LONGEST:,} tokens")
        special = (*self.stop, *self.never, *(() if self.start is None else (self.start,)))
        if not all(is_whole(token, 0, self.vocabulary - 1) for token in special):
            raise _wrong("it starts, stops or passes over what is no token of its vocabulary")
        if len(self.stop) != len({*self.stop}):
            raise _wrong("a token to stop at is named twice")
        if len(self.never) != len({*self.never} - {*self.stop}) or len(self.never) >= self.vocabulary:
            raise _wrong("a token that is never chosen is named twice, one to stop at, or there is no other")


Program = Single | Generate
_KINDS: dict[str, type[Program]] = {kind.name: kind for kind in (Single, Forecast, Generate)}


def program_to_json(program: Program) -> dict[str, Any]:
    """`{"name": ..., field: value, ...}`; where every token may be chosen that is not said, as before format 7."""
    fields = {"name": program.name, **dataclasses.asdict(program)}
    if not fields.get("never"):
        fields.pop("never", None)
    return fields


def program_from_json(record: Any) -> Program:
    """The program that exactly these fields describe. Raises BundleError."""
    fields = dict(cast("dict[str, Any]", record)) if isinstance(record, dict) else {}
    name = fields.pop("name", None)
    kind = _KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise _wrong(f"{name!r:.50} is none that this drivetrain knows")
    if fields.get("never") == []:
        raise _wrong("that every token may be chosen is not said")
    if kind is Generate:
        fields.setdefault("never", [])
    if fields.keys() != {field.name for field in dataclasses.fields(kind)}:
        raise _wrong(f"it doesn't have the fields of {kind.name!r}")
    for several in {"stop", "never"} & fields.keys():
        if not isinstance(fields[several], list):
            raise _wrong(f"{several!r} is no list of tokens")
        fields[several] = tuple(cast("list[Any]", fields[several]))
    return kind(**fields)


def refuse_graphs(program: Program, graphs: Iterable[str]) -> None:
    """Raise BundleError where a graph is missing that the program runs, or one is there that it doesn't."""
    given = {*graphs}
    for name in program.required:
        if name not in given:
            raise BundleError(f"the program {program.name!r} needs this graph.", where=f"{name}.onnx")
    if others := given - {*program.required, *program.optional}:
        raise BundleError(f"the program {program.name!r} has no such graph.", where=f"{min(others)}.onnx")


def _wrong(what: str) -> BundleError:
    return BundleError(f"the program can't be followed: {what}.", where=MANIFEST)
