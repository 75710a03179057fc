"""`check` of a table: what is wrong with its columns, rows, classes and split before anybody trains on it.

Two rows are the same where all inputs and targets are. They are nearly the same where every category is equal and
every number with more than 100 different values lies in the same hundredth of its spread (quartiles, of the
logarithm where that is taken), on one of two grids half a hundredth apart; with fewer than three such numbers, or
four in 40,000 rows and more, this happens by chance and is not looked for. Rows are compared by 64 bits of hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from drivetrain.codecs import Quantity
from drivetrain.codecs.base import distinct
from drivetrain.data.checks.copies import row_codes, row_hash
from drivetrain.data.faults import Fault, Report
from drivetrain.data.kinds.base import CATEGORY, DATE, MANY, NUMBER, YES_NO, ColumnKind
from drivetrain.data.kinds.far_values import find_far_values
from drivetrain.data.split import PARTS, Split
from drivetrain.data.table import Table, missing
from drivetrain.figures import counted, share_of
from drivetrain.types import Array
from drivetrain.values import as_text, canonical

IMBALANCE = 10
"""Warn when the largest class has more than this many times the rows of the smallest."""
RARE = 10
"""Warn of a class with fewer rows than this in train."""
NEAR = 0.01
"""Nearly the same numbers differ by less than this share of their spread."""
_FINE = 100
_NAMED = 10_000
"""So many places are named at most."""
_SAMPLE = 20_000
_LEAST = 40


def check_table(
    table: Table, kinds: Mapping[str, ColumnKind], split: Split | None, target: str | Sequence[str]
) -> Report:
    """Report what is wrong with a table that `to_table` made. Rows without a target are `bad_rows`.

    `split` None leaves out what concerns the parts. Leaks of the target are looked for in `leaks.py`.
    """
    targets = [target] if isinstance(target, str) else list(target)
    inputs = [name for name, kind in kinds.items() if kind.codec is not None and name not in targets]
    gaps = np.zeros(len(table), bool)
    for name in targets:
        gaps |= missing(table[name])
    rows = _Rows(table, kinds, inputs, targets, split, ~gaps)
    faults = [fault for kind in kinds.values() for fault in kind.faults]
    faults += [
        *find_far_values(table, kinds, inputs, targets),
        *_not_looked_into(rows),
        *_missing(rows),
        *_constant(rows),
        *_unseen(rows),
        *_same_columns(rows),
        *_same_rows(rows),
        *_near_rows(rows),
    ]
    for name in targets:
        faults += [*_conflicts(rows, name), *_classes(rows, name)]
    return Report(table.name, table.layout, tuple(faults), np.flatnonzero(gaps), _counts(rows), things="rows")


class _Rows:
    """The table as numbers: a hash of each row's inputs, codes of its classes, and the part it is in."""

    def __init__(
        self,
        table: Table,
        kinds: Mapping[str, ColumnKind],
        inputs: list[str],
        targets: list[str],
        split: Split | None,
        usable: Array,
    ) -> None:
        self.table, self.kinds, self.inputs, self.targets, self.usable = table, kinds, inputs, targets, usable
        self._of: dict[str, Array] = {}
        self.part = np.full(len(table), -1)
        for code, part in enumerate(split.parts().values() if split else ()):
            self.part[part] = code
        self.gone = {name: missing(table[name]) for name in inputs}
        self.codes = {name: row_codes(table[name]) for name in (*inputs, *targets)}
        self.hashed = row_hash([self.codes[name] for name in inputs], len(table))

    def of(self, part: str) -> Array:
        """The usable rows of a part."""
        if part not in self._of:
            self._of[part] = np.flatnonzero((self.part == PARTS.index(part)) & self.usable)
        return self._of[part]

    @property
    def parts(self) -> list[str]:
        """The parts that have rows."""
        return [part for part in PARTS if len(self.of(part))]

    def name(self, row: int) -> str:
        part = PARTS[self.part[row]] + ": " if self.part[row] >= 0 else ""
        return part + self.table.origin(row)


def _not_looked_into(rows: _Rows) -> Iterator[Fault]:
    """Columns of kinds that no check here knows."""
    if others := [
        f"{name}: {rows.kinds[name].kind}" for name in rows.inputs if not rows.kinds[name].looked_into
    ]:
        message = f"Only gaps and equal values are looked for in {counted(len(others), 'column', 'columns')}."
        yield Fault("not looked into", "note", message, others)


def _missing(rows: _Rows) -> Iterator[Fault]:
    counts = {name: int(gone.sum()) for name, gone in rows.gone.items()}
    counts = {name: count for name, count in sorted(counts.items(), key=lambda item: -item[1]) if count}
    if counts:
        total = len(rows.table)
        where = [f"{name}: {count:,} ({share_of(count, total)})" for name, count in counts.items()]
        message = f"Missing values in {len(counts):,} of {counted(len(rows.inputs), 'column', 'columns')}."
        fix = "A model learns what a gap means; fill in what is known."
        yield Fault("missing values", "warning", message, where, fix)


def _constant(rows: _Rows) -> Iterator[Fault]:
    train = rows.of("train")
    if len(train) < 2:
        return
    same = [
        name
        for name, codes in rows.codes.items()
        if name in rows.inputs and (codes[train] == codes[train[0]]).all()
    ]
    if same:
        message = f"One value only in train: {counted(len(same), 'column', 'columns')}."
        yield Fault(
            "constant in train", "warning", message, same, "Leave them out: nothing can be learned from them."
        )


def _unseen(rows: _Rows) -> Iterator[Fault]:
    """Values of categories that are not in train."""
    where: list[str] = []
    if "train" not in rows.parts:
        return
    for name in rows.inputs:
        if rows.kinds[name].alike not in (CATEGORY, MANY, YES_NO):
            continue
        codes, known = rows.codes[name], ~rows.gone[name]
        seen = np.unique(codes[rows.of("train")])
        for part in rows.parts[1:]:
            others = rows.of(part)[known[rows.of(part)]]
            unseen = others[~np.isin(codes[others], seen)]
            if len(unseen):
                values = len(np.unique(codes[unseen]))
                where.append(
                    f"{name}: {counted(values, 'value', 'values')} in {counted(len(unseen), 'row', 'rows')} of {part}, "
                    f"such as {_told(rows.table[name][unseen[0]])}"
                )
    if where:
        message = "Values that are not in train: the model takes each of them as 'any other'."
        yield Fault("unseen values", "warning", message, where, "Look whether they are written as in train.")


def _same_columns(rows: _Rows) -> Iterator[Fault]:
    """Columns that say the same: value for value, or on a line.

    Each column is compared with those alone that may be like it: of few values by what is the same where, of many by where
    they lie along one direction, on which columns on a line lie beside each other. So 10,000 columns take 10,000 steps.
    """
    count = len(rows.table)
    if count < _LEAST:
        return
    chosen = np.linspace(0, count - 1, min(count, _SAMPLE)).astype(np.int64)
    direction = np.random.default_rng(0).normal(size=len(chosen))
    first: dict[bytes, str] = {}
    pairs: list[tuple[str, str]] = []
    along: list[tuple[float, int, str]] = []
    for place, name in enumerate(rows.inputs):
        _, at, codes = np.unique(rows.codes[name][chosen], return_index=True, return_inverse=True)
        if len(at) * 5 <= len(chosen):
            numbered = np.argsort(np.argsort(at))[codes]  # By first appearance, whatever the values are.
            one = first.setdefault(hashlib.sha256(numbered.astype(np.uint32).tobytes()).digest(), name)
            pairs += [(one, name)] if one != name and len(at) > 1 else []
        elif (unit := _unit(rows.table[name][chosen])) is not None:
            along.append((abs(float(unit @ direction)), place, name))
    pairs += _lines(
        lambda one, other: _on_a_line(rows.table[one][chosen], rows.table[other][chosen]), sorted(along)
    )
    if pairs:
        order = {name: place for place, name in enumerate(rows.inputs)}
        pairs.sort(key=lambda pair: (order[pair[0]], order[pair[1]]))
        message = f"Columns that say the same: {counted(len(pairs), 'pair', 'pairs')}."
        where = [f"{one} = {other}" for one, other in pairs]
        yield Fault("same columns", "warning", message, where, "Leave one of each pair out: nothing is lost.")


def _unit(values: Array) -> Array | None:
    """A column less its mean (n,), of length 1; gaps are 0. None for what is no number, or does not vary."""
    if values.dtype.kind not in "iuf":
        return None
    numbers = values.astype(np.float64)
    known = ~np.isnan(numbers)
    if known.sum() < _LEAST:
        return None
    centred = np.where(known, numbers - numbers[known].mean(), 0.0)
    length = float(np.linalg.norm(centred))
    return centred / length if 0 < length < np.inf else None


def _lines(
    on_a_line: Callable[[str, str], bool], along: Sequence[tuple[float, int, str]]
) -> list[tuple[str, str]]:
    """Pairs of columns on a line. Unit vectors that correlate by 1 - 1e-9 are at most 5e-5 apart, and their places along a
    direction drawn at random from a normal distribution seldom more than three times, never ten times as much."""
    earliest = {name: (place, name) for _, place, name in along}
    for position, (distance, _, name) in enumerate(along):
        for farther, _, other in along[position + 1 :]:
            if farther - distance > 5e-4:
                break
            if on_a_line(name, other):
                earliest[name] = earliest[other] = min(earliest[name], earliest[other])
    return [(one, name) for name, (_, one) in earliest.items() if one != name]


def _on_a_line(one: Array, other: Array) -> bool:
    if one.dtype.kind not in "iuf" or other.dtype.kind not in "iuf":
        return False
    known = ~(np.isnan(one) | np.isnan(other))
    if known.sum() < _LEAST or not (one[known].std() and other[known].std()):
        return False
    return abs(float(np.corrcoef(one[known], other[known])[0, 1])) > 1 - 1e-9


def _same_rows(rows: _Rows) -> Iterator[Fault]:
    """Rows that are there more than once; those of which one is in train and one is measured first."""
    whole = row_hash([rows.hashed, *(rows.codes[name] for name in rows.targets)], len(rows.table))
    usable = np.flatnonzero(rows.usable)
    order = usable[np.argsort(whole[usable], kind="stable")]
    again = np.flatnonzero(whole[order[1:]] == whole[order[:-1]])
    if not len(again):
        return
    across = _in_train(rows, [whole])
    pairs = np.stack([order[again + 1], order[again]], axis=1)
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    first = np.concatenate([*across.values(), np.empty((0, 2), np.int64)])
    pairs = np.concatenate([first, pairs[~np.isin(pairs[:, 0], first[:, 0])]])[:_NAMED]
    where = [f"{rows.name(row)} = {rows.name(other)}" for row, other in pairs.tolist()]
    copies = f"{len(again):,} of {len(usable):,} ({share_of(len(again), len(usable))})"
    leak = f"; {_of_parts(rows, across)}" if across else ""
    message = f"Rows that are there already, target and all: {copies}{leak}."
    fix = "Leave them out with --drop-copies, unless rows can be alike by chance."
    yield Fault("leak" if across else "duplicate", "warning", message, where, fix)


def _near_rows(rows: _Rows) -> Iterator[Fault]:
    """Rows of valid and test that are nearly a train row."""
    if "train" not in rows.parts or len(rows.parts) < 2:
        return
    scaled = {name: column for name in rows.inputs if (column := _scaled(rows, name)) is not None}
    if len(scaled) < (3 if len(rows.table) < 40_000 else 4):
        return
    rest = [codes for name, codes in rows.codes.items() if name in rows.inputs and name not in scaled]
    grids = [
        row_hash(
            [*rest, *(np.floor(column + shift).view(np.uint64) for column in scaled.values())],
            len(rows.table),
        )
        for shift in (0.0, 0.5)
    ]
    found = _in_train(rows, grids, np.isin(rows.hashed, rows.hashed[rows.of("train")]))
    if found:
        where = [
            f"{rows.name(row)} ~ {rows.name(other)}"
            for row, other in np.concatenate([*found.values()])[:_NAMED]
        ]
        message = f"Leak: {_of_parts(rows, found)}, nearly."
        fix = "Keep them in one part, by a group or by time, unless rows can be alike by chance."
        yield Fault("near leak", "warning", message, where, fix)


def _in_train(rows: _Rows, hashes: list[Array], but: Array | None = None) -> dict[str, Array]:
    """Part -> its rows one of whose hashes is that of a train row, each with that one (n, 2), less those that `but` marks.
    No part without any."""
    pairs: dict[str, Array] = {}
    if "train" not in rows.parts:
        return pairs
    train = rows.of("train")
    ordered = [train[np.argsort(hashed[train], kind="stable")] for hashed in hashes]
    for part in rows.parts[1:]:
        others = rows.of(part) if but is None else rows.of(part)[~but[rows.of(part)]]
        partner = np.full(len(others), -1)
        for hashed, order in zip(hashes, ordered):
            place = np.minimum(np.searchsorted(hashed[order], hashed[others]), len(train) - 1)
            same = (hashed[order[place]] == hashed[others]) & (partner < 0)
            partner[same] = order[place[same]]
        if (partner >= 0).any():
            pairs[part] = np.stack([others, partner], axis=1)[partner >= 0]
    return pairs


def _of_parts(rows: _Rows, pairs: Mapping[str, Array]) -> str:
    """ "9 of 6,512 in valid (0.1%) and 3 of 100 in test (3.0%) are rows of train"."""
    told = [
        f"{len(found):,} of {len(rows.of(part)):,} in {part} ({share_of(len(found), len(rows.of(part)))})"
        for part, found in pairs.items()
    ]
    return f"{' and '.join(told)} are rows of train"


def _scaled(rows: _Rows, name: str) -> Array | None:
    """A number of many values in hundredths of its spread (n,); None for any other column."""
    values = rows.table[name]
    if rows.kinds[name].alike not in (NUMBER, DATE) or values.dtype.kind not in "iufM":
        return None
    gone = rows.gone[name]
    numbers = values.astype(np.int64 if values.dtype.kind == "M" else np.float64).astype(np.float64)
    codec = rows.kinds[name].codec
    numbers = codec.transform(numbers) if isinstance(codec, Quantity) else numbers
    known = numbers[~gone]
    if len(known) < _LEAST or len(np.unique(known[:_SAMPLE])) <= _FINE:
        return None
    low, high = np.quantile(known, (0.25, 0.75))
    spread = (high - low) / 1.349 or known.std()
    return np.where(gone, np.inf, numbers / (NEAR * spread)) + 0.0


def _conflicts(rows: _Rows, name: str) -> Iterator[Fault]:
    """The same inputs with different targets."""
    usable = np.flatnonzero(rows.usable)
    if not len(usable) or not rows.inputs:
        return
    _, group = np.unique(rows.hashed[usable], return_inverse=True)
    _, goal = np.unique(rows.codes[name][usable], return_inverse=True)
    pairs, counts = np.unique(group * (int(goal.max()) + 1) + goal, return_counts=True)
    owner = pairs // (int(goal.max()) + 1)
    starts = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
    several = np.diff(np.r_[starts, len(owner)]) > 1
    if not several.any():
        return
    concerned = np.isin(group, owner[starts[several]])
    share = f"{concerned.sum():,} of {len(usable):,} rows ({share_of(int(concerned.sum()), len(usable))})"
    message = f"The same inputs with different {name!r}: {share}."
    if rows.kinds[name].alike == CATEGORY:
        best = np.maximum.reduceat(counts, starts).sum() / len(usable)
        if best < 0.9995:
            message += f" No model that sees these inputs can be right on more than {best:.1%} of the rows."
    order = usable[concerned][np.argsort(group[concerned], kind="stable")]
    where = [f"{rows.name(row)}: {_told(rows.table[name][row])}" for row in order[:_NAMED].tolist()]
    fix = "Look whether a column is missing that tells them apart."
    yield Fault("conflict", "warning", message, where, fix)


def _classes(rows: _Rows, name: str) -> Iterator[Fault]:
    if rows.kinds[name].alike != CATEGORY:
        return
    counts = _class_counts(rows, name, np.flatnonzero(rows.usable))
    if len(counts) < 2:
        only = f"one class only, {next(iter(counts))!r}" if counts else "no row with a class"
        yield Fault(
            "one class", "error", f"There is {only} in {name!r}.", [], "To learn a class takes a second one."
        )
        return
    (large, most), (small, least) = (pick(counts.items(), key=lambda item: item[1]) for pick in (max, min))
    if most > IMBALANCE * least:
        message = f"Imbalance: {large!r} has {most:,} rows and {small!r} {least:,}."
        yield Fault(
            "imbalance", "warning", message, [], "Read the figures of each class, not the accuracy alone."
        )
    if "train" not in rows.parts:
        return
    train = _class_counts(rows, name, rows.of("train"))
    rare = [f"{label}: {count:,}" for label, count in train.items() if count < RARE]
    if rare:
        message = f"Fewer than {RARE} rows in train: {counted(len(rare), 'class', 'classes')}."
        yield Fault("rare class", "warning", message, rare, "Add rows, join classes, or leave the class out.")
    for part in rows.parts[1:]:
        unseen = sorted(_class_counts(rows, name, rows.of(part)).keys() - train.keys())
        if unseen:
            message = f"In {part}, but not in train: {counted(len(unseen), 'class', 'classes')}."
            yield Fault(
                "class not in train", "error", message, unseen, "Add rows to train, or leave the class out."
            )
    valid = _class_counts(rows, name, rows.of("valid"))
    if valid and (untold := sorted(train.keys() - valid.keys())):
        message = f"In train, but not in valid: {counted(len(untold), 'class', 'classes')}."
        fix = "A class of one row can't be in both parts: add rows, join it to another, or leave it out."
        if any(counts[label] > 1 for label in untold):
            fix = "How well they are answered is not measured: a split at random has each class of two rows in both parts."
        yield Fault("class not in valid", "warning", message, untold, fix)


def _class_counts(rows: _Rows, name: str, among: Array) -> dict[str, int]:
    """Class -> rows among some of them, the largest class first."""
    different, which = distinct(rows.table[name][among])
    counts: dict[str, int] = {}
    for value, count in zip(different, np.bincount(which, minlength=len(different)).tolist()):
        label = canonical(as_text(value, "class"))
        counts[label] = counts.get(label, 0) + count
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def _counts(rows: _Rows) -> dict[str, Any]:
    """Rows, parts, classes (by part) and missing values, as JSON."""
    usable = np.flatnonzero(rows.usable)
    counts: dict[str, Any] = {"rows": len(rows.table), "usable": len(usable), "columns": len(rows.inputs)}
    if rows.parts:
        counts["parts"] = {part: len(rows.of(part)) for part in rows.parts}
    categories = [name for name in rows.targets if rows.kinds[name].alike == CATEGORY]
    if categories:
        counts["classes"] = _class_counts(rows, categories[0], usable)
        if rows.parts:
            by_part = {part: _class_counts(rows, categories[0], rows.of(part)) for part in rows.parts}
            counts["classes_by_part"] = {
                label: {part: by_part[part].get(label, 0) for part in rows.parts}
                for label in counts["classes"]
            }
    counts["missing"] = {name: int(gone.sum()) for name, gone in rows.gone.items()}
    return counts


def _told(value: Any) -> str:
    return f"{value.item() if isinstance(value, np.generic) else value!r:.60}"
