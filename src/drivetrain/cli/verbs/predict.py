"""`drivetrain predict`: answers of a bundle, without torch."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.text import Text

from drivetrain.cli.common import Outcome, refuse_unwritable, say, terminal
from drivetrain.errors import DataError, UsageError, one_line

if TYPE_CHECKING:
    from drivetrain.runtime import Predictor
    from drivetrain.types import Answer, Failure

HELP = "answer for pictures, or for the rows of a table"
EXAMPLE = "drivetrain predict flowers.bundle photo.jpg"


def add(command: ArgumentParser) -> None:
    command.add_argument("bundle", metavar="BUNDLE")
    command.add_argument("inputs", nargs="+", metavar="FILE_OR_FOLDER")
    command.add_argument("--out", metavar="CSV", help="write the answers as a table, a row for each")
    command.add_argument("--force", action="store_true", help="replace an existing table")


def act(options: Namespace) -> Outcome:
    from drivetrain.progress import progress
    from drivetrain.runtime import Predictor
    from drivetrain.runtime.answers import write_answers

    refuse_unwritable(options.out, options)
    if options.out and os.path.exists(options.out) and os.path.samefile(options.out, options.bundle):
        raise UsageError(
            "the answers would replace the bundle.", where=options.out, fix="Choose another --out."
        )
    predictor = Predictor(options.bundle)
    names, items, notes = _items(predictor, options.inputs)
    for note in notes:
        say(f"note: {note}", options)
    found: list[Answer | Failure] = []
    with progress("Predicting", len(items), quiet=options.json) as advance:
        for answer in predictor.stream(items):
            found.append(answer)
            advance(1)
    if options.out:
        write_answers(options.out, names, found, predictor.signature)
    answers = [{**answer.to_json(), "input": name} for name, answer in zip(names, found)]
    failed = sum("error" in answer for answer in answers)
    outcome = {"answers": answers, **({"out": options.out} if options.out else {})}
    return outcome, 1 if failed == len(answers) else 0


def _items(predictor: Predictor, inputs: list[str]) -> tuple[list[str], list[Any], list[str]]:
    """Names and raw values of what is to be answered, and remarks: files for one picture, else rows of tables."""
    from drivetrain.data.sources import image_files

    codecs = list(predictor.signature.inputs.values())
    if len(codecs) == 1 and codecs[0].from_files:
        paths: list[str] = []
        for given in inputs:
            paths += image_files(given) if os.path.isdir(given) else [given]
        if not paths:
            raise DataError(
                "there are no pictures in it.", where=inputs[0], fix="Name pictures, or a folder of them."
            )
        return paths, paths, []
    from drivetrain.data.row_inputs import rows_for

    names: list[str] = []
    items: list[Any] = []
    notes: list[str] = []
    for given in inputs:
        origins, rows, remarks = rows_for(given, predictor.signature.inputs)
        names += origins
        items += rows
        notes += remarks
    return names, items, notes


def show(answer: dict[str, Any]) -> None:
    console = terminal()
    if "out" in answer:
        failed = [item for item in answer["answers"] if "error" in item]
        many = len(answer["answers"])
        console.print(f"answers of {many:,} input{'' if many == 1 else 's'} in {escape(answer['out'])}")
        if failed:
            first = one_line(f"{failed[0]['input']}: {failed[0]['error']}")
            console.print(f"note: {len(failed):,} of them could not be answered, the first: {escape(first)}")
        return
    for item in answer["answers"]:
        name = one_line(item["input"])
        if "error" in item:
            told = [(one_line(item["error"]), "red"), f" {item.get('fix', '')}"]
            console.print(Text.assemble(name, "  ", *told))
        elif "label" in item:
            label = (one_line(item["label"]), "bold")
            console.print(Text.assemble(name, "  ", label, f"  {item['probability']:.3f}"))
        else:
            console.print(f"{escape(name)}  {escape(str({k: v for k, v in item.items() if k != 'input'}))}")
