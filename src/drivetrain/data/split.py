"""Splits: which rows train, which validate, which test.

A splitter is a frozen record that is called with a table: `split.random(valid=0.2, seed=0)(table)`. It says
in JSON all that is needed to make the same split again. Random choices come from numpy's PCG64 with the seed.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from drivetrain.arguments import check_fields
from drivetrain.data.table import Table, shown
from drivetrain.data.times import per_second, seconds_of, times_of
from drivetrain.errors import DataError, UsageError, nearest
from drivetrain.types import Array
from drivetrain.values import is_nothing

Rows = npt.NDArray[np.int64]
SYNONYMS = {
    "train": "train", "training": "train",
    "valid": "valid", "val": "valid", "validation": "valid",
    "test": "test", "testing": "test",
}  # fmt: skip
"""What people call the three parts."""
PARTS = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of each part: sorted int64 indices, no row in two parts. `note` says what was done unasked."""

    train: Rows
    valid: Rows
    test: Rows
    note: str = ""

    def __post_init__(self) -> None:
        for name in PARTS:
            object.__setattr__(self, name, np.sort(np.asarray(getattr(self, name), dtype=np.int64)))
        rows = np.concatenate([self.train, self.valid, self.test])
        if len(np.unique(rows)) != len(rows):
            raise DataError("a row is in two parts of the split.", fix="Give each row to one part.")

    def parts(self) -> dict[str, Rows]:
        """`{"train": rows, "valid": rows, "test": rows}`, the empty ones too."""
        return {"train": self.train, "valid": self.valid, "test": self.test}


class Splitter:
    """What all splitters share. Calling one raises DataError where the table can't be split so."""

    kind: ClassVar[str]

    def __post_init__(self) -> None:
        check_fields(self)

    def __call__(self, table: Table) -> Split:
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """`{"kind": ..., field: value, ...}`; `from_json` of it gives an equal splitter."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        plain = {
            name: value.to_json() if isinstance(value, Splitter) else value for name, value in fields.items()
        }
        return {"kind": self.kind, **plain}


def check_shares(valid: float, test: float, of: str = "rows") -> None:
    """Raises UsageError for shares of rows, or of what they are called, that leave nothing to train on or are none."""
    for name, share in (("valid", valid), ("test", test)):
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share < 1:
            raise UsageError(
                f"{name} is a share of the {of}, from 0 to below 1, not {share!r}.",
                where=name,
                fix="Try 0.2.",
            )
    if valid + test >= 1:
        raise UsageError(
            f"valid {valid} and test {test} leave nothing to train on.",
            where="valid",
            fix="Make them smaller.",
        )


def _check_seed(seed: int) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise UsageError(f"a seed is a whole number from 0, not {seed!r}.", where="seed")


@dataclass(frozen=True)
class Random(Splitter):
    """Rows at random: `valid` and `test` are shares of all rows.

    `stratify` names a column of classes, each split by the same shares: a class of two rows or more has at
    least one in train and one in valid, a class of one row is in train.
    """

    kind: ClassVar[str] = "random"
    valid: float = 0.2
    seed: int = 0
    test: float = 0.0
    stratify: str | None = None

    def __post_init__(self) -> None:
        check_shares(self.valid, self.test)
        _check_seed(self.seed)
        super().__post_init__()

    def __call__(self, table: Table) -> Split:
        _enough(len(table), 1 + (self.valid > 0) + (self.test > 0), table, "rows")
        generator = _generator(self.seed)
        if self.stratify is None:
            order = generator.permutation(len(table))
            n_valid, n_test = _counts(len(table), self.valid, self.test)
            return Split(order[n_valid + n_test :], order[:n_valid], order[n_valid : n_valid + n_test])
        parts: tuple[list[Array], list[Array], list[Array]] = ([], [], [])
        codes, names = codes_of(table, self.stratify)
        members = [generator.permutation(np.flatnonzero(codes == code)) for code in range(len(names))]
        sizes = np.array([len(rows) for rows in members])
        n_valid = _shared_out(sizes, self.valid, np.minimum(sizes - 1, 1), sizes - 1, generator)
        n_test = _shared_out(
            sizes, self.test, np.clip(sizes - n_valid - 1, 0, 1), sizes - n_valid - 1, generator
        )
        for rows, valid, test in zip(members, n_valid, n_test):
            for part, chosen in zip(parts, (rows[valid + test :], rows[:valid], rows[valid : valid + test])):
                part.append(chosen)
        train, valid, test = (np.concatenate(part) for part in parts)
        if self.valid and not len(valid):
            raise DataError(
                f"every class of {self.stratify!r} has one row only: none can be in valid.", where=table.name
            )
        return Split(train, valid, test)


@dataclass(frozen=True)
class ByColumn(Splitter):
    """As a column says: train, valid (val, validation) or test in each row.

    Where no row is valid, `otherwise` takes that part from the train rows (None: valid stays empty); the
    split's `note` says so.
    """

    kind: ClassVar[str] = "by_column"
    column: str = "split"
    otherwise: Random | None = Random()

    def __call__(self, table: Table) -> Split:
        names = [_canonical(value) for value in table[self.column]]
        return _by_names(table, names, f"column {self.column!r}", self.otherwise)


@dataclass(frozen=True)
class ByFolder(Splitter):
    """By the folder that a file is in, such as train/ and valid/ (or val/, validation/) and test/.

    Uses the table's `split` column where the source has made one, else the paths of `column`: the nearest
    folder above the file that bears one of the names. Where no row is valid, `otherwise` takes that part from
    the train rows (None: valid stays empty); the split's `note` says so.
    """

    kind: ClassVar[str] = "by_folder"
    valid: str = "valid"
    train: str = "train"
    test: str = "test"
    column: str = "image"
    otherwise: Random | None = Random()

    def __call__(self, table: Table) -> Split:
        given = {self.train: "train", self.valid: "valid", self.test: "test"}
        own = {name: part for name, part in SYNONYMS.items() if part in (self.train, self.valid, self.test)}
        known = {**own, **given}
        if "split" in table and known.keys() <= SYNONYMS.keys():
            names = [_canonical(value) for value in table["split"]]
        else:
            folders = [os.path.dirname(os.fspath(path)) for path in table[self.column]]
            part_of = {folder: _nearest_known(PurePath(folder).parts, known) for folder in set(folders)}
            names = [part_of[folder] for folder in folders]
        return _by_names(table, names, "its folders", self.otherwise)


@dataclass(frozen=True)
class ByGroup(Splitter):
    """Whole groups at random, so that no group is in two parts: all pictures of one patient, or of one film.

    Groups are drawn in random order as long as they bring a part nearer to its share of all rows. `stratify` names a
    column of classes: of 100 such draws the one counts that has each class nearest to its shares.
    """

    kind: ClassVar[str] = "by_group"
    column: str
    valid: float = 0.2
    seed: int = 0
    test: float = 0.0
    stratify: str | None = None

    def __post_init__(self) -> None:
        check_shares(self.valid, self.test)
        _check_seed(self.seed)
        super().__post_init__()

    def __call__(self, table: Table) -> Split:
        codes, names = codes_of(table, self.column)
        _enough(len(names), 1 + (self.valid > 0) + (self.test > 0), table, f"groups in {self.column!r}")
        classes = None if self.stratify is None else codes_of(table, self.stratify)[0]
        return _of_groups(codes, self.valid, self.test, self.seed, classes)


@dataclass(frozen=True)
class ByPath(Splitter):
    """Whole groups at random as `ByGroup`, where the group is said by the path of a file below the source.

    `group` is "parent", the folder that a file is in; a number, the folder of that level counted from the source (1 is the
    first below it); or a pattern with one pair of parentheses around what is alike in the names of a group, such as
    "(patient[0-9]+)_", searched for in the path with / between folders. A folder goes by its name alone: anna below two
    classes is one group. Where the table has a column of the name that is written, it is the column that counts.
    """

    kind: ClassVar[str] = "by_path"
    group: str | int
    valid: float = 0.2
    seed: int = 0
    test: float = 0.0
    column: str = "image"
    stratify: str | None = None

    def __post_init__(self) -> None:
        check_shares(self.valid, self.test)
        _check_seed(self.seed)
        self._pattern()

    def __call__(self, table: Table) -> Split:
        if self._written in table:
            return ByGroup(self._written, self.valid, self.seed, self.test, self.stratify)(table)
        found = [self._of(path, table, row) for row, path in enumerate(_below(table, self.column))]
        names = sorted(set(found))
        if "label" in table and len(set(zip(found, table["label"]))) == len(names) == len(
            set(table["label"])
        ):
            raise DataError(
                f"by {self.group!r} each class is one group, and no class could be in both parts.",
                where=table.name,
                fix="Name what is alike within a class: a deeper folder, or a pattern of the file's name.",
            )
        _enough(len(names), 1 + (self.valid > 0) + (self.test > 0), table, f"groups by {self.group!r}")
        place = {name: code for code, name in enumerate(names)}
        codes = np.array([place[name] for name in found], np.int64)
        classes = None if self.stratify is None else codes_of(table, self.stratify)[0]
        return _of_groups(codes, self.valid, self.test, self.seed, classes)

    @property
    def _written(self) -> str:
        return str(self.group)

    def _pattern(self) -> re.Pattern[str] | None:
        """None for a folder. Raises UsageError for what is neither a folder nor a pattern with one group."""
        if self._written == "parent" or self._written.isdecimal():
            return None
        try:
            pattern = re.compile(self._written)
        except (re.error, OverflowError) as fault:
            raise UsageError(f"{self.group!r} is no pattern: {fault}.", where="split", fix=PATHS) from None
        if pattern.groups != 1:
            raise UsageError(
                f"{self.group!r} has no pair of parentheses, or several.", where="split", fix=PATHS
            )
        return pattern

    def _of(self, path: str, table: Table, row: int) -> str:
        folders = path.split("/")[:-1]
        if (pattern := self._pattern()) is not None:
            match = pattern.search(path)
            found = match and match.group(1)
        elif self._written == "parent":
            found = folders[-1] if folders else ""
        else:
            found = folders[int(self.group) - 1] if len(folders) >= int(self.group) > 0 else ""
        if not found:
            raise DataError(f"{path!r} has no group by {self.group!r}.", where=table.origin(row), fix=PATHS)
        return found


PATHS = (
    "Write parent, the level of a folder below the source (1, 2, ...), or a pattern with one pair of parentheses such as "
    "'(patient[0-9]+)_'."
)


@dataclass(frozen=True)
class ByTime(Splitter):
    """Train on the past, validate on what came later, test on the latest.

    Rows of one time stay together, so the shares are met as nearly as the times allow. Takes numbers, ISO
    8601 dates and times, and datetime64. With `within`, a column such as the user, the latest rows of each of its
    values: everybody is in train, but what others did later is too. Of rows of one time the later in the table is later.
    A `gap` leaves out the last rows before valid and before test: so many rows (and those of the same time), or, of dates,
    all that are nearer than a length of time such as "7d" or "12h". What is asked about is so far ahead.
    """

    kind: ClassVar[str] = "by_time"
    column: str
    valid: float = 0.2
    test: float = 0.0
    within: str | None = None
    gap: int | str | None = None

    def __post_init__(self) -> None:
        check_shares(self.valid, self.test)
        super().__post_init__()
        if isinstance(self.gap, str):
            seconds_of(self.gap)
        if isinstance(self.gap, int) and self.gap < 0:
            raise UsageError("a gap has 0 rows or more.", where="gap")
        if self.gap is not None and self.within is not None:
            raise UsageError("there is no gap within each value of a column.", where="gap")

    def __call__(self, table: Table) -> Split:
        if self.within is not None:
            return self._of_each(table, self.within)
        times, codes, counts = np.unique(
            times_of(table, self.column), return_inverse=True, return_counts=True
        )
        _enough(
            len(times), 1 + (self.valid > 0) + (self.test > 0), table, f"different times in {self.column!r}"
        )
        ends = np.cumsum(counts)[:-1]  # Rows up to each time that can be the last of a part.
        rows, n_times = len(table), len(times)
        first_test = n_times
        if self.test:
            after = 1 + (self.valid > 0)
            first_test = after + int(np.argmin(np.abs(ends[after - 1 :] - rows * (1 - self.test))))
        first_valid = first_test
        if self.valid:
            goal = rows * (1 - self.valid - self.test)
            first_valid = 1 + int(np.argmin(np.abs(ends[: first_test - 1] - goal)))
        ends = [self._end(table, times, counts, start) for start in (first_valid, first_test)]
        part = np.searchsorted([first_valid, first_test], codes, side="right")
        left_out = codes >= np.array([*ends, n_times])[part]
        train, valid, test = (np.flatnonzero((part == index) & ~left_out) for index in range(3))
        if not len(train) or (self.valid and not len(valid)):
            raise DataError(
                f"a gap of {self.gap} leaves nothing to {'validate' if len(train) else 'train'} on.",
                where=table.name,
                fix="Make it smaller.",
            )
        if not left_out.any():
            return Split(train, valid, test)
        note = f"{np.count_nonzero(left_out):,} rows are in no part, for the gap of {self.gap} before what is measured"
        return Split(train, valid, test, note)

    def _end(self, table: Table, times: Array, counts: Array, start: int) -> int:
        """The place of the first of the times (n,) that is in the gap before `start`, which begins a part."""
        if not self.gap or start == len(times):
            return start
        if isinstance(self.gap, int):
            rows = counts.cumsum()
            return int(np.searchsorted(rows, rows[start - 1] - self.gap, side="right"))
        last = times[start] - seconds_of(self.gap) * per_second(table, self.column)
        return int(np.searchsorted(times, last, side="right"))

    def _of_each(self, table: Table, within: str) -> Split:
        groups, _ = codes_of(table, within)
        order = np.lexsort((np.arange(len(table)), times_of(table, self.column), groups))
        counts = np.bincount(groups)
        from_last = np.repeat(counts.cumsum(), counts) - 1 - np.arange(len(table))
        n_test = np.minimum(np.floor(counts * self.test + 0.5), counts - 1)
        n_valid = np.minimum(np.floor(counts * self.valid + 0.5), counts - 1 - n_test)
        test = from_last < np.repeat(n_test, counts)
        valid = ~test & (from_last < np.repeat(n_test + n_valid, counts))
        return Split(order[~test & ~valid], order[valid], order[test])


@dataclass(frozen=True)
class ByPosition(Splitter):
    """Train on the first rows, validate on those that follow, test on the last: for rows that are in order of time."""

    kind: ClassVar[str] = "by_position"
    valid: float = 0.2
    test: float = 0.0

    def __post_init__(self) -> None:
        check_shares(self.valid, self.test)

    def __call__(self, table: Table) -> Split:
        _enough(len(table), 1 + (self.valid > 0) + (self.test > 0), table, "rows")
        n_valid, n_test = _counts(len(table), self.valid, self.test)
        rows = np.arange(len(table))
        train, valid, test = np.split(rows, [len(rows) - n_valid - n_test, len(rows) - n_test])
        return Split(train, valid, test)


@dataclass(frozen=True)
class Nothing(Splitter):
    """Every row trains."""

    kind: ClassVar[str] = "none"

    def __call__(self, table: Table) -> Split:
        nobody = np.empty(0, np.int64)
        return Split(np.arange(len(table)), nobody, nobody)


random, by_folder, by_column, by_group, by_time, none = Random, ByFolder, ByColumn, ByGroup, ByTime, Nothing
by_path, by_position = ByPath, ByPosition
KINDS: dict[str, type[Splitter]] = {
    splitter.kind: splitter
    for splitter in (Random, ByFolder, ByColumn, ByGroup, ByPath, ByTime, ByPosition, Nothing)
}


def from_json(record: Mapping[str, Any]) -> Splitter:
    """The splitter that `to_json` described. Raises UsageError for an unknown kind or field."""
    kind = str(record.get("kind"))
    if kind not in KINDS:
        raise UsageError(
            f"there is no split {kind!r}.", fix=nearest(kind, KINDS) or f"There are {', '.join(KINDS)}."
        )
    fields = {name: value for name, value in record.items() if name != "kind"}
    known = [field.name for field in dataclasses.fields(KINDS[kind])]  # type: ignore[arg-type]
    for name in fields:
        if name not in known:
            raise UsageError(f"the split {kind} has no field {name!r}.", fix=nearest(name, known))
    if isinstance(fields.get("otherwise"), Mapping):
        fields["otherwise"] = from_json(fields["otherwise"])
    make: Callable[..., Splitter] = KINDS[kind]
    try:
        return make(**fields)
    except TypeError as fault:
        raise UsageError(f"the split {kind} can't be made of {fields}.", fix=str(fault)) from fault


def _generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def _enough(have: int, need: int, table: Table, what: str) -> None:
    if have < need:
        raise DataError(
            f"there are {have} {what} and the split needs at least {need}.",
            where=table.name,
            fix="Add data, or ask for fewer parts.",
        )


def _counts(rows: int, valid: float, test: float) -> tuple[int, int]:
    """Rows of valid and test: the rounded share, at least one if any was asked for, one left to train on."""
    n_test = min(max(round(rows * test), 1), rows - 1 - (valid > 0)) if test else 0
    n_valid = min(max(round(rows * valid), 1), rows - 1 - n_test) if valid else 0
    return n_valid, n_test


def _shared_out(
    sizes: Array, share: float, least: Array, most: Array, generator: np.random.Generator
) -> Array:
    """How many of each class, so that the sum is near `share` of all: floors, then the largest remainders,
    drawn at random among equals; then within `least` and `most`."""
    if not share:
        return np.zeros_like(sizes)
    exact = sizes * share
    counts = np.floor(exact).astype(np.int64)
    wanting = round(float(exact.sum())) - int(counts.sum())
    order = np.lexsort((generator.random(len(sizes)), -(exact - counts)))
    counts[order[:wanting]] += 1
    return np.clip(counts, least, np.maximum(most, 0))


def codes_of(table: Table, column: str) -> tuple[Array, list[str]]:
    """Each row's group as a number, and the groups' names by first appearance. None may be missing."""
    known: dict[str, int] = {}
    codes = np.empty(len(table), np.int64)
    for row, value in enumerate(table[column]):
        text = "" if is_nothing(value) else str(value)
        if not text.strip():
            raise DataError(
                f"{column!r} is empty here, and the split goes by it.",
                where=table.origin(row),
                fix="Fill it in, or leave the row out.",
            )
        codes[row] = known.setdefault(text, len(known))
    return codes, list(known)


def _of_groups(codes: Array, valid: float, test: float, seed: int, classes: Array | None = None) -> Split:
    """Whole groups in random order; `codes` (n,) say which each row is of. With `classes` (n,) the best of 100 draws; where
    there are thousands of groups, the first is as good."""
    generator = _generator(seed)
    first = _draw(codes, valid, test, generator)
    if classes is None or codes.max() > 1_000:
        return first
    draws = [first, *(_draw(codes, valid, test, generator) for _ in range(99))]
    return min(draws, key=lambda split: _apart(split, classes, valid, test))


def _draw(codes: Array, valid: float, test: float, generator: np.random.Generator) -> Split:
    sizes = np.bincount(codes)
    left = list(generator.permutation(len(sizes)))
    chosen: dict[str, list[int]] = {"test": [], "valid": []}
    for part, share, keep in (("test", test, 1 + (valid > 0)), ("valid", valid, 1)):
        if share:
            chosen[part] = _near(left, sizes, share * len(codes), most=len(left) - keep)
            taken = set(chosen[part])
            left = [group for group in left if group not in taken]
    train, held, tested = (
        np.flatnonzero(np.isin(codes, part)) for part in (left, chosen["valid"], chosen["test"])
    )
    return Split(train, held, tested)


def _apart(split: Split, classes: Array, valid: float, test: float) -> float:
    """How far the classes are from their shares of the parts: the sum over classes, each by its own size."""
    sizes = np.bincount(classes)
    shares = (1 - valid - test, valid, test)
    found = [np.bincount(classes[rows], minlength=len(sizes)) / sizes for rows in split.parts().values()]
    return float(sum(np.abs(part - share).sum() for part, share in zip(found, shares)))


def _below(table: Table, column: str) -> list[str]:
    """The paths of a column as they go on from the source, with / between folders. Raises UsageError for other values."""
    paths: list[str] = []
    for row, value in enumerate(table[column]):
        if not isinstance(value, (str, os.PathLike)):
            raise UsageError(f"{column!r} holds no paths to split by.", where=table.origin(row))
        path = shown(value)
        inside = bool(table.source) and path.startswith(table.source + os.sep)
        paths.append((path[len(table.source) + 1 :] if inside else path).replace(os.sep, "/"))
    return paths


def _near(groups: list[int], sizes: Array, goal: float, most: int) -> list[int]:
    """Groups, in their order, that together come near to `goal` rows: at least one, at most `most`."""
    chosen: list[int] = []
    total = 0
    for group in groups:
        if len(chosen) < most and abs(total + sizes[group] - goal) < abs(total - goal):
            chosen.append(group)
            total += int(sizes[group])
    return chosen or [min(groups, key=lambda group: int(sizes[group]))]


def _canonical(value: Any) -> str:
    text = str(value).strip()
    return SYNONYMS.get(text.lower(), text)


def _nearest_known(folders: tuple[str, ...], known: Mapping[str, str]) -> str:
    found = (known.get(name) or known.get(name.lower()) for name in reversed(folders))
    return next((part for part in found if part), "")


def _by_names(table: Table, names: list[str], told: str, otherwise: Random | None) -> Split:
    rows: dict[str, list[int]] = {"train": [], "valid": [], "test": []}
    for row, name in enumerate(names):
        if name not in rows:
            what = f"{name!r} is no part of a split" if name else "no part of a split is named"
            raise DataError(f"{what} in {told}.", where=table.origin(row), fix="Use train, valid and test.")
        rows[name].append(row)
    train, valid, test = (np.array(rows[name], np.int64) for name in PARTS)
    if not len(train):
        raise DataError(
            f"by {told} there is nothing to train on.", where=table.name, fix="Name some rows 'train'."
        )
    if len(valid) or otherwise is None:
        return Split(train, valid, test)
    inner = dataclasses.replace(otherwise, test=0.0)(table.take(train))
    note = (
        f"there is no valid part: {otherwise.valid:.0%} of train was taken at random (seed {otherwise.seed})"
    )
    return Split(train[inner.train], train[inner.valid], test, note)
