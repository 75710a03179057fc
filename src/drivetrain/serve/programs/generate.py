"""A bundle that writes: after a prompt, or a translation of what it reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, cast

from drivetrain.bundle.program import Generate
from drivetrain.bundle.reader import Bundle
from drivetrain.bundle.strategies import Beam, Greedy, Sampling, Strategy
from drivetrain.errors import UsageError, nearest
from drivetrain.runtime.generator import Generated, Generator, Piece
from drivetrain.runtime.rows import describe
from drivetrain.runtime.writer import writes
from drivetrain.serve.programs.base import Servable, item_schema
from drivetrain.types import Answer, Failure

MOST = 256
"""Tokens that are written where nobody said how many."""
STRATEGIES: dict[str, type[Strategy]] = {kind.name: kind for kind in (Greedy, Sampling, Beam)}
FIELDS = tuple(field.name for kind in STRATEGIES.values() for field in dataclasses.fields(kind))


class Writes(Servable):
    program: ClassVar[str] = "generate"
    quotes: ClassVar[tuple[str, ...]] = ("notes",)
    streams: ClassVar[bool] = True
    options: ClassVar[tuple[str, ...]] = ("most", "strategy", *FIELDS)

    def __init__(
        self, bundle: Bundle, name: str, version: int, *, threads: int | None, trusted: bool
    ) -> None:
        super().__init__(bundle, name, version)
        self.generator = Generator(bundle, threads=threads, trusted=trusted)
        self.schema = item_schema(bundle.signature.inputs)
        longest = cast("Generate", bundle.program).longest
        self._most = longest if writes(bundle) else min(MOST, longest)

    def read(self, items: Sequence[Any]) -> list[Any]:
        return [*items]  # A prompt is read where it is written on.

    def answers(self, read: Sequence[Any], options: Mapping[str, Any]) -> list[Answer | Failure]:
        strategy, most = self._asked(options)
        (target,) = self.bundle.signature.targets
        found = self.generator.generate_many(read, strategy, most=most)
        return [
            each if isinstance(each, Failure) else Answer(each.input, {target: _told(each)}) for each in found
        ]

    def stream(self, prompt: Any, options: Mapping[str, Any]) -> Iterator[Piece]:
        strategy, most = self._asked(options)
        return self.generator.stream(prompt, strategy, most=most)

    def written(self, prompt: Any, pieces: Sequence[Piece]) -> Answer:
        told: dict[str, Any] = {
            "tokens": [piece.token for piece in pieces if not piece.stops],
            "stopped": bool(pieces) and pieces[-1].stops,
            "text": "".join(piece.text for piece in pieces),
        }
        return Answer(describe(prompt), {next(iter(self.bundle.signature.targets)): told})

    def _asked(self, options: Mapping[str, Any]) -> tuple[Strategy, int]:
        """How tokens are chosen, and how many there may be. Raises UsageError."""
        self.refuse_unknown(options)
        fields = {name: value for name, value in options.items() if value is not None}
        most, named = fields.pop("most", self._most), fields.pop("strategy", None)
        if type(most) is not int or most < 1:
            raise UsageError(f"it has to be a whole number from 1, not {most!r:.40}.", where="most")
        kind = STRATEGIES.get(named) if isinstance(named, str) else _kind_of(fields)
        if kind is None or (named is not None and not isinstance(named, str)):
            fix = nearest(str(named)[:60], STRATEGIES) or f"It can be {', '.join(STRATEGIES)}."
            raise UsageError(f"there is no strategy {named!r:.60}.", where="strategy", fix=fix)
        known = {field.name for field in dataclasses.fields(kind)}
        for other in fields.keys() - known:
            raise UsageError(
                f"the strategy {kind.name!r} has no {other!r}.",
                where=other,
                fix="Leave it out, or name another strategy.",
            )
        return kind(**fields), most


def _kind_of(fields: Mapping[str, Any]) -> type[Strategy]:
    """The strategy that has these fields, where none is named: what is likeliest where nothing is said."""
    return next(
        (
            kind
            for kind in (Sampling, Beam)
            if fields.keys() & {each.name for each in dataclasses.fields(kind)}
        ),
        Greedy,
    )


def _told(written: Generated) -> dict[str, Any]:
    found = written.to_json()
    del found["input"]
    return found
