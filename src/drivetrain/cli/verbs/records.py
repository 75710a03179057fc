"""`drivetrain records`: the answers that were kept: listed, counted, exported, forgotten, and told what was true."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from rich.markup import escape

from drivetrain.cli.common import Reply, plain_table, refuse_unwritable, terminal
from drivetrain.errors import UsageError, one_line

if TYPE_CHECKING:
    from drivetrain.records import Store

HELP = "the answers that a server kept: list, export and forget them, and tell what turned out to be true"
EXAMPLE = "drivetrain records sqlite:///records.sqlite --since 7d"
LONGEST = 30
NEWEST = 1000
"""Records in which an input's name is looked for that nothing was found by."""
DOES = ("out", "outcomes", "forget", "forget_input", "retain")
"""Options of which one at a time says what is done; none: list."""


def add(command: ArgumentParser) -> None:
    command.add_argument(
        "store",
        metavar="STORE",
        help="sqlite:///FILE, a file that ends in .sqlite or .db, or postgresql://...",
    )
    command.add_argument("--model", metavar="NAME", help="only this model's")
    command.add_argument("--key", help="only those of this case, as the caller calls it")
    command.add_argument(
        "--since", metavar="MOMENT", help="only from then on: a date, or how long ago, such as 7d or 90m"
    )
    command.add_argument("--until", metavar="MOMENT", help="only before then")
    command.add_argument("--limit", type=int, default=20, metavar="N", help="list so many, the newest (20)")
    command.add_argument(
        "--out",
        metavar="FILE",
        help="write all of them, a row for each: CSV, JSON lines or Parquet, by its extension",
    )
    command.add_argument("--force", action="store_true", help="replace an existing file")
    command.add_argument(
        "--outcomes", metavar="CSV",
        help="tell what turned out to be true: a table with a column id or key, and one value; needs --model",
    )  # fmt: skip
    command.add_argument("--forget", metavar="KEY", help="delete one person's records, which have this key")
    command.add_argument(
        "--forget-input",
        metavar="COLUMN=VALUE",
        help="delete one person's records, in which an input has this value",
    )
    command.add_argument(
        "--retain", nargs="?", const="", metavar="DAYS",
        help="delete what is older, now (as old as the server was told for each model)",
    )  # fmt: skip


def act(options: Namespace) -> Reply:
    from drivetrain.data.answer_files import refuse_form
    from drivetrain.data.record_files import write_records
    from drivetrain.records import forget, open_store
    from drivetrain.records.events import Events
    from drivetrain.records.journal import set_aside
    from drivetrain.records.moments import moment
    from drivetrain.records.writer import drain

    asked = [name for name in DOES if getattr(options, name) is not None]
    if len(asked) > 1:
        raise UsageError(
            "this asks for two things at once.", where=f"--{asked[1].replace('_', '-')}", fix="Ask one after the other."
        )  # fmt: skip
    refuse_unwritable(options.out, options)
    if options.out:
        refuse_form(options.out)
    since = None if options.since is None else moment(options.since, "--since")
    until = None if options.until is None else moment(options.until, "--until")
    model, key = options.model, options.key
    with open_store(options.store) as store:
        if options.forget is not None or options.forget_input is not None:
            inputs = None if options.forget_input is None else _named(options.forget_input)
            found = forget(store, Events(), key=options.forget, inputs=inputs, model=model)
            aside = [str(path) for path in set_aside(store.journals)]
            doubt = "" if found.rows or found.in_journals else _slip(store, model, inputs)
            extra = {"set_aside": aside} if aside else {}
            return {"forgotten": found.to_json(), **extra, **({"note": doubt} if doubt else {})}, 0
        # What processes left that died on the way to the store.
        drain(store, store.journals, Events())
        if options.retain is not None:
            return {"expired": store.retain(_days(options.retain), model)}, 0
        if options.outcomes is not None:
            return _tell(store, options)
        if options.out:
            batches = store.stream(model=model, since=since, until=until, key=key)
            many = write_records(options.out, (record for batch in batches for record in batch))
            return {"out": options.out, "records": many}, 0
        from drivetrain.records.moments import iso
        from drivetrain.records.words import plain

        records = store.find(model=model, since=since, until=until, key=key, limit=max(options.limit, 0))
        counts = [
            {**tally._asdict(), "first": iso(tally.first), "last": iso(tally.last)}
            for tally in store.count(model=model, since=since, until=until)
        ]
        return {"counts": counts, "records": [plain(record.to_json()) for record in records]}, 0


def _slip(store: Store, model: str | None, inputs: tuple[str, str] | None) -> str:
    """Why nothing was found: a model or an input that no record has, with the name that may have been meant; else ""."""
    from drivetrain.errors import nearest

    models = {tally.model for tally in store.count()}
    if model is not None and model not in models:
        return f"there is no record of a model {model!r:.60}. {nearest(model, models)}".rstrip()
    if inputs is not None:
        names = {name for record in store.find(model=model, limit=NEWEST) for name in record.inputs or ()}
        if names and inputs[0] not in names:
            return f"none of the newest records has an input {inputs[0]!r:.60}. {nearest(inputs[0], names)}".rstrip()
    return ""


def _named(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(
            f"{text!r:.60} names no input and value.", where="--forget-input", fix='Write it so: "name=Ann Lee".'
        )  # fmt: skip
    return name, value


def _days(text: str) -> float | None:
    if not text:
        return None
    try:
        days = float(text)
        if 0 <= days < 1e6:
            return days
    except ValueError:
        pass
    raise UsageError(
        f"{text!r:.40} is no number of days.", where="--retain", fix="Give a number, such as 90."
    )


def _tell(store: Store, options: Namespace) -> Reply:
    import csv
    import io

    from drivetrain.errors import DataError
    from drivetrain.files import open_regular
    from drivetrain.records import Outcome

    if options.model is None:
        raise UsageError("whose outcomes?", where="--model", fix="Name the model that answered.")
    with open_regular(options.outcomes) as file:
        try:
            rows = list(csv.DictReader(io.StringIO(file.read().decode("utf-8-sig"), newline="")))
        except (UnicodeDecodeError, csv.Error) as fault:
            raise DataError(f"this is no CSV in UTF-8: {fault}.", where=options.outcomes) from fault
    found: list[Outcome] = []
    for number, row in enumerate(rows, 2):
        named = {name: row.get(name) or "" for name in ("id", "key")}
        if not any(named.values()) or not row.get("value"):
            raise DataError(
                "this row has no id or key, or no value.", where=f"{options.outcomes}, row {number}",
                fix="Give a table with a column id or key, and one value.",
            )  # fmt: skip
        text: str = row["value"]
        found.append(Outcome(_number(text), id=named["id"], key="" if named["id"] else named["key"]))
    told = store.outcomes(options.model, found)
    return told.to_json(), 0 if not told.unknown else 3


def _number(text: str) -> Any:
    """A number where the text is the only way to write it."""
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if str(number) == text and number == number:
            return number
    return text


def show(answer: dict[str, Any]) -> None:
    console = terminal()
    if "forgotten" in answer:
        found = answer["forgotten"]
        console.print(
            f"{found['rows']:,} records deleted, {found['in_journals']:,} more on their way to the store"
        )
        if "note" in answer:
            console.print(f"note: {escape(one_line(answer['note']))}")
        if found["journals_left"]:
            console.print(
                "note: a process still holds older journals; what they hold of these is left out when it comes"
            )
        for path in answer.get("set_aside", ()):
            console.print(
                f"note: {escape(one_line(path))} is damaged or was refused, and may hold some: look, and delete it"
            )
    elif "expired" in answer:
        console.print(f"{answer['expired']:,} records deleted for their age")
    elif "out" in answer:
        console.print(f"{answer['records']:,} records in {escape(answer['out'])}")
    elif "unknown" in answer:
        console.print(
            f"{answer['stored']:,} outcomes stored, {answer['replaced']:,} replaced, {answer['unchanged']:,} as before"
        )
        if answer["unknown"]:
            first = one_line(answer["unknown"][0])
            console.print(
                f"note: there is no record of {len(answer['unknown']):,} of them, the first: {escape(first)}"
            )
        if odd := answer.get("no_class"):
            listed = ", ".join(one_line(each) for each in odd[:5])
            console.print(f"note: none of the model's classes, so never right: {escape(listed)}")
    else:
        _show_list(answer)


def _show_list(answer: dict[str, Any]) -> None:
    console = terminal()
    if not answer["counts"]:
        console.print("no records")
        return
    counts = plain_table("", "model", "version", "records", "with outcome", "first", "last")
    for each in answer["counts"]:
        moments = (each["first"][:19], each["last"][:19])
        counts.add_row(
            escape(one_line(each["model"])), str(each["version"]), f"{each['records']:,}", f"{each['outcomes']:,}", *moments
        )  # fmt: skip
    console.print(counts)
    console.print()
    table: list[tuple[str, ...]] = [("time", "model", "answer", "outcome", "key", "id")]
    for each in answer["records"]:
        sure = each["probability"]
        said = f"{_short(each['answer'])}{'' if sure is None else f' {sure:.3f}'}"
        model = f"{each['model']} {each['version']}"
        cells = (each["time"][:19], model, said, _said(each.get("outcome")), each["key"] or "", each["id"])
        table.append(tuple(map(one_line, cells)))
    widths = [max(map(len, column)) for column in zip(*table)]
    for row in table:  # A line each: a table of rich's would break its cells where the terminal is narrow.
        console.print(escape("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()))


def _short(answer: Any) -> str:
    """What was answered, in a few letters."""
    if not isinstance(answer, Mapping):
        return _said(answer)
    found = cast("Mapping[str, Any]", answer)
    for part in ("label", "value", "text", "tags", "error"):
        if part in found:
            return _said(found[part])
    return _said(", ".join(
        f"{len(cast('list[Any]', each))} {name}" if isinstance(each, list) else f"{name}: {_short(each)}"
        for name, each in found.items()
    ))  # fmt: skip


def _said(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
