"""How each command's answer looks in a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True, emoji=False)


def _estimate(value: dict[str, Any] | None) -> str:
    if value is None or value["value"] is None:
        return "-"
    if value["low"] is None:
        return f"{value['value']:.3f}"
    return f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


def metrics_table(columns: dict[str, dict[str, Any]], title: str) -> Table:
    """Metrics down, models across, each with its 95 % interval."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("metric")
    for name in columns:
        table.add_column(
            escape(name), overflow="fold"
        )  # A narrow terminal wraps them, it cuts no number off.
    for metric in next(iter(columns.values())):
        cells = [_estimate(values.get(metric)) for values in columns.values()]
        table.add_row(escape(metric.replace("_", " ")), *cells)
    return table


def train(answer: dict[str, Any]) -> None:
    console = _console()
    ((part, metrics),) = answer["metrics"].items()
    console.print()
    console.print(
        metrics_table({"this model": metrics, **answer["baselines"]}, f"{part}, with 95 % intervals")
    )
    for note in answer.get("notes", []):
        console.print(f"note: {escape(note)}")
    console.print(f"\nrun     {escape(str(answer['run']))}  (report.html in it)")
    if "bundle" in answer:
        console.print(f"bundle  {escape(answer['bundle'])}  (verified)")
        console.print(f"next    drivetrain predict {escape(answer['bundle'])} PICTURE")
    else:
        console.print(f"next    drivetrain export {escape(str(answer['run']))} MODEL.bundle")


def check(answer: dict[str, Any]) -> None:
    """`check` has printed its own report."""


def export(answer: dict[str, Any]) -> None:
    _console().print(f"{escape(answer['bundle'])}  {answer['bytes'] / 1e6:.2f} MB, verified")


def verify(answer: dict[str, Any]) -> None:
    console = _console()
    for stage in answer["stages"]:
        mark = "[green]agrees[/]" if stage["ok"] else "[red]DIFFERS[/]"
        difference = ""
        if stage["max_difference"] is not None:
            difference = f"largest difference {stage['max_difference']:.2g}, allowed {stage['tolerance']:.2g}"
        cases = f"{stage['cases']} cases" if stage["cases"] else ""
        console.print(f"{stage['stage']:<9}{mark}  {cases:<10}{difference}{escape(stage['message'] or '')}")
    console.print(
        "[green]verified[/]" if answer["ok"] else "[red]not verified: don't use this bundle here[/]"
    )


def predict(answer: dict[str, Any]) -> None:
    console = _console()
    for item in answer["answers"]:
        if "error" in item:
            told = [(item["error"], "red"), f" {item.get('fix', '')}"]
            console.print(Text.assemble(item["input"], "  ", *told))
        elif "label" in item:
            label = (item["label"], "bold")
            console.print(Text.assemble(item["input"], "  ", label, f"  {item['probability']:.3f}"))
        else:
            console.print(
                f"{escape(item['input'])}  {escape(str({k: v for k, v in item.items() if k != 'input'}))}"
            )


def evaluate(answer: dict[str, Any]) -> None:
    console = _console()
    console.print(
        metrics_table({f"{answer['part']}, n = {answer['n']:,}": answer["metrics"]}, "with 95 % intervals")
    )
    if answer["note"]:
        console.print(f"note: {escape(answer['note'])}")
    if answer["failed"]:
        console.print(
            f"note: {len(answer['failed'])} items could not be used, the first: {escape(answer['failed'][0])}"
        )


def show(answer: dict[str, Any]) -> None:
    console = _console()
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
            train(answer["result"])
        else:
            console.print("not finished: go on with drivetrain train FOLDER --out RUN --resume")
    else:
        console.print(escape(answer["description"]))
    if answer["picture"]:
        console.print(f"picture {escape(answer['picture'])}")
