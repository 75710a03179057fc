"""`drivetrain verify`: the golden cases, run here."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from rich.markup import escape

from drivetrain.cli.common import Reply, add_bundle, terminal

HELP = "run a bundle's golden cases here, stage by stage"
EXAMPLE = "drivetrain verify flowers.bundle"


def add(command: ArgumentParser) -> None:
    add_bundle(command)


def act(options: Namespace) -> Reply:
    from drivetrain.runtime import verify_bundle

    report = verify_bundle(options.bundle, trusted=options.trusted)
    return report.to_json(), 0 if report.ok else 3


def show(answer: dict[str, Any]) -> None:
    console = terminal()
    wide = max(8, *(len(stage["stage"]) for stage in answer["stages"])) + 1
    for stage in answer["stages"]:
        mark = "[green]agrees[/]" if stage["ok"] else "[red]DIFFERS[/]"
        difference = ""
        if stage["max_difference"] is not None:
            difference = f"largest difference {stage['max_difference']:.2g}, allowed {stage['tolerance']:.2g}"
        cases = f"{stage['cases']} cases" if stage["cases"] else ""
        console.print(
            f"{stage['stage']:<{wide}}{mark}  {cases:<10}{difference}{escape(stage['message'] or '')}"
        )
    console.print(
        "[green]verified[/]" if answer["ok"] else "[red]not verified: don't use this bundle here[/]"
    )
