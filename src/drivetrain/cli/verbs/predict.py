"""`drivetrain predict`: answers of a bundle, without torch."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.text import Text

from drivetrain.cli.common import Outcome, say, terminal
from drivetrain.errors import DataError

if TYPE_CHECKING:
    from drivetrain.runtime import Predictor

HELP = "answer for pictures, or for the rows of a table"
EXAMPLE = "drivetrain predict flowers.bundle photo.jpg"


def add(command: ArgumentParser) -> None:
    command.add_argument("bundle", metavar="BUNDLE")
    command.add_argument("inputs", nargs="+", metavar="FILE_OR_FOLDER")


def act(options: Namespace) -> Outcome:
    from drivetrain.progress import progress
    from drivetrain.runtime import Predictor

    predictor = Predictor(options.bundle)
    names, items, notes = _items(predictor, options.inputs)
    for note in notes:
        say(f"note: {note}", options)
    answers = []
    with progress("Predicting", len(items), quiet=options.json) as advance:
        for name, answer in zip(names, predictor.stream(items)):
            answers.append({**answer.to_json(), "input": name})
            advance(1)
    failed = sum("error" in answer for answer in answers)
    return {"answers": answers}, 1 if failed == len(answers) else 0


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
