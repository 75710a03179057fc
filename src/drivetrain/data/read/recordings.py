"""Recordings of sensors: rows of tables, one for each moment, put together as series and cut into windows.

A table holds many sequences, told apart by a column, or it is one recording. What makes sequences of its rows is a `Layout`,
which a bundle keeps too: new files become sequences as those of the training did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from drivetrain.bundle import facts
from drivetrain.bundle.facts import is_text, is_whole, many
from drivetrain.data.read.columns import Column
from drivetrain.data.read.frame import Frame
from drivetrain.errors import BundleError, DataError, UsageError, nearest
from drivetrain.types import Array

if TYPE_CHECKING:
    import polars as pl

MAJORITY, LAST = AT = ("majority", "last")
"""Which label a window has whose moments have several: that of most of them, of equals the first; or of the last moment."""
CLOCKS = {"t", "time", "timestamp", "step", "moment", "index", "date", "datetime", "seconds", "ms"}
"""What the column is called that tells when a moment is."""
ENOUGH, ALIKE = 8, 0.9
"""Steps from one row to the next that tell whether a column is a clock, and how many of them have to be alike."""
LISTED = 10
"""Columns that are named."""


@dataclass(frozen=True)
class Layout:
    """What makes sequences of rows.

    `channels` are the columns of numbers that are looked at; none yet: those that are found. `sequence` is the column whose
    values tell sequences apart, "" where each file is one; `order` the one that their rows are put in order by, "" where they
    are in order; `file` what a file is called then. With a `window` each sequence is cut into stretches of so many moments,
    one every `step`, whose label is that of `at`.
    """

    channels: tuple[str, ...] = ()
    sequence: str = ""
    order: str = ""
    window: int | None = None
    step: int | None = None
    at: str = MAJORITY

    def __post_init__(self) -> None:
        for name in ("window", "step"):
            value = getattr(self, name)
            if value is not None and not is_whole(value, 1, 65_536):
                raise UsageError(
                    f"this is a whole number of moments from 1 to 65,536, not {value!r:.40}.", where=name
                )
        if self.step is not None and self.window is None:
            raise UsageError(
                "only windows have a step.", where="step", fix="Say how long they are: --window 128."
            )
        if self.at not in AT:
            raise UsageError(
                f"a window's label is that of {' or '.join(AT)}, not {self.at!r:.40}.", where="label_at"
            )

    @property
    def every(self) -> int:
        """Moments from one window to the next: half a window where nobody said."""
        return self.step or max(1, (self.window or 1) // 2)

    @property
    def recording(self) -> str:
        """What the column of a sequence's name is called."""
        return self.sequence or "file"

    def to_json(self) -> dict[str, Any]:
        return {
            "channels": list(self.channels), "sequence": self.sequence, "order": self.order, "window": self.window,
            "step": self.every if self.window else None, "label_at": self.at,
        }  # fmt: skip

    @classmethod
    def from_facts(cls, found: Mapping[str, Any]) -> Layout:
        """That of a bundle. Raises BundleError for what is none."""
        known = found.get("recordings")
        if not isinstance(known, dict):
            raise facts.wrong("recordings")
        values = cast("dict[str, Any]", known)
        fits = {
            "channels": many(is_text), "sequence": is_text, "order": is_text, "label_at": is_text,
            "window": lambda value: value is None or is_whole(value, 1, 65_536),
            "step": lambda value: value is None or is_whole(value, 1, 65_536),
        }  # fmt: skip
        for name, fit in fits.items():
            if name not in values or not fit(values[name]):
                raise facts.wrong(f"recordings.{name}")
        try:
            return cls(
                tuple(values["channels"]), values["sequence"], values["order"], values["window"], values["step"],
                values["label_at"],
            )  # fmt: skip
        except UsageError as fault:
            raise BundleError(fault.error, where="manifest.json") from None


@dataclass(frozen=True, eq=False)
class Recordings:
    """Moments, recording by recording and in order: `values` float64 (moments, channels), NaN where nothing is known, `rows`
    (moments,) their rows in the file as a person counts them, `times` (moments,) what they were put in order by or None.
    `names` and `files` are those of the recordings, `sizes` (recordings,) their moments. `beside` are the other columns."""

    channels: tuple[str, ...]
    names: list[str]
    files: list[str]
    sizes: Array
    values: Array
    rows: Array
    times: Array | None
    beside: pl.DataFrame
    notes: list[str] = field(default_factory=list)
    doubles: list[str] = field(default_factory=list)
    """Moments that are there twice, by place."""

    @property
    def starts(self) -> Array:
        return np.cumsum(self.sizes) - self.sizes

    def place(self, recording: int, moment: int) -> str:
        """The row of a moment, counted from the first of all."""
        return f"{self.files[recording]}, row {self.rows[moment]:,}"


@dataclass(frozen=True, eq=False)
class Pieces:
    """Stretches of recordings: which one each is of, and where it begins and ends among all moments."""

    recording: Array
    start: Array
    end: Array
    short: list[int]
    """Recordings that are shorter than a window."""


@dataclass(frozen=True, eq=False)
class Files(Frame):
    """The rows of several files under each other: `which` (rows,) of `files` each is of."""

    files: tuple[str, ...] = ()
    which: Array = field(default_factory=lambda: np.empty(0, np.int64))

    def file_of(self, row: int) -> str:
        return self.files[self.which[row]]

    @property
    def origins(self) -> Places:  # type: ignore[override]
        return Places(self)


class Places:
    """Where the rows of several files are."""

    def __init__(self, frame: Files) -> None:
        self.frame = frame

    def __getitem__(self, row: int) -> str:
        return f"{self.frame.file_of(row)}, row {self.frame.numbers[row]}"


def under_each_other(frames: Mapping[str, Frame], folder: str) -> Files:
    """The rows of files that have the same columns, file by file. Columns that some lack are left out, and told."""
    import polars as pl

    every = [list(frame.columns) for frame in frames.values()]
    common = [name for name in every[0] if all(name in columns for columns in every)]
    notes = list(dict.fromkeys(note for frame in frames.values() for note in frame.notes))
    if rest := [name for name in dict.fromkeys(chain(*every)) if name not in common]:
        file = next(file for file, frame in frames.items() if rest[0] not in frame.columns)
        notes.append(
            f"left out, columns that not every file has: {', '.join(rest[:LISTED])} ({rest[0]!r} is not in {file})"
        )
    if not common:
        raise DataError("the files have no column in common.", where=folder, fix="Give files of one kind.")
    kinds = {name: {frame.data[name].dtype for frame in frames.values()} for name in common}
    mixed = [name for name, found in kinds.items() if len(found) > 1 and pl.String in found]
    parts = [
        frame.data.select(common).with_columns(pl.col(mixed).cast(pl.String)) for frame in frames.values()
    ]
    first = next(iter(frames.values()))
    return Files(
        pl.concat(parts, how="vertical_relaxed"), folder, "", tuple(notes),
        np.concatenate([frame.numbers for frame in frames.values()]), first.typed, first.missing,
        files=tuple(frames), which=np.repeat(np.arange(len(frames)), [len(frame) for frame in frames.values()]),
    )  # fmt: skip


def read_recordings(
    frame: Frame, layout: Layout, other: Sequence[str] = (), find: bool = True
) -> tuple[Recordings, Layout]:
    """The sequences of a table, and the layout with the channels and, where it is to `find` one, the order that were found where it
    says none. `other` are columns that are no channel. Raises UsageError and DataError that name column and row."""
    named = [*layout.channels, *filter(None, (layout.sequence, layout.order)), *other]
    for name in named:
        if name not in frame.columns:
            fix = nearest(name, frame.columns) or f"The columns are {', '.join(frame.columns[:LISTED])}."
            raise UsageError(f"there is no column {name!r}.", where=frame.source or frame.name, fix=fix)
    codes, names = _sequences(frame, layout)
    notes = list(frame.notes)
    if find and not layout.order:
        found, why = _clock(frame, codes, [layout.sequence, *layout.channels, *other])
        layout = replace(layout, order=found)
        if found:
            notes.append(
                f"{found!r} {why}: it is their order, and no channel (--order and --channels say otherwise)"
            )
    times = _times(frame, layout.order) if layout.order else None
    place = np.arange(len(frame))
    order = np.lexsort((place, codes)) if times is None else np.lexsort((place, times, codes))
    doubles = _told_order(frame, layout, codes, times, order, notes)
    channels, beside = _channels(
        frame, layout, codes, [*filter(None, (layout.sequence, layout.order)), *other], notes
    )
    values = np.stack([_numbers(frame, name) for name in channels], axis=1)[order]
    first = np.unique(codes, return_index=True)[1]
    others = frame.data.select([*dict.fromkeys([*filter(None, [layout.sequence]), *other, *beside])])
    made = Recordings(
        tuple(channels),
        names,
        [frame.file_of(int(row)) if isinstance(frame, Files) else frame.name for row in first],
        np.bincount(codes, minlength=len(names)),
        values,
        frame.numbers[order],
        None if times is None else times[order],
        others[order] if others.width else others,
        notes,
        doubles,
    )
    return made, replace(layout, channels=tuple(channels))


def cut(found: Recordings, layout: Layout) -> Pieces:
    """The windows of each recording, from its first moment on: what is left at its end is in none. Without a window the
    recordings as they are."""
    starts, sizes = found.starts, found.sizes
    if layout.window is None:
        return Pieces(np.arange(len(sizes)), starts, starts + sizes, [])
    counts = np.maximum((sizes - layout.window) // layout.every + 1, 0)
    counts[sizes < layout.window] = 0
    which = np.repeat(np.arange(len(sizes)), counts)
    number = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    first = starts[which] + number * layout.every
    return Pieces(which, first, first + layout.window, np.flatnonzero(counts == 0).tolist())


def origins(found: Recordings, pieces: Pieces, layout: Layout) -> list[str]:
    """Where each stretch comes from: "walk.csv, rows 2 to 129", "log.csv, person anna, rows 2 to 129"."""
    told: list[str] = []
    whole = layout.window is None
    for recording, start, end in zip(pieces.recording.tolist(), pieces.start.tolist(), pieces.end.tolist()):
        file = found.files[recording]
        rows = found.rows[start:end]
        of = f"{file}, {layout.sequence} {found.names[recording]}" if layout.sequence else file
        if whole and not layout.sequence:
            told.append(of)
        elif rows[-1] - rows[0] == len(rows) - 1:
            told.append(f"{of}, rows {rows[0]} to {rows[-1]}")
        else:
            told.append(
                f"{of}, moments {start - found.starts[recording] + 1} to {end - found.starts[recording]}"
            )
    return told


def series_of(found: Recordings, pieces: Pieces) -> Array:
    """Objects (n,): the values of each stretch, float64 (moments, channels), parts of one array."""
    column = np.empty(len(pieces.start), object)
    for place, (start, end) in enumerate(zip(pieces.start.tolist(), pieces.end.tolist())):
        column[place] = found.values[start:end]
    return column


# --- columns ----------------------------------------------------------------------------------------------


def _sequences(frame: Frame, layout: Layout) -> tuple[Array, list[str]]:
    """Which sequence each row is of, in the order in which they come, and their names."""
    files = frame.files if isinstance(frame, Files) else (frame.name,)
    which = frame.which if isinstance(frame, Files) else np.zeros(len(frame), np.int64)
    if not layout.sequence:
        return which, list(files)
    values = frame.column(layout.sequence).classes()
    absent = np.array([value is None for value in values], bool)
    if absent.any():
        row = int(np.argmax(absent))
        raise DataError(
            f"{layout.sequence!r} doesn't say which sequence it is of.", where=frame.origins[row],
            fix="Fill it in, or take the row out.",
        )  # fmt: skip
    known: dict[tuple[int, str], int] = {}
    pairs = zip(which.tolist(), values.tolist())
    codes = np.fromiter((known.setdefault(pair, len(known)) for pair in pairs), np.int64, len(values))
    return codes, [name for _, name in known]


def _times(frame: Frame, name: str) -> Array:
    """float64 (n,) that sorts. Raises DataError for a cell that is neither a number nor a time."""
    column = frame.column(name)
    numbers = column.numbers if column.kind in ("number", "text") else None
    values = numbers.values if numbers is not None and numbers.share > 0.5 else column.dates()
    if (absent := np.isnan(values)).any():
        row = int(np.argmax(absent))
        raise DataError(
            f"{_cell(column, row)} in {name!r} is no number and no time.", where=frame.origins[row],
            fix="Mend it, or say another --order.",
        )  # fmt: skip
    return values


def _told_order(
    frame: Frame, layout: Layout, codes: Array, times: Array | None, order: Array, notes: list[str]
) -> list[str]:
    """Say what was put in order; and the moments that are there twice."""
    if times is None:
        if (np.diff(order) < 0).any():
            notes.append("the rows of some sequences do not follow each other: they were put together")
        return []
    plain = np.lexsort((np.arange(len(codes)), codes))
    back = np.flatnonzero((codes[plain][1:] == codes[plain][:-1]) & (np.diff(times[plain]) < 0))
    if len(back):
        notes.append(
            f"{len(back):,} {'row comes' if len(back) == 1 else 'rows come'} before an earlier {layout.order!r}, the first "
            f"is {frame.origins[int(plain[back[0] + 1])]}: they were put in order"
        )
    same = np.flatnonzero((codes[order][1:] == codes[order][:-1]) & (np.diff(times[order]) == 0)) + 1
    if len(same):
        notes.append(
            f"{len(same):,} {'moment is' if len(same) == 1 else 'moments are'} there twice by {layout.order!r}, the first "
            f"again in {frame.origins[int(order[same[0]])]}: both are kept, as they come"
        )
    return [frame.origins[int(row)] for row in order[same]]


def _clock(frame: Frame, codes: Array, other: Sequence[str]) -> tuple[str, str]:
    """The column that tells when: the first that rises from row to row within every sequence; else one that would if its rows were
    put in order (a date, equal steps, or it is called so). And how that is told. Two empty texts where none does."""
    order = np.argsort(codes, kind="stable")
    within = codes[order][1:] == codes[order][:-1]
    columns = {
        name: found
        for name in frame.columns
        if name not in other and (found := _as_times(frame, name)) is not None
    }
    if within.sum() < 2:
        return "", ""
    for name, values in columns.items():
        sure = within.sum() >= ENOUGH or name.lower() in CLOCKS
        if sure and (np.diff(values[order])[within] > 0).all():
            return name, "rises within every sequence"
    for name, values in columns.items():
        steps = np.diff(values[np.lexsort((values, codes))])[within]
        rising = steps[steps > 0]
        if np.isnan(steps).any() or len(rising) < ALIKE * len(steps) or frame.column(name).kind == "bool":
            continue
        usual = float(np.median(rising))
        even = len(steps) >= ENOUGH and np.mean(np.abs(steps - usual) <= (1 - ALIKE) / 10 * usual) >= ALIKE
        if even or name.lower() in CLOCKS or _tells_dates(frame.column(name)):
            return name, "tells the moments of every sequence, though not row after row"
    return "", ""


def _as_times(frame: Frame, name: str) -> Array | None:
    """A column as numbers that sort; None where it holds neither numbers nor dates."""
    column = frame.column(name)
    if column.kind in ("number", "text") and column.may_be_numbers:
        return column.numbers.values
    return column.dates() if _tells_dates(column) else None


def _tells_dates(column: Column) -> bool:
    if column.kind == "date":
        return True
    return column.kind == "text" and not column.may_be_numbers and not np.isnan(column.dates()).any()


def _channels(
    frame: Frame, layout: Layout, codes: Array, taken: Sequence[str], notes: list[str]
) -> tuple[list[str], list[str]]:
    """The columns that are looked at, and those that say something of a whole sequence. What is neither is told."""
    several = len(np.unique(codes)) > 1 and len(codes) > len(np.unique(codes))
    rest = [name for name in frame.columns if name not in (*taken, *layout.channels)]
    still = [name for name in rest if several and _stands_still(frame.column(name), codes)]
    if layout.channels:
        return list(layout.channels), [name for name in rest if name in still]
    found: list[str] = []
    left: list[str] = []
    for name in rest:
        column = frame.column(name)
        if name in still:
            continue
        numbers = column.numbers if column.kind in ("number", "text") and column.may_be_numbers else None
        if numbers is None or numbers.share < 0.5:
            left.append(f"{name!r} (no numbers)")
        elif numbers.different < 2:
            left.append(f"{name!r} (never changes)")
        else:
            found.append(name)
    if left:
        more = f" and {len(left) - LISTED:,} more" if len(left) > LISTED else ""
        notes.append(f"no channel: {', '.join(left[:LISTED])}{more}")
    if not found:
        raise DataError(
            "no column is left that holds numbers which change.", where=frame.source or frame.name,
            fix="Name them: --channels a,b.",
        )  # fmt: skip
    return found, still


def _stands_still(column: Column, codes: Array) -> bool:
    """Whether a column is the same in all rows of every sequence, and not in all rows."""
    if column.kind in ("", "list"):
        return False
    values = column.levels.to_physical().rank("dense").fill_null(0).to_numpy()
    first = np.zeros(int(codes.max()) + 1, values.dtype)
    first[codes[::-1]] = values[::-1]
    return bool((first[codes] == values).all()) and len(np.unique(values)) > 1


def _numbers(frame: Frame, name: str) -> Array:
    """float64 (n,), NaN where a cell is empty. Raises DataError for one that is no number, or infinite."""
    column = frame.column(name)
    if column.kind not in ("number", "text", "bool"):
        raise DataError(f"{name!r} holds no numbers.", where=frame.name, fix="Leave it out of --channels.")
    if column.kind == "bool":
        return column.values.cast(_float()).fill_null(np.nan).to_numpy()
    numbers = column.numbers
    for rows, told in ((numbers.infinite, "is infinite"), (numbers.others, "is no number of 32 bits")):
        if len(rows):
            row = int(rows[0])
            many = f", as are {len(rows) - 1:,} more of its cells" if len(rows) > 1 else ""
            raise DataError(
                f"{_cell(column, row)} {told}{many}.", where=f"{frame.origins[row]}, column {name!r}",
                fix="Mend it, or leave the cell empty: what is missing is then the last known.",
            )  # fmt: skip
    return numbers.values


def _float() -> Any:
    import polars as pl

    return pl.Float64


def _cell(column: Column, row: int) -> str:
    return f"{column.values[row]!r:.40}"
