"""The options that say what the data are, for every verb that reads a source, and the dataset that they mean."""

from __future__ import annotations

import os
import shlex
from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.errors import FileError, UsageError

if TYPE_CHECKING:
    from drivetrain.data.dataset import Dataset
    from drivetrain.data.split import Splitter

TASKS = ("image_classification", "tabular", "recommendation")


def add_source(command: ArgumentParser) -> None:
    """The source and the options of all tasks. A task ignores none: `dataset` refuses those that are another's."""
    command.add_argument(
        "source",
        metavar="SOURCE",
        help="a folder of pictures, a table (CSV, TSV, Parquet, JSONL) or a database's URL",
    )
    command.add_argument("--task", choices=TASKS, help="default: by the source")
    command.add_argument(
        "--valid", type=float, default=0.2, help="share that validates where the source doesn't say (0.2)"
    )
    command.add_argument("--seed", type=int, default=0, help="of the split, the weights and all chance (0)")
    command.add_argument(
        "--split",
        metavar="HOW",
        help="random, time:COLUMN, group:COLUMN, column:COLUMN or position; of pictures random or group:WHAT, a column of "
        "the CSV, parent, the level of a folder, or a pattern such as '(patient[0-9]+)_' (random)",
    )
    command.add_argument("--test", type=float, metavar="SHARE", help="share kept for evaluate (0)")
    command.add_argument(
        "--drop-copies", action="store_true", help="leave out rows, or pictures, that are there already"
    )
    pictures = command.add_argument_group("pictures")
    pictures.add_argument(
        "--image-size", type=int, metavar="N", help="side in pixels; default: from the pictures"
    )
    pictures.add_argument(
        "--resize", choices=("crop", "pad", "stretch"), help="how a picture is made square (crop)"
    )
    pictures.add_argument("--layout", help="override the recognised layout of the folder")
    tables = command.add_argument_group("tables")
    tables.add_argument(
        "--target", action="append", metavar="COLUMN", help="what is to be predicted; may be given again"
    )
    tables.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="NAME=KIND",
        help="override what a column was taken for, and how it is written: price=number:decimal-comma, day=date:month-first",
    )
    tables.add_argument("--ignore", action="append", default=[], metavar="NAME", help="leave a column out")
    tables.add_argument(
        "--missing",
        action="append",
        default=[],
        metavar="WORD or NAME=WORD",
        help='what else means "no value", in all columns or in one; NAME= alone: no word does there (-200)',
    )
    tables.add_argument("--query", metavar="SQL", help="what to read from a database")
    tables.add_argument(
        "--log-target",
        action=BooleanOptionalAction,
        help="learn a number on a log scale, or don't; default: --model best finds out",
    )
    tables.add_argument(
        "--interval", type=float, metavar="SHARE", help="how often a number's interval shall hold it (0.9)"
    )
    tables.add_argument(
        "--cost",
        action="append",
        default=[],
        metavar="TRUE:ANSWER=COST",
        help="what a wrong answer costs (1)",
    )
    ratings = command.add_argument_group("ratings (with --task recommendation)")
    for name, what in (
        ("user", "who"), ("item", "what"), ("rating", "how much; without it, that it was picked"),
        ("timestamp", "when: validate on each user's latest"),
    ):  # fmt: skip
        ratings.add_argument(f"--{name}", metavar="COLUMN", help=what)
    ratings.add_argument(
        "--liked-from", type=float, metavar="RATING", help="what counts as liked; default: the mean and above"
    )
    ratings.add_argument(
        "--header", metavar="NAMES", help="the columns of a file that doesn't name them: a,b,c"
    )
    ratings.add_argument("--titles", metavar="FILE", help="a table of items and their titles")
    ratings.add_argument(
        "--keep-seen", action="store_true", help="the bundle holds what each user has had, by name"
    )


def recognise(options: Namespace) -> str:
    """The task of a source: as --task says, else pictures for a folder and a table for the rest. Raises UsageError for a
    file that is neither."""
    if os.path.isfile(options.source):
        _refuse_no_table(options.source)
    if options.task:
        return options.task
    if os.path.isdir(options.source):
        return "image_classification"
    if options.target or options.query or os.path.isfile(options.source):
        return "tabular"
    raise FileError("there is no such file or folder.", where=options.source, fix="Check the path.")


def _refuse_no_table(path: str) -> None:
    from drivetrain.bundle.archive import is_bundle
    from drivetrain.codecs.image import EXTENSIONS

    if is_bundle(path):
        command = shlex.join(["drivetrain", "verify", path])
        raise UsageError(
            "this is a bundle, and holds no data to read.", where=path, fix=f"Look at it with: {command}"
        )
    if path.lower().endswith(EXTENSIONS):
        raise UsageError(
            "this is a picture.", where=path, fix="Name the folder that holds the pictures of all classes."
        )


def dataset(options: Namespace) -> Dataset:
    """The dataset that the options mean. Raises UsageError for options of another task, and for those that mean nothing
    for these data or the model."""
    from drivetrain.learn.applies import refuse_pointless, refuse_unfit

    task = recognise(options)
    refuse_foreign(options, task)
    made = {"image_classification": _pictures, "tabular": _table, "recommendation": _ratings}[task](options)
    model = getattr(options, "model", None)
    refuse_unfit(made, model)
    refuse_pointless(made, model, options.given)
    return made


def recorded(data: Dataset) -> dict[str, Any]:
    """What a dataset was made with, by the names of the options and in the words of `said`."""
    recipe = data.recipe or {}
    has = {
        **recipe,
        "column": [f"{name}={kind}" for name, kind in (recipe.get("columns") or {}).items()],
        "missing": [
            f"{name}={word}" if name else word
            for name, words in (recipe.get("missing") or {}).items()
            for word in words
        ],
        "cost": [_cost_text((true, answer), cost) for true, answer, cost in recipe.get("costs") or ()],
        "header": ",".join(recipe.get("header") or ()),
        "interval": recipe.get("interval", data.interval),
        "liked_from": recipe.get("liked"),
        "split": _split_text(recipe),
    }
    return {name: _one_text(value) for name, value in has.items()}


def said(options: Namespace, name: str) -> Any:
    """The value of an option; what may be given again as one text, whatever its order."""
    value = getattr(options, name)
    return _one_text([_cost_text(*_cost(given)) for given in value] if name == "cost" else value)


def _one_text(value: Any) -> Any:
    return ", ".join(sorted(map(str, value))) if isinstance(value, list) else value


def _cost_text(pair: tuple[str, str], cost: float) -> str:
    return f"{pair[0]}:{pair[1]}={cost:g}"


def _split_text(recipe: Mapping[str, Any]) -> str:
    from drivetrain.data.split_words import to_words

    split = recipe.get("split")
    if split is None:  # Without one, ratings that have a time are split by it.
        return "" if recipe.get("timestamp") else "random"
    return to_words(split)


_OWN = {
    "image_classification": ("image_size", "resize", "layout", "split", "test", "drop_copies"),
    "tabular": ("target", "column", "ignore", "missing", "query", "split", "test", "drop_copies", "log_target", "interval", "cost"),
    "recommendation": (
        "user", "item", "rating", "timestamp", "liked_from", "header", "titles", "keep_seen", "query", "split", "test", "interval",
    ),
}  # fmt: skip


def refuse_foreign(options: Namespace, task: str) -> None:
    """Raises UsageError for options of another task."""
    for other, names in _OWN.items():
        for name in names:
            if other != task and name not in _OWN[task] and getattr(options, name):
                raise UsageError(
                    f"this is an option of {other.replace('_', ' ')}, and {options.source} is taken for "
                    f"{task.replace('_', ' ')}.",
                    where="--" + name.replace("_", "-"),
                    fix=f"Leave it out, or {_way_to(other, options.source)}.",
                )


def _way_to(task: str, source: str) -> str:
    """What makes an option of another task right: its --task, where the source can be of that."""
    if task == "image_classification":
        return "name a folder of pictures"
    return "name a table" if os.path.isdir(source) else f"say --task {task}"


def _pictures(options: Namespace) -> Dataset:
    from drivetrain.tasks import image_classification

    return image_classification.from_folder(
        options.source, options.valid, options.seed, image_size=options.image_size, resize=options.resize or "crop",
        layout=options.layout, split=splitter(options, "image_classification"), drop_copies=options.drop_copies,
    )  # fmt: skip


def _table(options: Namespace) -> Dataset:
    from drivetrain.tasks import tabular

    if not options.target:
        raise UsageError(
            "which column is to be predicted?", where="--target", fix="Name it: --target COLUMN."
        )
    return tabular.from_csv(
        options.source, options.target, options.valid, options.seed, query=options.query, test=options.test or 0.0,
        columns=dict(_pair(given, "--column", "NAME=KIND") for given in options.column), ignore=options.ignore,
        split=splitter(options, "tabular"), drop_copies=options.drop_copies,
        missing=_missing(options.missing),
        **{
            name: value
            for name in ("interval", "log_target")
            if (value := getattr(options, name)) is not None
        },
        costs=dict(_cost(given) for given in options.cost) or None,
    )  # fmt: skip


def _ratings(options: Namespace) -> Dataset:
    from drivetrain.tasks import recommendation

    for name in ("user", "item"):
        if not getattr(options, name):
            raise UsageError(
                f"which column is the {name}?", where=f"--{name}", fix=f"Name it: --{name} COLUMN."
            )
    return recommendation.from_csv(
        options.source, options.user, options.item, options.rating, options.timestamp, options.valid, options.seed,
        header=options.header.split(",") if options.header else None, query=options.query,
        split=splitter(options, "recommendation"),
        test=options.test or 0.0, liked=options.liked_from, keep_seen=options.keep_seen,
        titles=None if options.titles is None else Path(options.titles),
        **({} if options.interval is None else {"interval": options.interval}),
    )  # fmt: skip


def _missing(given: list[str]) -> dict[str, list[str]] | None:
    """Words for "no value" by column, "" for all."""
    found: dict[str, list[str]] = {}
    for text in given:
        name, _, word = text.rpartition("=")
        found.setdefault(name, []).append(word)
    return found or None


def _pair(given: str, where: str, form: str) -> tuple[str, str]:
    name, sign, value = given.rpartition("=")
    if not sign or not name or not value:
        raise UsageError(f"{given!r} is not {form}.", where=where)
    return name, value


def _cost(given: str) -> tuple[tuple[str, str], float]:
    pair, cost = _pair(given, "--cost", "TRUE:ANSWER=COST, such as yes:no=5")
    true, sign, answer = pair.partition(":")
    try:
        value = float(cost)
    except ValueError:
        sign, value = "", 0.0
    if not sign:
        raise UsageError(f"{given!r} is not TRUE:ANSWER=COST.", where="--cost", fix="Write it like yes:no=5.")
    return (true, answer), value


def splitter(options: Namespace, task: str) -> Splitter | None:
    """The split that was asked for; None where nothing was, so that the task has its own."""
    from drivetrain.data.split_words import from_words

    pictures = task == "image_classification"
    if options.split is None and not (pictures and options.test):
        return None
    if options.split == "random" and task == "tabular":  # Its own: each class of the target by its share.
        return None
    label = "label" if pictures else None
    return from_words(
        options.split or "random",
        options.valid,
        options.seed,
        options.test or 0.0,
        stratify=label,
        pictures=pictures,
    )
