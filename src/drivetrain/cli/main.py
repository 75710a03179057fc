"""`drivetrain VERB ...`: parse, call the library, print for a person or as one JSON object."""

from __future__ import annotations

import argparse
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import drivetrain
from drivetrain.cli import show
from drivetrain.errors import DrivetrainError, Interrupted, UsageError
from drivetrain.files import file_error, to_json


class Parser(argparse.ArgumentParser):
    """Mistakes in the command line become UsageErrors, so that `--json` holds for them too."""

    def error(self, message: str) -> NoReturn:
        verb = self.prog.partition(" ")[2]
        raise UsageError(f"{message}.", where=verb, fix=f"Run '{self.prog} --help'.")


def build_parser() -> Parser:
    """The commands and their options. Frozen by tests: an option is a promise."""
    parser = Parser(
        prog="drivetrain", description=drivetrain.__doc__.splitlines()[0] if drivetrain.__doc__ else None
    )
    parser.add_argument("--version", action="version", version=f"drivetrain {drivetrain.__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=Parser)

    def verb(name: str, help: str, epilog: str) -> argparse.ArgumentParser:
        command = verbs.add_parser(
            name, help=help, description=help, epilog=f"example: {epilog}", allow_abbrev=False
        )
        command.add_argument(
            "--json", action="store_true", help="print one JSON object on standard output, nothing else"
        )
        command.set_defaults(act=name)
        return command

    train = verb(
        "train",
        "train a model on a folder of pictures",
        "drivetrain train flowers/ --epochs 4 --export flowers.bundle",
    )
    train.add_argument(
        "folder", metavar="FOLDER", help="class folders, train/valid/test folders, or pictures with a CSV"
    )
    train.add_argument(
        "--model",
        help="a name (linear, mlp, cnn, residual, resnet18, ...), a hub name, a folder or weights file",
    )
    train.add_argument("--epochs", type=int, default=None, help="default 5")
    train.add_argument(
        "--image-size", type=int, default=None, metavar="N", help="side in pixels; default: from the pictures"
    )
    train.add_argument(
        "--resize", choices=("crop", "pad", "stretch"), default="crop", help="how a picture is made square"
    )
    train.add_argument(
        "--valid", type=float, default=0.2, help="share that validates where the folders don't say (0.2)"
    )
    train.add_argument(
        "--seed", type=int, default=0, help="of the split, the weights and all chance in training (0)"
    )
    train.add_argument("--lr", type=float, default=None, help="peak learning rate; default: by model")
    train.add_argument(
        "--batch-size",
        type=int,
        default=None,
        metavar="N",
        help="pictures in a batch; default: by the size of the data",
    )
    train.add_argument("--augment", default="auto", help="auto, photos, digits or none")
    train.add_argument(
        "--optimizer",
        choices=("adamw", "adam", "sgd"),
        default="adamw",
        help="what updates the weights (adamw)",
    )
    train.add_argument(
        "--weight-decay", type=float, default=0.01, help="how strongly weights are pulled to zero (0.01)"
    )
    train.add_argument(
        "--dropout", type=float, default=0.0, help="share of features left out at random in training (0)"
    )
    train.add_argument(
        "--label-smoothing", type=float, default=0.0, help="share of certainty taken from the labels (0)"
    )
    train.add_argument("--clip", type=float, default=None, help="largest norm of the gradient")
    train.add_argument("--accumulate", type=int, default=1, help="batches per step of the optimiser")
    train.add_argument("--ema", type=float, default=None, help="decay of averaged weights, such as 0.999")
    train.add_argument(
        "--early-stopping",
        type=int,
        default=None,
        metavar="EPOCHS",
        help="stop after so many epochs without a lower valid loss",
    )
    train.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="auto: bfloat16 on a GPU, else float32",
    )
    train.add_argument(
        "--frozen-epochs", type=int, default=4, help="epochs of the head alone, for a pretrained model (4)"
    )
    train.add_argument("--layout", default=None, help="override the recognised layout of the folder")
    train.add_argument("--no-check", action="store_true", help="don't look for faults and leaks first")
    train.add_argument(
        "--out", default=None, metavar="RUN", help="run folder; default: the next free one under runs/"
    )
    train.add_argument("--export", default=None, metavar="BUNDLE", help="write a bundle when done")
    train.add_argument("--resume", action="store_true", help="go on with the run in --out")
    train.add_argument("--force", action="store_true", help="replace an existing run or bundle")

    check = verb(
        "check", "look for faults in the data and leaks between its parts", "drivetrain check flowers/"
    )
    check.add_argument("folder", metavar="FOLDER")
    check.add_argument("--valid", type=float, default=0.2, help="share that validates, as in train (0.2)")
    check.add_argument("--seed", type=int, default=0, help="of the split that leaks are looked for in (0)")
    check.add_argument("--layout", default=None, help="override the recognised layout of the folder")

    export = verb("export", "write the bundle of a run", "drivetrain export runs/flowers-001 flowers.bundle")
    export.add_argument("run", metavar="RUN")
    export.add_argument("bundle", metavar="BUNDLE")
    export.add_argument("--force", action="store_true", help="replace an existing bundle")

    verify = verb(
        "verify", "run a bundle's golden cases here, stage by stage", "drivetrain verify flowers.bundle"
    )
    verify.add_argument("bundle", metavar="BUNDLE")

    predict = verb("predict", "answer for pictures", "drivetrain predict flowers.bundle photo.jpg")
    predict.add_argument("bundle", metavar="BUNDLE")
    predict.add_argument("inputs", nargs="+", metavar="FILE_OR_FOLDER")

    evaluate = verb(
        "evaluate",
        "measure a bundle on labelled pictures (their test part if there is one)",
        "drivetrain evaluate flowers.bundle flowers/",
    )
    evaluate.add_argument("bundle", metavar="BUNDLE")
    evaluate.add_argument("folder", metavar="FOLDER")
    evaluate.add_argument("--layout", default=None, help="override the recognised layout of the folder")

    look = verb(
        "show",
        "a picture of a folder's items, or what came out of a run",
        "drivetrain show flowers/ --out batch.png",
    )
    look.add_argument("source", metavar="SOURCE_OR_RUN")
    look.add_argument("--out", default=None, metavar="PNG", help="where to write the picture")
    look.add_argument("--force", action="store_true", help="replace an existing picture")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code: 0 fine, 1 error, 2 usage, 3 a check failed, 130 interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in given
    # Pillow warns of what our own errors and reports say better.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        options = build_parser().parse_args(given)
        from drivetrain.cli import verbs

        act: Callable[..., tuple[dict[str, Any], int]] = getattr(verbs, options.act)
        answer, code = act(options)
        if as_json:
            print(to_json(answer))
        else:
            getattr(show, options.act)(answer)
        sys.stdout.flush()  # Here, and not at exit, a closed pipe can still be an exit code.
        return code
    except DrivetrainError as fault:
        return _fail(fault, as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as fault:
        return _fail(file_error(fault, fault.filename or ""), as_json)
    except ModuleNotFoundError as fault:
        if (fault.name or "").partition(".")[0] in ("drivetrain", ""):
            raise
        return _fail(
            DrivetrainError(
                f"this needs the package {fault.name!r}, which is not installed.",
                fix="Run: pip install 'drivetrain[train]'",
            ),
            as_json,
        )
    except KeyboardInterrupt:
        return _fail(Interrupted("stopped."), as_json)


def _write_any_text(as_json: bool) -> None:
    """Names with bytes or signs that the terminal's encoding doesn't have are written with escapes; JSON is UTF-8,
    where such an escape stands for the same name."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            encoding = "utf-8" if as_json and stream is sys.stdout else None
            stream.reconfigure(encoding=encoding, errors="backslashreplace")


def _fail(fault: DrivetrainError, as_json: bool) -> int:
    if as_json:
        print(to_json(fault.to_json()))
    else:
        print(f"drivetrain: {fault}", file=sys.stderr)
    return fault.exit_code


def run() -> None:
    """The `drivetrain` command."""
    _write_any_text("--json" in sys.argv)
    sys.exit(main())
