"""`drivetrain anomalies`: moments of a history that lay outside of what a model would have foretold, without torch."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from rich.markup import escape

from drivetrain.cli.common import Reply, add_bundle, plain_table, refuse_unwritable, terminal
from drivetrain.cli.histories import read_history, refuse_same, show_notes
from drivetrain.figures import digits

HELP = "moments of a history that lay outside of what was to be expected"
EXAMPLE = "drivetrain anomalies sales.bundle sales.csv"

SHOWN = 20


def add(command: ArgumentParser) -> None:
    add_bundle(command)
    command.add_argument("history", metavar="FILE", help="a table with the columns of the training")
    command.add_argument(
        "--rate",
        type=float,
        default=0.01,
        metavar="SHARE",
        help="the share of usual moments that is called odd by chance (0.01)",
    )
    command.add_argument("--out", metavar="FILE", help="write them: CSV, JSON lines (.jsonl) or Parquet")
    command.add_argument("--chart", metavar="PNG", help="draw the history with them: .png or .svg")
    command.add_argument("--force", action="store_true", help="replace an existing file")


def act(options: Namespace) -> Reply:
    from drivetrain.charts.chart import refuse_form as refuse_chart
    from drivetrain.data.answer_files import refuse_form, write_answers
    from drivetrain.runtime.forecaster import Forecaster, odd_moments

    for path in (options.out, options.chart):
        refuse_unwritable(path, options)
        refuse_same(path, options.bundle)
    if options.out:
        refuse_form(options.out)
    if options.chart:
        refuse_chart(options.chart)
    forecaster = Forecaster(options.bundle, trusted=options.trusted)
    found = odd_moments(forecaster.engine, read_history(forecaster, options.history), options.rate)
    if options.out:
        rows = [odd.to_json() for odd in found.found]
        names = ("series", "stamp", "value", "foretold", "low", "high", "by", "origin")
        write_answers(options.out, {name: [row[name] for row in rows] for name in names}, rows)
    if options.chart:
        _chart(found, forecaster.layout.target).save(options.chart)
    wrote = {
        name: path for name, path in (("out", options.out), ("chart", options.chart)) if path is not None
    }
    return {**found.to_json(), "words": found.words(), **wrote}, 0


def _chart(found: Any, target: str) -> Any:
    """The series with most odd moments first."""
    from drivetrain.charts.forecast import Foretold, forecast

    places: dict[str, list[int]] = {name: [] for name in found.histories}
    for odd in found.found:
        places[odd.series].append(odd.place)
    items = [
        Foretold(name, *found.histories[name], ahead=(), point=(), low=(), high=(), outside=places[name])  # type: ignore[arg-type]
        for name in sorted(places, key=lambda name: -len(places[name]))
    ]
    return forecast(items, f"{target}: odd moments", found.words(), whole=True)


def show(answer: dict[str, Any]) -> None:
    console = terminal()
    odd = answer["anomalies"]
    if odd:
        several = len({each["series"] for each in odd}) > 1 or odd[0]["series"]
        table = plain_table(
            "", *(["series"] if several else []), "moment", "value", "foretold", "usual between"
        )
        for each in sorted(odd, key=lambda each: -each["by"])[:SHOWN]:
            between = f"{digits(each['low'], 4)} and {digits(each['high'], 4)}"
            cells = [each["stamp"], digits(each["value"], 4), digits(each["foretold"], 4), between]
            table.add_row(*map(escape, [*([each["series"]] if several else []), *cells]))
        console.print(table)
        if len(odd) > SHOWN:
            console.print(f"and {len(odd) - SHOWN:,} more that are less far off: --out FILE has all")
    console.print(escape(answer["words"]))
    for name in ("out", "chart"):
        if name in answer:
            console.print(f"{'written to' if name == 'out' else 'chart in'} {escape(answer[name])}")
    show_notes(answer["notes"])
