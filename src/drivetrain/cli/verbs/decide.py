"""`drivetrain decide`: from a plan to what to do, what that gains, and how sure it is."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from drivetrain.cli.common import Reply, plain_table, refuse_unwritable, say, terminal
from drivetrain.errors import DataError, UsageError, one_line

if TYPE_CHECKING:
    from drivetrain.decide.judge.screen import Table

HELP = "from a plan to what to do: the best setting of its levers, what it gains and how sure that is"
EXAMPLE = "drivetrain decide plan.toml --html decision.html --out decision.json"


def add(command: ArgumentParser) -> None:
    command.add_argument(
        "plan", metavar="PLAN", help="a plan (TOML); or a decision (JSON) to show again, replay or hold against outcomes"
    )  # fmt: skip
    command.add_argument(
        "--html", metavar="FILE", help="write the page: one HTML file without script or network"
    )
    command.add_argument(
        "--out", metavar="JSON", help="write the decision, with all that is needed to replay it"
    )
    command.add_argument("--force", action="store_true", help="replace existing files")
    command.add_argument(
        "--replay", action="store_true", help="compute a decision anew, and say what has changed"
    )
    command.add_argument(
        "--outcomes", metavar="CSV", help="hold what came of a decision, a column for each outcome, against what it promised"
    )  # fmt: skip


def act(options: Namespace) -> Reply:
    from drivetrain import decide
    from drivetrain.progress import stages

    made = _is_decision(options.plan)
    for name in ("replay", "outcomes"):
        if getattr(options, name) and not made:
            raise UsageError(
                f"{options.plan} is a plan.",
                where=f"--{name}",
                fix="Give a decision that was written by --out.",
            )
    if options.replay and options.outcomes:
        raise UsageError(
            "this asks for two things at once.", where="--outcomes", fix="Ask one after the other."
        )
    if options.html and options.out and Path(options.html).absolute() == Path(options.out).absolute():
        raise UsageError(
            "the page and the decision can't be one file.", where="--out", fix="Give it another name."
        )
    for name in ("html", "out"):
        path = getattr(options, name)
        if path and not made and Path(path).resolve() == Path(options.plan).resolve():
            raise UsageError(f"{path} is the plan itself.", where=f"--{name}", fix="Give it another name.")
        refuse_unwritable(path, options)
    if options.html:  # Before the work, and not after it: what the page is drawn with may not be installed.
        from drivetrain.charts.chart import need_matplotlib

        need_matplotlib("decide")
    with stages(quiet=options.json) as stage:
        decision = decide.open_decision(options.plan) if made else decide.decide(options.plan, progress=stage)
        if options.replay:
            again = decide.replay(decision, _folder(decision, options.plan), progress=stage)
            if again.decision is not None:
                _write(again.decision, None, options)
            found = None if again.decision is None else again.decision.to_json()
            return {"replayed": again.to_json(), "decision": found}, 0 if again.same else 3
        held = decide.outcomes(decision, options.outcomes) if options.outcomes else None
        if options.html:
            stage("drawing the page")
        _write(decision, held, options)
    return ({"held": held.to_json()} if held else decision.to_json()), 0


def _is_decision(path: str) -> bool:
    return Path(path).suffix.lower() == ".json"


def _folder(decision: Any, path: str) -> str:
    """Where the files of a decision's plan are: where they were, or else beside the decision."""
    made = decision.to_json().get("replay") or {}
    names = [str(each["path"]) for each in (*(made.get("files") or ()), *(made.get("bundles") or ()))]
    before, beside = str(made.get("folder") or ""), os.path.dirname(path)
    return beside if all(os.path.exists(os.path.join(beside, name)) for name in names) else before


def _write(decision: Any, held: Any, options: Namespace) -> None:
    if options.out:
        decision.save(options.out)
        say(f"decision {options.out}", options)
    if options.html:
        from drivetrain.report.decision import write_decision

        try:
            write_decision(options.html, decision.to_json(), held.to_json() if held else None)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as fault:
            if not _is_decision(options.plan):
                raise
            # A file that somebody has changed by hand: what it holds is of the right kind by its outside only.
            raise DataError(
                f"its page can't be drawn: {type(fault).__name__}, {fault}.",
                where=options.plan,
                fix="Decide anew by its plan.",
            ) from fault
        say(f"page {options.html}", options)


def show(answer: dict[str, Any]) -> None:
    from drivetrain.decide.judge import screen

    if "replayed" in answer:
        _print("the same decision, bit for bit" if answer["replayed"]["same"] else "not the same decision")
        for each in answer["replayed"]["changed"]:
            _print(f"changed: {one_line(each)}")
        return
    blocks = screen.held(answer["held"]) if "held" in answer else screen.screen(answer)
    for place, block in enumerate(blocks):
        if isinstance(block, screen.Table):
            _table(block)
        else:
            _print(block, "bold" if place == 0 and "held" not in answer else "")


def _print(text: str, style: str = "") -> None:
    terminal().print(escape(text), style=style or None)


def _table(found: Table) -> None:
    table = plain_table("", *found.columns)
    for row in found.rows:
        table.add_row(*(escape(cell) for cell in row))
    terminal().print(table)
    if found.more:
        _print(f"and {found.more:,} more")
