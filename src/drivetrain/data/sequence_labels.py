"""The labels of sequences: of a second table, or of their moments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.data.kinds.guess import guess_kinds
from drivetrain.data.read.columns import Column
from drivetrain.data.read.frame import Frame
from drivetrain.data.read.recordings import MAJORITY, Layout, Pieces, Recordings
from drivetrain.errors import DataError
from drivetrain.types import Array

if TYPE_CHECKING:
    pass

_TOLD = 5


def names_of_recordings(found: Recordings, layout: Layout) -> list[str]:
    """Of each recording what it is told apart by; those of several files by both."""
    if layout.sequence and len(set(found.files)) > 1:
        return [f"{file}: {name}" for file, name in zip(found.files, found.names)]
    return list(found.names) if layout.sequence else list(found.files)


def once_each(found: Recordings, but: Sequence[str]) -> dict[str, list[Any]]:
    """What the columns beside the channels say of each recording, those that say one thing of it. Nothing of others."""
    first = found.starts
    columns: dict[str, list[Any]] = {}
    for name in found.beside.columns:
        if name in but:
            continue
        values = found.beside[name]
        if values.dtype.is_nested():
            continue
        ranks = values.to_physical().rank("dense").fill_null(0).to_numpy()
        if (np.repeat(ranks[first], found.sizes) == ranks).all():
            columns[name] = values.gather(first).to_list()
    return columns


def labels_of_file(labels: Frame, key: str, found: Recordings) -> tuple[dict[str, list[Any]], list[str]]:
    """What a second table says of each recording, by column; None where it has no row of it. Raises DataError where it has two."""
    names = labels.column(key).classes()
    place: dict[str, int] = {}
    for row, name in enumerate(names):
        if name in place:
            raise DataError(
                f"{key} {name!r} has a second label; the first is in {labels.origins[place[name]]}.",
                where=labels.origins[row], fix="Leave one of them out.",
            )  # fmt: skip
        if name is not None:
            place[name] = row
    rows = [place.get(name) for name in found.names]
    notes: list[str] = []
    own = set(found.names)
    if more := [name for name in place if name not in own]:
        notes.append(f"labels of sequences that are not there: {len(more):,} ({_some(more)})")
    if lacking := [name for name, row in zip(found.names, rows) if row is None]:
        notes.append(f"sequences without a label in {labels.name}: {len(lacking):,} ({_some(lacking)})")
    columns = {
        name: [None if row is None else values[row] for row in rows]
        for name in labels.columns
        if name != key and (values := labels.data[name].to_list())
    }
    return columns, notes


def labels_of_moments(
    found: Recordings, pieces: Pieces, layout: Layout, target: str, frame: Frame, columns: Mapping[str, str]
) -> tuple[Array, int]:
    """Objects (n,): the label of each stretch, None where no moment of it has one, and how many stretches have several.

    Of a sequence that is no window it is that of all its moments. Of a window that of most or of the last, of numbers the mean.
    Raises DataError for a sequence whose label changes."""
    values = found.beside[target]
    alone = Frame(values.to_frame(), frame.name, "", (), found.rows, frame.typed, frame.missing)
    kind = guess_kinds(alone, [target], {name: told for name, told in columns.items() if name == target})[
        target
    ]
    column = Column(values, frame.typed)
    is_number = getattr(kind.codec, "labels", None) is None
    codes, names = _coded(column)
    if layout.window is None:
        return _of_whole(found, pieces, codes, names, layout, target), 0
    if is_number:
        return _mean(column.numbers.values, pieces, layout), 0
    made = np.empty(len(pieces.start), object)
    mixed = 0
    for row, (start, end) in enumerate(zip(pieces.start.tolist(), pieces.end.tolist())):
        own = codes[start:end]
        mixed += bool((own != own[0]).any())
        own = own[own >= 0]
        if not len(own):
            continue
        counts = np.bincount(own)
        most = own[np.argmax(counts[own] == counts.max())]  # Of equals the first to come.
        made[row] = names[int(most if layout.at == MAJORITY else own[-1])]
    return made, mixed


def _coded(column: Column) -> tuple[Array, list[str]]:
    """int64 (n,), -1 where there is none, and what each stands for in order of appearance."""
    values = column.classes()
    known: dict[Any, int] = {None: -1}
    codes = np.fromiter((known.setdefault(value, len(known) - 1) for value in values), np.int64, len(values))
    return codes, [name for name in known if name is not None]


def _of_whole(
    found: Recordings, pieces: Pieces, codes: Array, names: Sequence[str], layout: Layout, target: str
) -> Array:
    made = np.empty(len(pieces.start), object)
    for row, (which, start, end) in enumerate(
        zip(pieces.recording.tolist(), pieces.start.tolist(), pieces.end.tolist())
    ):
        known = np.flatnonzero(codes[start:end] >= 0)
        if not len(known):
            continue
        own = codes[start:end][known]
        if (other := np.flatnonzero(own != own[0])).size:
            first, then = (int(start + known[place]) for place in (0, other[0]))
            of = f"sequence {found.names[which]!r}" if layout.sequence else "the recording"
            labels = [names[int(own[place])] for place in (0, other[0])]
            raise DataError(
                f"the label changes within {of}: {labels[0]!r} in row {found.rows[first]:,}, {labels[1]!r} here.",
                where=f"{found.place(which, then)}, column {target!r}",
                fix="Mend it, or cut it into windows: --window 128.",
            )  # fmt: skip
        made[row] = names[own[0]]
    return made


def _mean(values: Array, pieces: Pieces, layout: Layout) -> Array:
    made = np.empty(len(pieces.start), object)
    for row, (start, end) in enumerate(zip(pieces.start.tolist(), pieces.end.tolist())):
        own = values[start:end][~np.isnan(values[start:end])]
        if len(own):
            made[row] = float(own.mean() if layout.at == MAJORITY else own[-1])
    return made


def _some(names: Sequence[Any]) -> str:
    more = f" and {len(names) - _TOLD:,} more" if len(names) > _TOLD else ""
    return ", ".join(map(str, names[:_TOLD])) + more
