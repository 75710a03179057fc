"""A trained model as a part of a plan: what a bundle answers, with how sure it is, drawn."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from drivetrain.arguments import public
from drivetrain.bundle.program import Forecast
from drivetrain.bundle.reader import open_bundle
from drivetrain.codecs import Codec
from drivetrain.decide.answers.base import EACH, Uncertain, uncertain
from drivetrain.decide.beyond import Beyond
from drivetrain.decide.bundles.distinct import Known, distinct
from drivetrain.decide.bundles.sources import Constant, raw_values, refuse_unfed, sources_of
from drivetrain.decide.nodes.base import Given, Plain, Scope, described, given_in_python
from drivetrain.decide.world import World
from drivetrain.effects.claim import Claim
from drivetrain.errors import DataError, UsageError, nearest
from drivetrain.ragged import as_batch
from drivetrain.runtime.predictor import Predictor
from drivetrain.types import Array

Floats = npt.NDArray[np.float64]
KEYS = frozenset({"bundle", "answers", "target", "given", "draws"})


@public
def bundle(
    path: str | os.PathLike[str],
    *,
    answers: str | None = None,
    target: str | None = None,
    given: Mapping[str, str | float] | None = None,
    draws: Literal["expected", "each"] | None = None,
    claim: object = None,
    unit: str = "",
) -> BundleNode:
    """A node of a trained model: what it answers, with how sure it is, drawn. As `bundle = "buys.bundle"` in a plan.

    Of a category or tags it is the chance of `answers`, one of their names; with draws="each" whether it comes true in each
    draw. Of a number it is drawn from the range that was measured. `target`: which, of several. The model's inputs are fed by
    levers, columns and outcomes of their names; `given` says what feeds the others: {"LIMIT_BAL": "limit"}, a number, or a
    text in quotes of its own ("'north'"). Raises UsageError, FileError, BundleError.
    """
    said = {
        "answers": answers,
        "target": target,
        "given": None if given is None else {**given},
        "draws": draws,
    }
    made = read(given_in_python("bundle", {"bundle": os.fspath(path), **said}, claim, unit))
    return replace(made, where="")


def read(given: Given) -> BundleNode:
    """The node of a table `bundle = "buys.bundle"`.

    `answers` is the class or tag of which the chance is meant, `target` which of several targets; `given` says for inputs
    of other names what they are fed by: the name of a lever, column or outcome, a number, or a text in quotes of its own.
    Raises UsageError, and what opening a bundle raises: one of unknown origin is tried in a process of its own first.
    """
    path = given.file(given.table.get("bundle"))
    bundle = open_bundle(path)
    if isinstance(bundle.program, Forecast):
        raise UsageError(
            "this bundle forecasts.", where=given.where,
            fix=f'Write forecast = "{path.name}", and history = the CSV to go on from.',
        )  # fmt: skip
    predictor = Predictor(bundle)
    targets = predictor.signature.targets
    target = str(given.table.get("target", next(iter(targets)) if len(targets) == 1 else ""))
    if target not in targets:
        fix = nearest(target, targets) or f"target = one of {', '.join(targets)}."
        error = (
            f"the model has no target {target!r}." if target else "which of its targets is meant isn't said."
        )
        raise UsageError(error, where=given.where, fix=fix)
    answers, draws = str(given.table.get("answers", "")), str(given.table.get("draws", ""))
    return BundleNode(
        given.name, predictor, target, uncertain(targets[target], answers, draws, given.where),
        sources_of(given.table.get("given", {}), predictor.signature.inputs, given.where), given.claim, given.unit,
        given.table, given.where,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class BundleNode(Plain):
    """What a model says of `target`, by `sources`: its input -> the name of what feeds it, or a constant.

    A row is asked once, however many settings and draws ask it. Answers with a range are drawn: each row's by itself, and for
    the same row by the same chance whatever the levers.
    """

    name: str
    predictor: Predictor
    target: str
    uncertain: Uncertain
    sources: Mapping[str, str | Constant]
    claim: Claim
    unit: str
    table: Mapping[str, Any]
    where: str = ""
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])
    """Of what feeds it, the texts that codes stand for."""
    _known: Known = field(default_factory=Known, repr=False)

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each for each in self.sources.values() if isinstance(each, str)))

    @property
    def foretells(self) -> bool:
        return True

    def drawn(self) -> BundleNode:
        if self.uncertain.quantile is not None:
            return self
        codec, answers = self.predictor.signature.targets[self.target], str(self.table.get("answers", ""))
        return replace(self, uncertain=uncertain(codec, answers, EACH, self.where))

    def fed(self, names: Collection[str]) -> BundleNode:
        where = self.where or f"models.{self.name}"
        refuse_unfed(self.sources, names, where)
        return replace(self, where=where)

    def bind(self, scope: Scope) -> BundleNode:
        texts = {name: scope.levels[name] for name in self.inputs if name in scope.levels}
        return replace(self, texts=texts, _known=Known())

    def draw(self, values: Mapping[str, Floats], world: World) -> Floats:
        rows, which = distinct([values[name] for name in self.inputs] or [np.zeros((1, 1, 1))])
        parts = self._known.of(rows, self._ask)
        if self.uncertain.quantile is None:
            return parts[:, 0][which]
        uniform = world.uniform(self.name, each_row=which.shape[1] > 1)
        return self.uncertain.quantile(parts[which], uniform)

    def beyond(self, values: Mapping[str, Floats]) -> tuple[Beyond, ...]:
        """What of the inputs nothing in the model's training was like."""
        found = list[Beyond]()
        for field_, source in self.sources.items():
            if not isinstance(source, str):
                continue
            codec, profile = (
                self.predictor.signature.inputs[field_],
                (self.predictor.profile or {}).get(field_),
            )
            if codec.drawn or not isinstance(profile, Mapping):
                continue
            given, which = np.unique(values[source], return_inverse=True)
            raws = raw_values(given, self.texts.get(source))
            encoded, _ = codec.encode_column(raws)
            for reason, rows in codec.unusual(raws, encoded, cast("Mapping[str, Any]", profile)):
                share = float(rows[which].mean())
                if share > 0:
                    such = raws[int(np.argmax(rows))]
                    words = f"{share:.0%} of the values of {source} were {reason}, such as {such}: {self.name} is a guess there"
                    found.append(Beyond("input", source, share, words))
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        return described(self, self.table)

    def _ask(self, rows: Floats) -> Floats:
        """What the answers' distributions are made of, (n, k), for rows (n, inputs)."""
        columns = {name: rows[:, place] for place, name in enumerate(self.inputs)}
        encoded = {
            field: self._encoded(codec, field, columns, len(rows))
            for field, codec in self.predictor.signature.inputs.items()
        }
        size = self.predictor.batch_size
        return np.concatenate([
            self._answered(encoded, slice(start, start + size)) for start in range(0, len(rows), size)
        ])  # fmt: skip

    def _answered(self, encoded: Mapping[str, tuple[Any, Array]], rows: slice) -> Floats:
        feeds = as_batch({field: column[which[rows]] for field, (column, which) in encoded.items()})
        outputs = self.predictor.session.run(feeds)[self.target]
        if not np.isfinite(outputs).all():
            raise DataError(
                f"what the model of {self.name!r} answers is no finite number.", where=self.where,
                fix="Try it with `drivetrain predict` on these rows.",
            )  # fmt: skip
        return self.uncertain.of(outputs)

    def _encoded(
        self, codec: Codec, field: str, columns: Mapping[str, Floats], count: int
    ) -> tuple[Any, Array]:
        """Each different value of an input, encoded, and which of them each row has."""
        source = self.sources[field]
        if isinstance(source, Constant):
            raws, which = np.array([source.value], object), np.zeros(count, np.int64)
        else:
            given, which = np.unique(columns[source], return_inverse=True)
            raws = raw_values(given, self.texts.get(source))
        encoded, faults = codec.encode_column(raws)
        if faults:
            place = min(faults)
            raise faults[place].in_column(field).at(f"{self.where}: {raws[place]!r}")
        return encoded, which
