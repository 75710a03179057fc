"""`drivetrain VERB ...`: parse, call the library, print for a person or as one JSON object."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import re
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

import drivetrain
from drivetrain.cli.verbs import VERBS
from drivetrain.errors import DrivetrainError, Interrupted, UsageError, nearest
from drivetrain.extras import installing
from drivetrain.files import file_error, to_json
from drivetrain.interface import command_line
from drivetrain.learn.distributed import processes


class Parser(argparse.ArgumentParser):
    """Mistakes in the command line become UsageErrors, so that `--json` holds for them too."""

    def error(self, message: str) -> NoReturn:
        verb = self.prog.partition(" ")[2]
        raise UsageError(f"{message}.", where=verb, fix=f"Run '{self.prog} --help'.")


def build_parser(only: str | None = None) -> Parser:
    """The commands and their options, or those of one of them alone: what tasks can be told is read from each. Frozen by tests:
    an option is a promise."""
    parser = Parser(
        prog="drivetrain", description=drivetrain.__doc__.splitlines()[0] if drivetrain.__doc__ else None
    )
    parser.add_argument("--version", action="version", version=f"drivetrain {drivetrain.__version__}")
    commands = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=Parser)

    for name in VERBS:
        if only not in (None, name):  # Its file, and what that imports, takes longer than some verbs do.
            commands.add_parser(name)
            continue
        module = importlib.import_module(f"drivetrain.cli.verbs.{name}")
        command = commands.add_parser(
            name,
            help=module.HELP,
            description=module.HELP,
            epilog=f"example: {module.EXAMPLE}",
            allow_abbrev=False,
        )
        command.add_argument(
            "--json", action="store_true", help="print one JSON object on standard output, nothing else"
        )
        module.add(command)
        command.set_defaults(module=module, parser=command)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code: 0 fine, 1 error, 2 usage, 3 a check failed, 130 interrupted.

    Where the reader of what it prints has gone it ends quietly, with 1.
    """
    try:
        return _run(arguments)
    except BrokenPipeError:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except BrokenPipeError:  # Or Python would say at exit that it can't be flushed.
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return 1


def _run(arguments: Sequence[str] | None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    # Pillow warns of what our own errors and reports say better.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        verb = given[0] if given[:1] and given[0] in VERBS else None
        options, unknown = build_parser(verb).parse_known_args(given)
        if unknown:
            known = re.findall(r"--[a-z-]+", options.parser.format_usage())
            near = nearest(unknown[0].partition("=")[0], known) if unknown[0].startswith("-") else ""
            raise UsageError(
                f"unrecognized arguments: {' '.join(unknown)}.", where=options.verb,
                fix=near or f"Run '{options.parser.prog} --help'.",
            )  # fmt: skip
        words = _typed(given)
        options.given = [
            each.dest for each in options.parser._actions if words.intersection(each.option_strings)
        ]
        with processes.one_speaker(), command_line():
            answer, code = options.module.act(options)
            if answer is None:  # It was given when the work began, which has ended now.
                pass
            elif as_json:
                print(to_json(answer))
            else:
                options.module.show(answer)
            sys.stdout.flush()  # Here, and not at exit, a closed pipe can still be an exit code.
        return code
    except UsageError as fault:
        return _fail(_as_typed(fault, given), as_json)
    except DrivetrainError as fault:
        return _fail(fault, as_json)
    except BrokenPipeError:
        raise
    except OSError as fault:
        return _fail(file_error(fault, fault.filename or ""), as_json)
    except ModuleNotFoundError as fault:
        if (fault.name or "").partition(".")[0] in ("drivetrain", ""):
            raise
        return _fail(
            DrivetrainError(
                f"this needs the package {fault.name!r}, which is not installed.",
                fix=f"Run: {installing('train')}",
            ),
            as_json,
        )
    except MemoryError:
        return _fail(
            DrivetrainError(
                "there is not enough memory.",
                fix="Close other programs, or take fewer rows, columns or pictures.",
            ),
            as_json,
        )
    except KeyboardInterrupt:
        return _fail(Interrupted("stopped."), as_json)


OTHERWISE = {"seconds": "time", "most": "length", "width": "beam"}
"""Options of verbs that are not called as the argument of the library; those of tasks know it."""


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _typed(given: Sequence[str]) -> set[str]:
    """The options of a command line, without their values."""
    return {word.partition("=")[0] for word in given}


def _as_typed(fault: UsageError, given: Sequence[str]) -> UsageError:
    """The error with its place as it was typed: the library calls an argument `lr`, the command line `--lr`."""
    names = dict(OTHERWISE)
    with suppress(DrivetrainError):  # An extension that can't be imported is told elsewhere.
        from drivetrain.data.recipe import tasks

        names |= {option.key: option.written or option.name for task in tasks() for option in task.options}
    found = {_option(fault.where), _option(names.get(fault.where, ""))} & _typed(given)
    fault.where = next(iter(found), fault.where)
    return fault


def write_any_text(as_json: bool) -> None:
    """Names with bytes or signs that the terminal's encoding doesn't have are written with escapes; JSON is UTF-8,
    where such an escape stands for the same name."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            encoding = "utf-8" if as_json and stream is sys.stdout else None
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


def _fail(fault: DrivetrainError, as_json: bool) -> int:
    try:
        first, last_try = processes.is_first(), processes.is_last_try()
        tells = processes.tells(fault)
    except UsageError:  # What torchrun sets can't be read: there is nobody to leave it to.
        first = last_try = tells = True
    answers = as_json and first and last_try
    if answers:
        print(to_json(fault.to_json()))
    elif tells:
        print(f"drivetrain: {fault}", file=sys.stderr)
    if answers or (tells and (first or not as_json)):
        try:
            sys.stdout.flush()
        finally:
            processes.told()
    else:
        processes.let_others_speak()
    return fault.exit_code
