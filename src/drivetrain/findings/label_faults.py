"""Label faults: the rows whose label a model doubts that was trained on the other rows. For pictures and tables alike.

Every row of train and valid is answered for by a model that has not seen it (cross-validation); the test rows are left
alone. For a category what is doubted is said by confident learning (`confident.py`), for a number by a residual far
outside the usual ones: a robust z-score above 3.5 (Iglewicz and Hoaglin 1993, How to Detect and Handle Outliers).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.arguments import public
from drivetrain.codecs import Codec, Quantity
from drivetrain.data.dataset import Dataset
from drivetrain.data.refit import fold, pool, spread_order, strata
from drivetrain.data.show import inputs_looked_at, looked
from drivetrain.errors import DataError, UsageError
from drivetrain.files import write_csv
from drivetrain.findings.confident import find_doubts, most_wrong
from drivetrain.learn.applies import FAST, refuse_pointless
from drivetrain.learn.bare import train_bare
from drivetrain.learn.features.base import for_trees
from drivetrain.learn.names import TREES, one_model, quick_model
from drivetrain.metrics import Estimate
from drivetrain.models.takes import is_plain
from drivetrain.progress import progress
from drivetrain.types import Array
from drivetrain.values import short

if TYPE_CHECKING:
    from drivetrain.charts import Chart

FAST_ROUNDS = 100
FAR = 3.5
"""Robust z-scores beyond this are doubted."""
SHOWN = 20
WEAK = 0.3
"""Where more labels than this may be wrong by what the model says, it is too weak to say anything."""


@dataclass(frozen=True, eq=False)
class LabelFaults:
    """`rows` (n,) of the table that were looked at; `order` (n,) their positions from the most doubtful on, of which the
    first `count` are doubted. `given` and `suggested` (n,) are classes, or numbers; `probability` (n,) is that of the
    suggested class, `score` (n,) how doubtful: low margins, or high z-scores. `share` is the share of wrong labels, of
    which no more is known than what it is at most (None for numbers); `contradicted` that of labels that the model's
    answers contradict.
    """

    data: Dataset
    target: str
    rows: Array
    order: Array
    count: int
    given: Array
    suggested: Array
    probability: Array | None
    score: Array
    share: Estimate | None
    method: str
    notes: list[str]
    contradicted: float | None = None

    def __len__(self) -> int:
        return self.count

    @property
    def ranked(self) -> Array:
        """(n,) rows of the table from the most doubtful on, those that are not doubted too."""
        return self.rows[self.order]

    def items(self, n: int | None = None) -> list[dict[str, Any]]:
        """The doubted rows, the most doubtful first: `{"row", "origin", "given", "suggested", "probability", "score"}`."""
        return list(self._items(self.order[: self.count][:n]))

    def _items(self, places: Array) -> Iterator[dict[str, Any]]:
        for place in places.tolist():
            row = int(self.rows[place])
            yield {
                "row": row, "origin": self.data.table.origin(row),
                "given": _plain(self.given[place]), "suggested": _plain(self.suggested[place]),
                "probability": None if self.probability is None else float(self.probability[place]),
                "score": float(self.score[place]),
            }  # fmt: skip

    def chart(self, n: int = 16) -> Chart:
        """The most doubtful pictures or sounds: the given class, the one it seems to be of. Raises UsageError for a table."""
        if not inputs_looked_at(self.data):
            raise UsageError(
                "these rows have nothing to look at; see items() or print it.", where=self.data.table.name
            )
        where = {int(row): place for place, row in enumerate(self.data.part("train").rows)}
        shown = self.items(n)
        places = np.array([where[item["row"]] for item in shown], np.int64)
        words = [
            f"{item['given']} → {item['suggested']}?{_percent(item)}\n{self.data.called(item['row'])}"
            for item in shown
        ]
        title = f"Doubtful labels: {self.count:,} of {len(self.rows):,}"
        return looked(self.data, "train", places, words, title)

    def save_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the doubted rows as a table, the most doubtful first: row, origin, file of the picture, given,
        suggested, probability, score. Raises FileError."""
        columns = ["row", "origin", "file", "given", "suggested", "probability", "score"]
        if not self.data.files:
            columns.remove("file")
        items = ({**item, "file": self.data.file_of(item["row"])} for item in self.items())
        write_csv(path, columns, ([item[name] for name in columns] for item in items))

    def summary(self) -> str:
        """How many, of how many, and what is known of the share that is wrong."""
        told = f"{self.count:,} of {len(self.rows):,} labels of {self.target!r} are doubtful"
        if self.share is None or self.contradicted is None or np.isnan(self.share.high):
            return told
        if self.share.high > WEAK:
            return (
                f"{told}. How many are wrong can't be told: this model contradicts {100 * self.contradicted:.0f} % of the "
                "labels, and most of that may be its own error"
            )
        return (
            f"{told}. At most {100 * self.share.high:.1f} % are wrong (95 %), if they are spread at random; none need be: "
            "where chance decides as well it looks the same"
        )

    def to_json(self) -> dict[str, Any]:
        """`{"target", "n", "count", "share", "contradicted", "method", "items", "notes"}`; "share" is null where nothing
        can be told of it."""
        return {
            "target": self.target, "n": len(self.rows), "count": self.count, "method": self.method,
            "share": None if self.share is None or self.share.high > WEAK else self.share.to_json(),
            "contradicted": self.contradicted, "items": self.items(), "notes": self.notes,
        }  # fmt: skip

    def _table(self, n: int) -> list[list[Any]]:
        return [
            [item["origin"], item["given"], item["suggested"], f"{item['probability']:.2f}" if self.probability is not None
             else f"{item['score']:.1f}"]
            for item in self.items(n)
        ]  # fmt: skip

    @property
    def _columns(self) -> list[str]:
        return ["row", "given", "seems to be", "probability" if self.probability is not None else "z-score"]

    def __str__(self) -> str:
        rows = [self._columns, *([str(cell) for cell in row] for row in self._table(SHOWN))]
        widths = [max(len(row[place]) for row in rows) for place in range(4)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
        more = [f"and {self.count - SHOWN:,} more"] if self.count > SHOWN else []
        notes = [f"note: {note}" for note in self.notes]
        return "\n".join([self.summary(), *(lines if self.count else []), *more, *notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from html import escape

        from drivetrain.charts import table_html

        shown = self.chart().to_html() if inputs_looked_at(self.data) and self.count else ""
        notes = "".join(f"<p>note: {escape(note)}</p>" for note in self.notes)
        return f"<b>{escape(self.summary())}</b>{shown}{table_html(self._table(SHOWN), self._columns)}{notes}"


@public
def label_faults(
    data: Dataset,
    model: Any = FAST,
    folds: int = 5,
    epochs: int | None = None,
    seed: int = 0,
    *,
    target: str | None = None,
    quiet: bool = False,
    **options: Any,
) -> LabelFaults:
    """Rank the rows of train and valid by how much a model that was trained on the others doubts their label.

    `model` is any that a learner takes. "fast" is gradient-boosted trees for a table; for pictures logistic regression
    on the features of a pretrained body where there is one, else the small cnn. The options are those of the learner.
    Raises UsageError for a target that is no choice among classes and no number, DataError for too few rows.
    """
    refuse_pointless(data, model, [] if epochs is None else ["epochs"])
    name, codec = _target(data, target)
    pooled = pool(data)
    if folds < 2 or len(pooled.part("train")) < 2 * folds:
        raise DataError(
            f"{len(pooled.part('train'))} rows can't be looked at in {folds} folds.",
            where=data.table.name,
            fix="Use 2 folds or more, each of 2 rows or more.",
        )
    answer = _answerer(pooled, model, epochs, seed, options)
    rows, outputs, encoded = _out_of_fold(pooled, name, codec, answer, folds, seed, quiet)
    method = f"{folds}-fold cross-validation of {answer.name}"
    if codec.labels is not None:
        return _of_classes(pooled, name, codec.labels, rows, outputs, encoded, folds, method)
    return _of_numbers(pooled, name, codec, rows, outputs, encoded, method)  # type: ignore[arg-type]


def _target(data: Dataset, wanted: str | None) -> tuple[str, Codec]:
    targets = data.signature.targets
    for name, codec in targets.items():
        if is_plain(codec) and wanted in (None, name):
            return name, codec
    raise UsageError(
        "labels are looked at for a category or a number.", where=wanted or data.table.name,
        fix=f"The targets are {', '.join(targets)}.",
    )  # fmt: skip


# Out-of-fold answers.


class _Trained:
    """Answers by training the model anew on each fold."""

    def __init__(self, model: Any, epochs: int | None, seed: int, options: dict[str, Any]) -> None:
        self.model, self.epochs, self.seed, self.options = model, epochs, seed, options
        self.name = model if isinstance(model, str) else type(model).__name__

    def __call__(self, part: Dataset, target: str) -> Array:
        options = self.options
        if self.model == TREES:
            options = {"most_rounds": FAST_ROUNDS, **options}
        trained = train_bare(part, self.model, self.epochs, seed=self.seed, **options)
        return trained.outputs("valid")[0][target]


class _Frozen:
    """Answers by logistic or linear regression on the features of a pretrained body, which are computed once."""

    def __init__(self, learner: Any) -> None:
        self.name = f"a regression on the features of {learner.model_name}"
        self.features, self.rows = _features(learner), learner.data.part("train").rows

    def __call__(self, part: Dataset, target: str) -> Array:
        from sklearn.linear_model import LogisticRegression, Ridge
        from sklearn.preprocessing import StandardScaler

        train, valid = (self.features[np.isin(self.rows, part.rows(name))] for name in ("train", "valid"))
        true = part.part("train").column(target)
        scaler = StandardScaler().fit(train)
        codec = part.signature.targets[target]
        if codec.labels is None:
            return Ridge().fit(scaler.transform(train), true.reshape(-1)).predict(scaler.transform(valid))
        fitted = LogisticRegression(C=0.1, max_iter=300).fit(scaler.transform(train), true)
        outputs = np.zeros((len(valid), len(codec.labels)), np.float32)
        outputs[:, fitted.classes_] = fitted.predict_proba(scaler.transform(valid))
        return outputs


def _features(learner: Any) -> Array:
    """float32 (n, features) of the training rows as the network's encoders see them."""
    import torch

    network, size = learner.network.eval(), 2 * learner.settings.batch_size
    with torch.inference_mode():
        found = [
            network.features(batch).float().cpu().numpy() for batch in learner.tensors("train").in_order(size)
        ]
    return np.concatenate(found)


def _answerer(data: Dataset, model: Any, epochs: int | None, seed: int, options: dict[str, Any]) -> Any:
    """What `model` means for these data."""
    from drivetrain.learn.learner import Learner

    if not (isinstance(model, str) and model == FAST):
        quickest = (quick_model if epochs is None else one_model)(data)
        return _Trained(quickest if model is None else model, epochs, seed, options)
    if not data.drawn:
        seen = any(for_trees(codec) for codec in data.signature.inputs.values())
        return _Trained(
            TREES if seen else (quick_model if epochs is None else one_model)(data), epochs, seed, options
        )
    learner = Learner(data, None, augment=None, seed=seed, bare=True, **options)
    if learner.network.pretrained and learner.network.keeps_features:
        return _Frozen(learner)
    return _Trained("cnn", epochs, seed, options)


def _out_of_fold(
    pooled: Dataset, target: str, codec: Codec, answer: Any, folds: int, seed: int, quiet: bool
) -> tuple[Array, Array, Array]:
    """Rows of the table (n,), and for each the output of a model that has not seen it, and the encoded true value."""
    rows, classes = strata(pooled)
    order = spread_order(classes, seed)
    first = np.unique(pooled.part("train").rows, return_index=True)[1]
    encoded = pooled.part("train").column(target)[first]
    outputs = np.zeros((len(rows), *codec.output_shape), np.float64)
    with progress("Cross-validating", folds, quiet=quiet) as advance:
        for number in range(folds):
            held = np.sort(order[number::folds])
            others = np.setdiff1d(np.arange(len(rows)), held)
            piece = fold(pooled, rows[others], rows[held])
            found = np.asarray(answer(piece, target)).reshape(-1, *codec.output_shape)
            # Of a row in several windows, the mean of their answers.
            of, counts = np.unique(piece.part("valid").rows, return_inverse=True, return_counts=True)[1:]
            np.add.at(outputs, held[of], found / counts[of].reshape(-1, *[1] * len(codec.output_shape)))
            advance(1)
    return rows, outputs, encoded


# What is doubted.


def _of_classes(
    data: Dataset, name: str, classes: Sequence[str], rows: Array, outputs: Array, encoded: Array, folds: int, method: str
) -> LabelFaults:  # fmt: skip
    counts = np.bincount(encoded, minlength=len(classes))
    judged = counts[encoded] >= folds
    notes = []
    if not judged.all():
        rare = int(np.count_nonzero((counts > 0) & (counts < folds)))
        notes.append(
            f"{rare} classes with fewer than {folds} rows are not judged: too few to learn them from"
        )
    rows, outputs, encoded = rows[judged], outputs[judged], encoded[judged]
    doubts = find_doubts(outputs, encoded)
    notes.append(
        "a label is doubted when the inputs speak for another class. Where chance decides as well, or the model has learned "
        "little, many of these labels are right: look before you change one"
    )
    names = np.array(classes, object)
    likely = np.where(doubts.suggested >= 0, doubts.suggested, outputs.argmax(axis=1))
    return LabelFaults(
        data, name, rows, doubts.order(), int(doubts.doubted.sum()), names[encoded], names[likely],
        outputs[np.arange(len(rows)), likely], doubts.margins, most_wrong(outputs, encoded), method, notes,
        float((outputs.argmax(axis=1) != encoded).mean()) if len(rows) else None,
    )  # fmt: skip


def _of_numbers(
    data: Dataset, name: str, codec: Quantity, rows: Array, outputs: Array, encoded: Array, method: str
) -> LabelFaults:
    """By residuals on the scale that the number is learned on."""
    predicted, true = outputs.reshape(-1), encoded.reshape(-1).astype(np.float64)
    residuals = codec.transform(true) - codec.transform(predicted)
    middle = np.median(residuals)
    spread = 1.4826 * float(np.median(np.abs(residuals - middle))) or float(residuals.std()) or 1.0
    scores = np.abs(residuals - middle) / spread
    order = np.argsort(-scores, kind="stable")
    count = int(np.count_nonzero(scores > FAR))
    notes = [
        "a number is doubted when it is far from what the inputs speak for; it may be right. Look before you change it"
    ]
    return LabelFaults(data, name, rows, order, count, true, predicted, None, scores, None, method, notes)


def _plain(value: Any) -> Any:
    return short(float(value)) if isinstance(value, (float, np.floating)) else str(value)


def _percent(item: dict[str, Any]) -> str:
    return "" if item["probability"] is None else f" {item['probability']:.2f}"
