"""`drivetrain show`: what a source holds, or what came out of a run."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from rich.markup import escape

from drivetrain.cli.common import Reply, plain_table, refuse_unwritable, terminal
from drivetrain.cli.source import add_source, dataset
from drivetrain.cli.verbs import train

HELP = "what a source holds as a picture, or what came out of a run"
EXAMPLE = "drivetrain show flowers/ --out batch.png"

ROWS = 16


def add(command: ArgumentParser) -> None:
    add_source(command)
    command.add_argument("--out", default=None, metavar="PNG", help="where to write the picture")
    command.add_argument("--force", action="store_true", help="replace an existing picture")


def act(options: Namespace) -> Reply:
    refuse_unwritable(options.out, options)
    source = Path(options.source)
    if (source / "config.toml").is_file():
        from drivetrain.learn.runs.folder import Run

        run = Run.open(source)
        result = run.read_result()
        history = run.read_history()
        if options.out:
            from drivetrain.charts import losses

            losses(history).save(options.out)
        return {"run": str(source), "history": history, "result": result, "picture": options.out,
                "report": str(source / "report.html") if result else None}, 0  # fmt: skip
    from drivetrain.data.lengths import lengths_in

    data = dataset(options)
    if options.out:
        data.overview(ROWS, "train", seed=0).save(options.out)
    counts = {part: len(rows) for part, rows in data.split.parts().items()}
    return {
        "source": str(source),
        "description": data.describe(),
        "rows": counts,
        "classes": data.classes if data.one_category else None,
        "columns": {name: {"kind": kind.kind, "reason": kind.reason} for name, kind in data.kinds.items()},
        "lengths": [each.to_json() for each in lengths_in(data)],
        "findings": data.findings(),
        "picture": options.out,
    }, 0


def show(answer: dict[str, Any]) -> None:
    console = terminal()
    if "run" in answer:
        for row in answer["history"]:
            valid = (
                ""
                if row["valid_loss"] is None
                else f"  valid loss {row['valid_loss']:.4f}  valid error {row['valid_error']:.4f}"
            )
            console.print(
                f"epoch {row['epoch']:>3}  train loss {row['train_loss']:.4f}  train error {row['train_error']:.4f}{valid}"
            )
        if answer["result"]:
            train.show(answer["result"])
        else:
            console.print("not finished: go on with drivetrain train FOLDER --out RUN --resume")
    else:
        console.print(escape(answer["description"]))
        if answer["columns"]:
            table = plain_table("", "column", "taken for", "because")
            for name, kind in answer["columns"].items():
                table.add_row(escape(name), kind["kind"], escape(kind["reason"]))
            console.print(table)
        for each in answer["lengths"]:
            console.print(escape(each["words"]))
        for each in answer["findings"]:
            console.print(f"\n[bold]{escape(each['name'])}[/bold]")
            for words in each["words"]:
                console.print(escape(words))
    if answer["picture"]:
        console.print(f"picture {escape(answer['picture'])}")
