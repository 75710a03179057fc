"""Options that mean nothing for the data or the model are refused, on the command line and in Python alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import drivetrain
from pictures import class_folder

import drivetrain as dt
from drivetrain.errors import UsageError
from drivetrain.learn.applies import APPLIES
from drivetrain.learn.settings import NETWORKS_ONLY

ROWS = [(i / 60, "xyz"[i % 3], "yes" if i % 5 < 2 else "no", 3.5 * i + (i % 7)) for i in range(60)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("applies")
    lines = [",".join(map(str, row)) for row in [("size", "kind", "sold", "price"), *ROWS]]
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    picks = ["who,what", *(f"u{i % 9},i{i % 7}" for i in range(60))]
    (folder / "picks.csv").write_text("\n".join(picks) + "\n")
    class_folder(folder / "pictures", {"cat": 5, "dog": 5}, size=(16, 16))
    return folder


CLASSES, AMOUNT = ("table.csv", "--target", "sold"), ("table.csv", "--target", "price")
PICKS = ("picks.csv", "--task", "recommendation", "--user", "who", "--item", "what")


@pytest.mark.parametrize(
    ("verb", "data", "option", "told"),
    [
        ("train", CLASSES, ("--model", "resnet18"), "takes pictures"),
        ("train", CLASSES, ("--model", "cnn"), "Choose one of best, linear, mlp, trees"),
        ("train", CLASSES, ("--model", "owner/name"), "takes pictures"),
        ("train", CLASSES, ("--augment", "photos"), "no input is a picture"),
        ("train", CLASSES, ("--log-target",), "'sold' is a category"),
        ("train", CLASSES, ("--interval", "0.9"), "'sold' is a category"),
        ("train", CLASSES, ("--loss", "huber"), "'sold' is a category"),
        ("train", CLASSES, ("--frozen-epochs", "2"), "the model is mlp"),
        ("train", CLASSES, ("--shard",), "torchrun started none"),
        ("train", CLASSES, ("--early-stopping", "3", "--valid", "0"), "validation rows"),
        ("train", AMOUNT, ("--class-weights", "balanced"), "'price' is a number"),
        ("train", AMOUNT, ("--label-smoothing", "0.1"), "'price' is a number"),
        ("train", AMOUNT, ("--cost", "a:b=2"), "'price' is a number"),
        ("train", AMOUNT, ("--epochs", "3", "--model", "trees"), "the model is trees"),
        ("train", AMOUNT, ("--lr", "0.1", "--model", "trees"), "the model is trees"),
        ("train", PICKS, ("--liked-from", "4"), "is a ranking"),
        ("train", PICKS, ("--interval", "0.8"), "is a ranking"),
        ("train", ("pictures",), ("--loss", "absolute"), "'label' is a category"),
        ("train", ("pictures",), ("--frozen-epochs", "2"), "the model is cnn"),
        ("tune", AMOUNT, ("--class-weights", "balanced", "--trials", "2"), "'price' is a number"),
        ("curve", CLASSES, ("--epochs", "3", "--model", "trees"), "the model is trees"),
        ("curve", CLASSES, ("--model", "resnet18"), "takes pictures"),
        ("labels", CLASSES, ("--epochs", "3"), "the model is fast"),
        ("labels", CLASSES, ("--model", "residual"), "takes pictures"),
    ],
)
def test_an_option_that_means_nothing_is_refused_before_the_work(
    home: Path, tmp_path: Path, verb: str, data: tuple[str, ...], option: tuple[str, ...], told: str
) -> None:
    out = ("--out", tmp_path / "out") if verb in ("train", "tune") else ()
    done = drivetrain(verb, home / data[0], *data[1:], *option, *out, "--json")
    assert done.code == 2
    assert done.json["where"] == option[0]
    assert told in done.json["error"] + done.json["fix"]
    assert not (tmp_path / "out").exists()


def table(target: str, **options: Any) -> dt.Dataset:
    columns = dict(zip(("size", "kind", "sold", "price"), zip(*ROWS)))
    return dt.tabular.from_frame({name: list(values) for name, values in columns.items()}, target, **options)


@pytest.mark.parametrize(
    ("target", "model", "options", "where"),
    [
        ("sold", "resnet18", {}, "model"),
        ("sold", "mlp", {"augment": "photos"}, "augment"),
        ("sold", "mlp", {"pretrained": True}, "pretrained"),
        ("sold", "trees", {"loss": "absolute"}, "loss"),
        ("price", "trees", {"class_weights": "balanced"}, "class_weights"),
        ("price", "linear", {"class_weights": "balanced"}, "class_weights"),
        ("price", "mlp", {"label_smoothing": 0.2}, "label_smoothing"),
    ],
)
def test_a_learner_refuses_it_too(target: str, model: str, options: dict[str, Any], where: str) -> None:
    with pytest.raises(UsageError) as fault:
        table(target).learner(model, quiet=True, **options)
    assert fault.value.where == where


@pytest.mark.parametrize("options", [{"log_target": True}, {"interval": 0.5}])
def test_a_table_of_classes_refuses_what_is_for_numbers(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="'sold' is a category"):
        table("sold", **options)


def test_what_says_nothing_is_taken(tmp_path: Path) -> None:
    """A loop over many data sets gives all of them the same options; those that ask for nothing harm nobody."""
    usual = {name: value for name, value in NETWORKS_ONLY.items() if name != "batch_size"}
    table("price", interval=None).learner("mlp", quiet=True, **{**usual, "augment": None})


def test_a_module_of_ones_own_gets_no_dropout_from_us() -> None:
    from torch import nn

    data = dt.image_classification.from_arrays(np.zeros((8, 8, 8), np.uint8), list("abababab"))
    with pytest.raises(UsageError, match="a module of your own"):
        data.learner(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), quiet=True, dropout=0.5)


def test_a_search_refuses_what_its_data_do_not_have(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'price' is a number"):
        dt.tune(table("price"), 2, space={"label_smoothing": (0.0, 0.2)}, out=tmp_path / "out", quiet=True)


def test_every_name_in_the_table_is_an_option_of_something() -> None:
    from drivetrain.cli.main import build_parser
    from drivetrain.search.space import NAMES

    verbs = build_parser()._subparsers._group_actions[0].choices  # type: ignore[union-attr]
    typed = {action.dest for verb in verbs.values() for action in verb._actions}  # type: ignore[union-attr]
    python = {*NETWORKS_ONLY, *NAMES, "spread", "views"}
    assert APPLIES.keys() <= typed | python
