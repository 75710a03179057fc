"""What the verbs for forecasts share: histories in files, a Forecaster, and forecasts for a person."""

from __future__ import annotations

import os
from argparse import Namespace
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape

from drivetrain.cli.common import Reply, plain_table, refuse_unwritable, terminal
from drivetrain.cli.recording import recording, told
from drivetrain.errors import UsageError, one_line
from drivetrain.figures import counted, digits

if TYPE_CHECKING:
    from drivetrain.bundle import Bundle
    from drivetrain.runtime.forecaster import Forecaster, ForecastOf
    from drivetrain.timeline.layout import Layout

SERIES, MOMENTS, NOTES = 5, 14, 12
"""Of a forecast in a terminal: series, moments of each, and notes, at most."""


def columns_of(path: str, layout: Layout, ahead: bool = False) -> tuple[dict[str, Any], list[str]]:
    """The columns of a file of series that a layout looks at, raw, and where each row comes from; of what is `ahead` without
    the targets. Raises FileError, DataError, UsageError."""
    from drivetrain.data.read.rows import read_rows
    from drivetrain.errors import DataError, nearest

    origins, rows = [], []
    for origin, row in read_rows(path):
        origins.append(origin)
        rows.append(row)
    if not rows:
        raise DataError(
            "there are no rows in it.", where=path, fix="Give a header, and a row for each moment."
        )
    known = dict.fromkeys(name for row in (rows if len(rows) < 10_000 else rows[:5_000]) for name in row)
    wanted = [
        name
        for name in layout.columns
        if not (ahead and name in (*layout.targets, *layout.past, *layout.static))
    ]
    for name in wanted:
        if name not in known:
            raise UsageError(
                f"there is no column {name!r}, which the model was trained with.", where=path,
                fix=nearest(name, known) or f"The columns are {', '.join(list(known)[:20])}.",
            )  # fmt: skip
    found: dict[str, Any] = {}
    for name in wanted:
        found[name] = np.empty(len(rows), object)
        found[name][:] = [row.get(name) for row in rows]
    return found, origins


def read_history(forecaster: Forecaster, path: str, future: str | None = None) -> Any:
    """The history in a file, and what is known of its future, as moments."""
    layout = forecaster.layout
    columns, origins = columns_of(path, layout)
    if future is None:
        return forecaster.read(columns, name=Path(path).name, origins=origins)
    ahead, places = columns_of(future, layout, ahead=True)
    return forecaster.read(columns, ahead, Path(path).name, [*origins, *places])


def predict(opened: Bundle, options: Namespace) -> Reply:
    """`drivetrain predict` of a bundle that forecasts."""
    from drivetrain.charts.chart import refuse_form as refuse_chart
    from drivetrain.data.answer_files import refuse_form, write_answers
    from drivetrain.records.keeping import of_file
    from drivetrain.runtime.forecaster import Forecaster, as_columns

    for name in ("keep", "parts", "windows", "beam"):
        if getattr(options, name):
            raise UsageError("a forecast has no such thing.", where=f"--{name}", fix="Leave it out.")
    if len(options.inputs) != 1:
        raise UsageError("a forecast is of one history.", where=options.inputs[1], fix="Give one file.")
    (path,) = options.inputs
    if options.out:
        refuse_form(options.out)
    if options.chart:
        refuse_chart(options.chart)
        refuse_unwritable(options.chart, options)
    if options.record_key:
        raise UsageError(
            "the records of forecasts are named as their series.", where="--record-key", fix="Leave it out."
        )
    batch = recording(opened, options)
    forecaster = Forecaster(opened, trusted=options.trusted)
    with batch or nullcontext():
        found = forecaster.forecast_of(read_history(forecaster, path, options.known_future), options.horizon)
        if batch is not None:
            for each in found:
                batch.add_parts(
                    {"history": of_file(path), "horizon": options.horizon},
                    each.to_json(),
                    each.series,
                    ("series", "notes"),
                )
    notes = list(dict.fromkeys(note for each in found for note in each.notes))
    if options.out:
        columns = as_columns(found, forecaster.layout)
        rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
        write_answers(options.out, columns, rows)
    if options.chart:
        chart_of(found, f"{forecaster.layout.target}: {_ahead(found)}").save(options.chart)
    wrote = {"out": options.out, "chart": options.chart}
    return {
        "history": path, "target": forecaster.layout.target, "band": _band(forecaster),
        "forecasts": [each.to_json() for each in found], "notes": notes,
        **{name: value for name, value in wrote.items() if value}, **told(batch, options),
    }, 0  # fmt: skip


def _band(forecaster: Forecaster) -> float:
    """The share of moments that a band is to hold."""
    levels = forecaster.engine.codec.levels
    return round(levels[-1] - levels[0], 6)


def _ahead(found: list[ForecastOf]) -> str:
    stamps = found[0].stamps
    return stamps[0] if len(stamps) == 1 else f"{stamps[0]} to {stamps[-1]}"


def chart_of(found: list[ForecastOf], title: str) -> Any:
    """The ends of the histories, and what is foretold."""
    from drivetrain.charts.forecast import Foretold, forecast

    levels = found[0].levels
    items = [
        Foretold(each.series, each.history_stamps, each.history, each.ahead, each.value, each.low, each.high)
        for each in found
    ]
    return forecast(items, title, f"The band is to hold {levels[-1] - levels[0]:.0%} of what comes.")


def show_forecasts(answer: dict[str, Any]) -> None:
    console = terminal()
    shown = answer["forecasts"][:SERIES]
    for each in shown:
        table = plain_table(
            one_line(each["series"]), "moment", answer["target"], f"{answer['band']:.0%} between"
        )
        for row in each["forecast"][:MOMENTS]:
            between = f"{digits(row['low'], 5)} and {digits(row['high'], 5)}"
            table.add_row(escape(row["stamp"]), digits(row["value"], 5), between)
        console.print(table)
        if (more := len(each["forecast"]) - MOMENTS) > 0:
            console.print(f"and {counted(more, 'moment', 'moments')} more: --out FILE has all")
    if (more := len(answer["forecasts"]) - len(shown)) > 0:
        console.print(f"and {more:,} more series: --out FILE has all")
    for name in ("out", "chart"):
        if name in answer:
            console.print(f"{'forecast' if name == 'out' else 'chart'} in {escape(answer[name])}")
    show_notes(answer["notes"])


def show_notes(notes: list[str]) -> None:
    """Remarks, on standard error."""
    console = terminal()
    console.file.flush()
    import sys

    for note in notes[:NOTES]:
        print(f"note: {one_line(note)}", file=sys.stderr)
    if (more := len(notes) - NOTES) > 0:
        print(f"and {counted(more, 'note', 'notes')} more: --json has all", file=sys.stderr)


def refuse_same(path: str | None, bundle: str) -> None:
    """Raise UsageError where an answer would replace its bundle."""
    if path and os.path.exists(path) and os.path.samefile(path, bundle):
        raise UsageError("the answers would replace the bundle.", where=path, fix="Choose another --out.")
