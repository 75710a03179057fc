"""`drivetrain predict`: answers of a bundle, without torch."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.text import Text

from drivetrain.cli import histories, remote
from drivetrain.cli.common import BEAM, Reply, add_bundle, refuse_unwritable, say, terminal
from drivetrain.cli.recording import add_recording, record, recording, told
from drivetrain.errors import UsageError, one_line
from drivetrain.figures import digits

if TYPE_CHECKING:
    from drivetrain.cli.remote import Remote
    from drivetrain.records.batch import Batch
    from drivetrain.runtime.predictor import Predictor
    from drivetrain.runtime.writer import Writer
    from drivetrain.types import Answer, Failure

HELP = "answer for pictures, texts, or the rows of a table; or continue the series of one"
EXAMPLE = "drivetrain predict flowers.bundle photo.jpg"
LONGEST = 40
"""Letters of a kept value in a terminal."""
COLUMNS = 10
"""So many columns with unusual values are told."""


def add(command: ArgumentParser) -> None:
    add_bundle(command)
    command.add_argument("inputs", nargs="+", metavar="FILE_OR_FOLDER")
    command.add_argument(
        "--out",
        metavar="FILE",
        help="write the answers, a row for each: CSV, JSON lines (.jsonl) or Parquet, by its extension; of a model that "
        "writes also text (.txt), a line for each",
    )
    command.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="COLUMN",
        help="keep a column of the table beside the answers; may be given again; all: every column",
    )
    command.add_argument(
        "--parts",
        action="store_true",
        help="of a blend of models also what each of them says, and its weight",
    )
    command.add_argument(
        "--windows",
        action="store_true",
        help="of a recording that is longer than is heard at once also what is said of each part of it",
    )
    command.add_argument(
        "--horizon", type=int, metavar="N", help="of a forecast: how many moments (as many as in training)"
    )
    command.add_argument(
        "--known-future",
        metavar="FILE",
        help="of a forecast: a table of what is known of the moments to come (else in rows of FILE without a target)",
    )
    command.add_argument(
        "--chart", metavar="PNG", help="of a forecast: draw it with its band, as .png or .svg"
    )
    command.add_argument("--beam", type=int, metavar="B", help=BEAM)
    remote.add_key(command)
    command.add_argument("--force", action="store_true", help="replace an existing file")
    add_recording(command)


def act(options: Namespace) -> Reply:
    if remote.is_address(options.bundle):
        return _from_afar(options)
    from drivetrain.bundle import open_bundle
    from drivetrain.bundle.program import Forecast
    from drivetrain.data.answer_files import refuse_form
    from drivetrain.runtime.writer import open_answering, writes

    if options.key is not None:
        raise UsageError("a bundle here needs no key.", where="--key", fix="Leave it out.")
    refuse_unwritable(options.out, options)
    opened = open_bundle(options.bundle)
    if options.out:
        refuse_form(options.out, lines=writes(opened))
    if options.out and os.path.exists(options.out) and os.path.samefile(options.out, options.bundle):
        raise UsageError(
            "the answers would replace the bundle.", where=options.out, fix="Choose another --out."
        )
    if isinstance(opened.program, Forecast):
        return histories.predict(opened, options)
    _refuse_forecasts(options)
    batch = recording(opened, options)
    return _answers(open_answering(opened, beam=options.beam, trusted=options.trusted), options, batch)


def _from_afar(options: Namespace) -> Reply:
    from drivetrain.data.answer_files import refuse_form

    refuse_unwritable(options.out, options)
    model = remote.opened(options)
    if model.program == "forecast":
        return remote.forecast(model, options)
    if options.out:
        refuse_form(options.out, lines=model.program == "generate")
    _refuse_forecasts(options)
    return _answers(model, options, None)


def _refuse_forecasts(options: Namespace) -> None:
    for name in ("horizon", "known_future", "chart"):
        if getattr(options, name) is not None:
            raise UsageError(
                "this model forecasts nothing.", where=f"--{name.replace('_', '-')}", fix="Leave it out."
            )


def _answers(predictor: Predictor | Writer | Remote, options: Namespace, batch: Batch | None) -> Reply:
    from drivetrain.data.answer_files import is_of_lines, kept_cells, write_answers, write_lines
    from drivetrain.data.recipe import task_of
    from drivetrain.data.wholes import whole_answers
    from drivetrain.progress import progress
    from drivetrain.runtime.answers import ORIGIN, answer_columns
    from drivetrain.runtime.unusual import Tally

    task = task_of(predictor.manifest["task"]).of_bundle(predictor.manifest["facts"])
    of_keys = [options.record_key] if options.record_key else []
    asked = task.asked(predictor.signature, options.inputs, [*options.keep, *of_keys])
    keys = [*asked.kept.get(options.record_key, [])]
    if of_keys and not {"all", *of_keys} & {*options.keep}:
        asked.kept.pop(options.record_key, None)
    wholes = asked.wholes
    if any(wholes) and isinstance(predictor, remote.Remote):
        wholes = ()
        say(
            "note: a server answers for windows: what is said of whole recordings needs the bundle here",
            options,
        )
    for note in asked.notes:
        say(f"note: {note}", options)
    found: list[Answer | Failure] = []
    tally = Tally()
    with batch or nullcontext(), progress("Predicting", len(asked.items), quiet=options.json) as advance:
        more = {"outputs": True} if any(wholes) else {}
        for answer in predictor.stream(asked.items, parts=options.parts, windows=options.windows, **more):
            record(batch, asked.items[len(found)], answer, keys[len(found)] if keys else None)
            found.append(answer)
            tally.add(answer)
            advance(1)
    answers: list[dict[str, Any]] = [
        {**answer.to_json(), "input": origin} for origin, answer in zip(asked.origins, found)
    ]
    for answer in answers:
        if "error" in answer and answer["input"] not in answer["where"]:
            answer["where"] = answer["input"]
    kept = {name: kept_cells(values) for name, values in asked.kept.items()}
    for row, answer in enumerate(answers if kept else ()):
        answer["kept"] = {name: values[row] for name, values in kept.items()}
    if options.out and is_of_lines(options.out):
        write_lines(options.out, [answer.get("text", "") for answer in answers])
    elif options.out:
        parts = predictor.parts if options.parts else ()
        beside = {**({} if ORIGIN in kept else {ORIGIN: asked.origins}), **kept}
        columns = {**beside, **answer_columns(predictor.signature, found, beside, parts)}
        write_answers(options.out, columns, answers)
    recorded = told(batch, options)
    failed = sum("error" in answer for answer in answers)
    outcome: dict[str, Any] = {
        "answers": answers,
        **({"out": options.out} if options.out else {}),
        **recorded,
    }
    found_units = {name: getattr(codec, "unit", "") for name, codec in predictor.signature.targets.items()}
    units = {name: unit for name, unit in found_units.items() if unit}
    outcome |= {"units": units} if units else {}
    outcome |= {"unusual": tally.to_json()} if tally.notes() else {}
    outcome |= {"skipped": asked.skipped} if asked.skipped else {}
    if whole := list(whole_answers(predictor.signature, wholes, found)):
        outcome["wholes"] = whole
    return outcome, 0 if not failed else 1 if failed == len(answers) else 3


def show(answer: dict[str, Any]) -> None:
    from drivetrain.runtime.unusual import sentence

    if "forecasts" in answer:
        return histories.show_forecasts(answer)
    console = terminal()
    if "out" in answer:
        failed = [item for item in answer["answers"] if "error" in item]
        many = len(answer["answers"])
        console.print(f"answers of {many:,} input{'' if many == 1 else 's'} in {escape(answer['out'])}")
        if failed:
            first = one_line(f"{failed[0]['input']}: {failed[0]['error']}")
            console.print(f"note: {len(failed):,} of them could not be answered, the first: {escape(first)}")
    else:
        for item in answer["answers"]:
            windows = item.get("windows", [])
            console.print(_line({**item, "windows": ()}, answer.get("units", {})))
            for each in windows:
                seconds = f"    {each['from']:.2f} to {each['to']:.2f} s"
                rest = {name: value for name, value in each.items() if name not in ("from", "to")}
                console.print(_line({"input": seconds, **rest}, answer.get("units", {})))
    if "recorded" in answer:
        many = answer["recorded"]
        print(f"{many:,} answer{'' if many == 1 else 's'} recorded in {answer['records']}", file=sys.stderr)
    for item in answer.get("wholes", []):
        windows = (
            f"{item['input']}, all {item['windows']:,} windows" if item["windows"] > 1 else item["input"]
        )
        rest = {name: value for name, value in item.items() if name not in ("input", "windows")}
        console.print(_line({"input": windows, **rest}, answer.get("units", {})))
    console.file.flush()
    unusual = answer.get("unusual", [])
    for found in unusual[:COLUMNS]:
        print(f"note: {one_line(sentence(found))}", file=sys.stderr)
    if len(unusual) > COLUMNS:
        more = f"{len(unusual) - COLUMNS:,} more columns"
        print(f"note: values that training had nothing like are in {more}: --json tells all", file=sys.stderr)


def _line(item: dict[str, Any], units: dict[str, str]) -> Text:
    parts: list[Any] = [one_line(item["input"])]
    for name, value in (item.get("kept") or {}).items():
        shown = "" if value is None else one_line(str(value))
        parts.append(f"  {one_line(name)}={shown if len(shown) <= LONGEST else f'{shown[:LONGEST]}…'}")
    if "error" in item:
        fault, fix = one_line(item["error"]), one_line(item.get("fix", ""))
        end = "" if not fix or fault.endswith((".", "?", "!")) else "."
        return Text.assemble(*parts, "  ", (fault, "red"), f"{end} {fix}")
    targets = {
        name: value
        for name, value in item.items()
        if name not in ("input", "kept", "unusual", "parts", "windows")
    }
    if not _is_answer(targets) and any(
        isinstance(value, dict) and _is_answer(value) for value in targets.values()
    ):
        for name, decoded in targets.items():
            parts += ["  ", f"{one_line(name)} ", *_told(decoded, units.get(name, ""))]
            parts += _shares((item.get("parts") or {}).get(name, {}))
    else:
        parts += ["  ", *_told(targets, next(iter(units.values()), "")), *_shares(item.get("parts") or {})]
    return Text.assemble(*parts)


def _is_answer(decoded: dict[str, Any]) -> bool:
    """Of one target: where there are several, one may be called "label", and so may a class."""
    return any(not isinstance(decoded.get(part, {}), dict) for part in ("text", "label", "value", "tags"))


def _told(decoded: dict[str, Any], unit: str) -> list[Any]:
    """What was answered for one target: a class and its probability, a number and its range, tags; or as its codec has
    it in print."""
    if "text" in decoded:
        return [(one_line(str(decoded["text"])), "bold")]
    if "label" in decoded:
        return [(one_line(decoded["label"]), "bold"), f"  {decoded['probability']:.3f}"]
    if "value" in decoded:
        low, high = decoded.get("low"), decoded.get("high")
        between = "" if low is None or high is None else f"  ({digits(low, 5)} to {digits(high, 5)})"
        return [(digits(decoded["value"], 5), "bold"), f" {one_line(unit)}" if unit else "", between]
    if "tags" in decoded:
        return [(one_line("; ".join(decoded["tags"])) or "none", "bold")]
    return [one_line(str(decoded))]


def _shares(parts: dict[str, dict[str, Any]]) -> list[Any]:
    """What each part of a blend says, by its weight."""
    told: list[Any] = []
    for name, decoded in sorted(parts.items(), key=lambda part: -part[1]["weight"]):
        told += [f"; {decoded['weight']:.2f} of {one_line(name)}: ", *_told(decoded, "")]
    return told
