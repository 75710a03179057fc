"""Answers of a bundle that writes one text for each that it reads, in the same form as those of other bundles."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, cast

from drivetrain.bundle.parts import Part
from drivetrain.bundle.program import PREFILL, Generate
from drivetrain.bundle.reader import Bundle, open_bundle
from drivetrain.bundle.strategies import Beam
from drivetrain.errors import DrivetrainError, UsageError
from drivetrain.runtime.generator import Generated, Generator
from drivetrain.runtime.predictor import Predictor
from drivetrain.runtime.rows import describe
from drivetrain.types import Answer, Failure, Unusual

WRITES_NOTHING = "this model writes nothing, so there is nothing to search."
ENDLESS = "answered without an end, for there was no room for more"
SHOWN = 60
"""Characters of an input that is told of."""
AT_ONCE = 512
"""Texts that are taken from what is asked; they are written some at a time."""


class Writer:
    """What is written for each of many inputs; `beam` as in `Beam`, without it the likeliest token each time. Of an empty text
    the answer is one: nothing is made up for it."""

    parts: tuple[Part, ...] = ()

    def __init__(self, bundle: Bundle, *, beam: int | None = None, trusted: bool = False) -> None:
        self._generator = Generator(bundle, trusted=trusted)
        self._strategy = None if beam is None else Beam(beam)
        self.signature, self.manifest = self._generator.signature, self._generator.manifest
        self.hash = self._generator.hash

    def stream(
        self, items: Iterable[Any], *, parts: bool = False, outputs: bool = False, windows: bool = False
    ) -> Iterator[Answer | Failure]:
        """An answer, or why there is none, for each item in its order; an item may be an error, which is its answer then."""
        if parts or outputs or windows:
            raise UsageError(
                "what writes has neither parts nor windows, nor outputs of a fixed size.",
                where="--windows" if windows else "--parts",
                fix="Leave it out.",
            )
        rest = iter(items)
        while some := list(islice(rest, AT_ONCE)):
            asked = [item for item in some if not isinstance(item, DrivetrainError) and not _is_empty(item)]
            made = iter(
                self._generator.generate_many(asked, self._strategy, most=self._generator.program.longest)
            )
            for item in some:
                if isinstance(item, DrivetrainError):
                    yield Failure(item.where, item)
                elif _is_empty(item):
                    yield self._answer(Generated(describe(item), (), True, {"tokens": [], "text": ""}))
                else:
                    written = next(made)
                    yield written if isinstance(written, Failure) else self._answer(written)

    def _answer(self, written: Generated) -> Answer:
        """With what of the input was not read, and whether the answer has an end, as what is unusual of the input."""
        (source,), (target,) = self.signature.inputs, self.signature.targets
        reason = "; ".join([*written.lost, *([] if written.stopped else [ENDLESS])])
        unusual = {source: Unusual(" ".join(written.input.split())[:SHOWN], reason)} if reason else {}
        return Answer(written.input, {target: written.answer}, unusual)


def _is_empty(item: Any) -> bool:
    """Whether an item is a text without anything in it, or has no other."""
    values: list[Any] = [*cast("Mapping[str, Any]", item).values()] if isinstance(item, Mapping) else [item]
    return all(isinstance(value, str) and not value.strip() for value in values)


def writes(bundle: Bundle) -> bool:
    """Whether a bundle reads something whole, and writes an answer to it."""
    return isinstance(bundle.program, Generate) and PREFILL in bundle.graphs


def open_answering(
    bundle: str | os.PathLike[str] | Bundle, *, beam: int | None = None, trusted: bool = False
) -> Predictor | Writer:
    """What answers with a bundle, whichever it is. Raises UsageError for a `beam` where nothing is written, and for a bundle that
    only goes on with what it is given."""
    opened = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
    if writes(opened):
        return Writer(opened, beam=beam, trusted=trusted)
    if beam is not None:
        raise UsageError(WRITES_NOTHING, where="beam", fix="Leave it out.")
    return Predictor(opened if isinstance(bundle, Bundle) else bundle, trusted=trusted)
