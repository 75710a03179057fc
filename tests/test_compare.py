"""Runs beside each other: what a run keeps, which rows count, what is said, and that chance is called chance."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import drivetrain

import drivetrain as dt
from drivetrain.codecs import Codec, Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.codecs.ranking import Ranking
from drivetrain.codecs.tags import Tags
from drivetrain.data.digest import digest
from drivetrain.errors import DataError, DrivetrainError, FileError, UsageError
from drivetrain.files import to_json
from drivetrain.findings.comparison import Comparison, compare, holm
from drivetrain.findings.shared_rows import common_rows, common_targets
from drivetrain.learn.runs.folder import Run
from drivetrain.learn.runs.predictions import Validation
from drivetrain.types import Array

N = 400
TRUE = np.random.default_rng(0).integers(0, 2, N)
PAIR = {"a", "b", "metric", "value", "low", "high", "method", "n", "p", "effect_size", "p_corrected", "winner",
        "sure", "verdict"}  # fmt: skip


def guesses(noise: float, seed: int, true: Array = TRUE) -> Array:
    """Probabilities (n, 2) of a model that sees the truth through so much noise."""
    scores = 2 * true - 1 + np.random.default_rng(seed).normal(0, noise, len(true))
    share = 1 / (1 + np.exp(-2 * scores))
    return np.stack([1 - share, share], axis=1).astype(np.float32)


def validation(answers: Array, true: Array = TRUE, rows: Array | None = None, **changed: Any) -> Validation:
    signature = Signature({"x": Number()}, {"sick": Category(classes=("no", "yes"))})
    rows = np.arange(100, 100 + len(true)) if rows is None else rows
    columns = {"x": digest(rows * 0.5), "sick": digest(true)}
    found = Validation("valid", rows, signature, {"sick": answers}, {"sick": true}, columns, "people")
    return dataclasses.replace(found, **changed)


def run_of(folder: Path, found: Validation | None) -> Path:
    """A finished run that keeps this."""
    run = Run.create(folder)
    parts = {name: {} for name in ("data", "model", "settings", "augment")}
    run.write_config({"task": "custom", "phases": [], **parts})
    if found is not None:
        run.write_validation(found)
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """A good run, one nearly as good, a bad one."""
    made = {"good": guesses(0.6, 1), "near": guesses(0.62, 2), "bad": guesses(1.5, 3)}
    return [run_of(tmp_path / name, validation(outputs)) for name, outputs in made.items()]


# Rows that are the windows of a recording


def test_windows_of_a_recording_are_compared_all_of_them() -> None:
    """A sound that is longer than is heard at once is a row in several windows; the runs have them in any order."""
    rows = np.repeat([7, 3, 9, 5], [3, 1, 4, 2])
    true = TRUE[: len(rows)]
    cut = {"groups": rows}
    turned = np.arange(len(rows))[::-1]
    made = {
        "a": validation(guesses(1, 0, true), true, rows, **cut),
        "b": validation(guesses(1, 1, true)[3:], true[3:], rows[3:], groups=rows[3:]),
    }
    places = common_rows(made, ["sick"])
    assert {name: made[name].rows[each].tolist() for name, each in places.items()} == {
        name: [3, 5, 5, 9, 9, 9, 9] for name in made
    }
    assert np.array_equal(places["a"], places["b"] + 3)
    others = rows[turned]
    made["b"] = validation(guesses(1, 1, true), true[turned], others, groups=others)
    assert len(common_rows({"b": made["b"]}, ["sick"])["b"]) == len(rows)
    short = np.delete(rows, 1)
    made["b"] = validation(guesses(1, 1, np.delete(true, 1)), np.delete(true, 1), short, groups=short)
    with pytest.raises(DataError, match="other windows"):
        common_rows(made, ["sick"])


# What a run keeps


def test_what_was_kept_comes_back_and_nothing_is_pickled(tmp_path: Path) -> None:
    kept = validation(guesses(1, 0))
    found = Run.open(run_of(tmp_path / "run", kept)).read_validation()
    assert (found.part, found.table, found.columns) == ("valid", "people", kept.columns)
    assert found.signature == kept.signature
    for one, other in (
        (found.rows, kept.rows),
        (found.outputs["sick"], kept.outputs["sick"]),
        (found.encoded["sick"], TRUE),
    ):
        np.testing.assert_array_equal(one, other)
    files = sorted(path.name for path in (tmp_path / "run" / "validation").iterdir())
    assert files == ["meta.json", "output-0.npy", "rows.npy", "signature.json", "target-0.npy"]
    assert found.outputs["sick"].dtype == np.float32


def test_a_run_that_kept_nothing_says_so(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run", None)
    with pytest.raises(FileError, match="--resume"):
        Run.open(folder).read_validation()
    with pytest.raises(FileError, match="no such run"):
        compare([tmp_path / "nowhere", folder])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.npy", b""), ("rows.npy", b"\x93NUMPY\x01\x00"), ("output-0.npy", None), ("target-0.npy", "short"),
        ("meta.json", b"{}"), ("meta.json", b'{"format": 1, "targets": 3}'), ("meta.json", b'{"format": 99}'),
        ("signature.json", b"[]"), ("rows.npy", "pickled"),
    ],
)  # fmt: skip
def test_what_is_damaged_is_an_error_and_no_traceback(
    tmp_path: Path, name: str, content: bytes | str | None
) -> None:
    folder = run_of(tmp_path / "run", validation(guesses(1, 0)))
    path = folder / "validation" / name
    if content is None:
        path.unlink()
    elif content == "short":
        np.save(path, TRUE[:5])
    elif content == "pickled":
        np.save(path, np.array([{"a": 1}], object), allow_pickle=True)
    else:
        assert isinstance(content, bytes)
        path.write_bytes(content)
    with pytest.raises(DrivetrainError) as caught:
        Run.open(folder).read_validation()
    assert str(folder) in caught.value.where


class Opens:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_nothing_in_a_run_is_unpickled(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run", validation(guesses(1, 0)))
    np.save(
        folder / "validation" / "rows.npy",
        np.array([Opens(tmp_path / "opened")] * N, object),
        allow_pickle=True,
    )
    with pytest.raises(DrivetrainError):
        Run.open(folder).read_validation()
    assert not (tmp_path / "opened").exists()


def test_columns_are_known_by_their_content(tmp_path: Path) -> None:
    assert digest(np.array([1, 2])) == digest(np.array([1.0, 2.0])) != digest(np.array([2.0, 1.0]))
    assert digest(np.array([np.nan, -0.0])) == digest(np.array([-np.nan, 0.0]))
    texts = [np.array(values, object) for values in (["ab", "c"], ["a", "bc"], ["ab", None], ["ab", "None"])]
    assert len({digest(column) for column in texts}) == 4
    for folder, content in (("a", b"1"), ("b", b"2"), ("c", b"123")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.png").write_bytes(content)
    paths = [np.array([str(tmp_path / folder / "1.png")], object) for folder in ("a", "b", "c", "absent")]
    a, b, c, absent = (digest(column, files=True) for column in paths)
    assert a == b  # the same name and size
    assert digest(paths[0]) != digest(paths[1])  # as texts they are different
    assert len({a, c, absent}) == 3


# Which rows count


def test_only_rows_that_all_were_validated_on_count_whatever_their_order(tmp_path: Path) -> None:
    one, other = guesses(0.6, 1), guesses(1.5, 3)
    some = np.random.default_rng(1).permutation(N)[:300]
    shifted = validation(other[some], TRUE[some], np.arange(100, 100 + N)[some])
    found = compare([run_of(tmp_path / "a", validation(one)), run_of(tmp_path / "b", shifted)])
    assert found.n == 300
    assert found.rows == {"a": N, "b": 300}
    assert "300 rows were validated on by all (a 400, b 300)" in found.notes[0]
    kept = np.sort(some)
    again = compare(
        [
            run_of(tmp_path / "c", validation(one[kept], TRUE[kept], kept)),
            run_of(tmp_path / "d", validation(other[kept], TRUE[kept], kept)),
        ]
    )
    assert [p.difference for p in found.pairs] == [p.difference for p in again.pairs]
    assert found.metrics["a"] == again.metrics["c"]


def test_runs_on_other_data_are_refused(tmp_path: Path) -> None:
    here = run_of(tmp_path / "here", validation(guesses(1, 0)))
    changed = TRUE.copy()
    changed[:7] = 1 - changed[:7]
    far = np.arange(10_000, 10_000 + N)
    signature = validation(guesses(1, 0)).signature
    classes = Signature(signature.inputs, {"sick": Category(classes=("maybe", "no"))})
    named = Signature(signature.inputs, {"ill": Category(classes=("no", "yes"))})
    number = Signature(signature.inputs, {"sick": Number()})
    faults = {
        "of 400 rows with the same number 7 have another 'sick'": validation(guesses(1, 0), changed),
        "no row is in the validation part of all": validation(guesses(1, 0), rows=far),
        "the column 'x' is another one": validation(guesses(1, 0), columns={"x": "0", "sick": "0"}),
        "'sick' means different things.*category@1, maybe, no": validation(guesses(1, 0), signature=classes),
        "means different things": validation(guesses(1, 0), signature=number, outputs={"sick": TRUE * 1.0}),
        "no target in common": validation(
            guesses(1, 0), signature=named, outputs={"ill": guesses(1, 0)}, encoded={"ill": TRUE}
        ),
        "no valid part": validation(guesses(1, 0), part="train"),
    }
    for number_, (words, found) in enumerate(faults.items()):
        with pytest.raises(DataError, match=words):
            compare([here, run_of(tmp_path / str(number_), found)])


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        (Ranking(items=tuple("abcd")), Ranking(items=tuple("abc"))),
        (Ranking(items=tuple("abcd")), Ranking(items=tuple("abce"))),
        (Tags(tags=tuple("abcd")), Tags(tags=tuple("abc"))),
    ],
)
def test_other_catalogues_are_another_meaning(tmp_path: Path, mine: Codec, other: Codec) -> None:
    folders = []
    for name, codec in (("mine", mine), ("other", other)):
        found = validation(
            np.zeros((N, *codec.output_shape), np.float32), np.zeros((N, *codec.shape), np.uint8),
            signature=Signature({"x": Number()}, {"sick": codec}),
        )  # fmt: skip
        folders.append(run_of(tmp_path / name, found))
    with pytest.raises(DataError, match=f"'sick' means different things.*{mine.op}, a, b, c, d"):
        compare(folders)


def test_a_long_list_is_told_with_its_length() -> None:
    long = Ranking(items=tuple(map(str, range(1682))))
    targets = {"a": long, "b": Ranking(items=long.items[:-1])}
    found = {
        name: validation(np.zeros((N, 1)), signature=Signature({"x": Number()}, {"sick": codec}))
        for name, codec in targets.items()
    }
    with pytest.raises(DataError, match=r"1,682 in all.*1,681 in all"):
        common_targets(found)


def test_other_inputs_and_settings_are_no_other_data(tmp_path: Path) -> None:
    """A run may leave a column out, scale one otherwise, or have costs of its own."""
    one = validation(guesses(0.6, 1))
    costs = Category(classes=("no", "yes"), costs=((0, 1), (1, 0)))
    more = dataclasses.replace(
        one,
        signature=Signature({"x": Number(log=True), "y": Number()}, {"sick": costs}),
        columns={**one.columns, "y": "0"},
    )
    fewer = dataclasses.replace(
        one, signature=Signature({"y": Number()}, one.signature.targets), columns={"y": "0"}
    )
    folders = [run_of(tmp_path / str(n), found) for n, found in enumerate((one, more, fewer))]
    found = compare(folders)
    assert found.n == N
    assert "mean_cost" in found.metrics["1"]
    assert not [pair for pair in found.pairs if pair.metric == "mean_cost"]


# What is said


def test_the_better_run_is_named_with_by_how_much_and_chance_is_called_chance(runs: list[Path]) -> None:
    found = compare(runs)
    assert (found.best, found.metric, found.n) == (
        "good",
        "log_loss",
        N,
    )  # As a training and a search decide.
    assert "decided by log loss" in " ".join(found.notes)
    found = compare(runs, metric="accuracy")
    near, bad = (
        next(p for p in found.pairs if p.b == name and p.metric == "accuracy") for name in ("near", "bad")
    )
    assert bad.sure
    assert not near.sure
    accuracy = {name: estimates["accuracy"].value for name, estimates in found.metrics.items()}
    by = accuracy["good"] - accuracy["bad"]
    assert bad.verdict.startswith(f"accuracy: good is better than bad by {by:.3f} (")
    assert near.verdict.startswith("could be chance: good is ahead of near in accuracy by ")
    assert found.verdicts == [near.verdict, bad.verdict]
    loss = next(p for p in compare(runs).pairs if p.b == "bad" and p.metric == "log_loss")
    assert loss.difference.value < 0  # less is better
    assert "good is better than bad" in loss.verdict


def test_a_worse_run_given_first_is_still_the_worse_one(runs: list[Path]) -> None:
    turned = compare([runs[2], runs[0]])
    assert turned.best == "good"
    assert "good is better than bad" in turned.verdicts[0]


def test_the_same_answers_are_called_so(tmp_path: Path) -> None:
    folders = [run_of(tmp_path / name, validation(guesses(1, 0))) for name in ("one", "two")]
    found = compare(folders)
    assert found.verdicts == [f"log loss: one and two answer alike on all {N} rows"]
    assert all(pair.difference.value == 0 and not pair.sure for pair in found.pairs)


def test_a_metric_can_be_chosen_and_a_wrong_one_is_told(runs: list[Path]) -> None:
    found = compare(runs, metric="log_loss")
    assert {pair.metric for pair in found.pairs} == {"log_loss"}
    assert found.best == "good"  # less is better
    for printed in ("log loss", "Log Loss", "log-loss"):
        assert compare(runs, metric=printed).metric == "log_loss"
    assert compare(runs, metric="AUC").metric == "auc"
    with pytest.raises(UsageError, match="Did you mean log_loss"):
        compare(runs, metric="logloss")
    with pytest.raises(UsageError, match="two runs"):
        compare(runs[:1])


def test_all_pairs_on_request(runs: list[Path]) -> None:
    best, every = compare(runs), compare(runs, all_pairs=True)
    assert [(p.a, p.b) for p in best.pairs if p.metric == "accuracy"] == [("good", "near"), ("good", "bad")]
    assert [(p.a, p.b) for p in every.pairs if p.metric == "accuracy"][2] == ("near", "bad")
    assert [p.p for p in best.pairs] == [p.p for p in every.pairs if p.a == "good"]


def test_several_comparisons_are_said_and_corrected(runs: list[Path]) -> None:
    found = compare(runs)
    assert "3 runs make 3 comparisons" in " ".join(found.notes)
    for pair in found.pairs:
        assert pair.p >= pair.difference.p
    two = compare(runs[:2])
    assert [p.p for p in two.pairs] == [p.difference.p for p in two.pairs]
    assert "Holm" not in " ".join(two.notes)


def test_holm() -> None:
    """By hand: 0.01 x 3, then 0.02 x 2, then 0.9; never less than one before."""
    assert holm([0.02, 0.9, 0.01]) == pytest.approx([0.04, 0.9, 0.03])
    assert holm([0.04, 0.03, 0.035]) == pytest.approx([0.09, 0.09, 0.09])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []
    found = holm([0.01, float("nan")])
    assert found[0] == 0.01
    assert np.isnan(found[1])


def test_names_tell_runs_apart(tmp_path: Path) -> None:
    found = validation(guesses(1, 0))
    folders = [run_of(tmp_path / month / "run", found) for month in ("may", "june")]
    assert list(compare(folders).metrics) == ["may/run", "june/run"]


def test_numbers_and_several_targets(tmp_path: Path) -> None:
    true = np.random.default_rng(0).normal(size=N)
    signature = Signature(
        {"x": Number()}, {"sick": Category(classes=("no", "yes")), "age": Number(interval=1.0)}
    )
    folders = []
    for name, noise in (("a", 0.5), ("b", 1.0)):
        numbers = (true + np.random.default_rng(9).normal(0, noise, N)).astype(np.float32)
        found = validation(
            guesses(noise, 5), signature=signature, outputs={"sick": guesses(noise, 5), "age": numbers},
            encoded={"sick": TRUE, "age": true.astype(np.float32)},
        )  # fmt: skip
        folders.append(run_of(tmp_path / name, found))
    found = compare(folders)
    assert found.metric == "sick.log_loss"
    assert compare(folders, metric="R² of age").metric == "age.r2"
    verdicts = {pair.metric: pair for pair in found.pairs}
    for metric in ("age.mean_absolute_error", "age.root_mean_squared_error", "age.r2", "sick.auc"):
        assert verdicts[metric].sure
        assert verdicts[metric].winner == "a"
    assert "mean absolute error of age: a is better than b by" in str(found)
    assert "age.interval_coverage" in found.metrics["a"]
    assert "age.interval_coverage" not in verdicts  # more of it is not better


def test_one_common_row_is_undefined_and_said(tmp_path: Path) -> None:
    folders = [
        run_of(tmp_path / n, validation(guesses(1, 0)[:1], TRUE[:1], np.array([3]))) for n in ("a", "b")
    ]
    found = compare(folders)
    assert found.n == 1
    to_json(found.to_json())
    assert "1 rows" in str(found)


# How it is shown


def check_json(answer: dict[str, Any]) -> None:
    assert answer.keys() - {"picture"} == {"metric", "best", "n", "runs", "pairs", "notes"}
    for run in answer["runs"].values():
        assert run.keys() == {"run", "rows", "metrics"}
        assert {"value", "low", "high", "method", "n"} == run["metrics"][answer["metric"]].keys()
    for pair in answer["pairs"]:
        assert pair.keys() == PAIR
        assert pair["a"] == answer["best"]


@pytest.mark.slow
def test_a_comparison_shows_itself_everywhere(runs: list[Path], tmp_path: Path) -> None:
    found = compare(runs)
    check_json(json.loads(to_json(found.to_json())))
    text = str(found)
    assert f"{N} rows, with 95 % intervals" in text
    assert found.verdicts[1] in text
    html = found._repr_html_()
    assert "could be chance" in html
    assert "<script" not in html
    assert found.chart.save(tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "minus good" in found.chart.to_svg()
    assert "minus" not in found.chart.to_svg(narrow=True)


def test_the_command_line(runs: list[Path], tmp_path: Path) -> None:
    done = drivetrain("compare", *runs, "--out", tmp_path / "chart.png", "--json")
    assert (done.code, done.err) == (0, "")
    check_json(done.json)
    assert done.json["picture"] == str(tmp_path / "chart.png")
    assert done.json["runs"]["good"]["run"] == str(runs[0])
    shown = drivetrain("compare", *runs, "--metric", "log_loss", "--all-pairs")
    assert shown.code == 0
    assert "log loss: near is better than bad by" in shown.out
    assert "AUC: " not in shown.out
    again = drivetrain("compare", *runs, "--out", tmp_path / "chart.png", "--json")
    assert (again.code, again.json["error"]) == (1, "this exists already.")
    assert drivetrain("compare", runs[0], "--json").code == 2
    assert drivetrain("compare", *runs, "--metric", "luck", "--json").code == 2
    assert drivetrain("compare", runs[0], tmp_path / "nowhere", "--json").code == 1


def test_names_from_the_outside_are_no_markup(tmp_path: Path) -> None:
    folders = [run_of(tmp_path / name, validation(guesses(1, n))) for n, name in enumerate(("[red]a", "<b>"))]
    found = compare(folders)
    assert "[red]a" in str(found)
    assert "<b>" not in found._repr_html_().replace("<b>3", "").replace("<b>2 models", "")


def test_it_needs_no_torch_and_is_a_function_of_the_package() -> None:
    code = (
        "import sys, drivetrain.findings.comparison, drivetrain as dt; assert callable(dt.compare);"
        "assert 'torch' not in sys.modules and 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert dt.compare is compare


# From training to verdict


@pytest.mark.slow
def test_trained_runs_are_compared_as_the_learners_that_made_them(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(400, 2))
    block = dt.DataBlock(
        {"a": dt.Number(), "b": dt.Number()}, {"label": dt.Category()}, split=dt.split.random(0.5, seed=0)
    )
    labels = np.where(x[:, 0] * x[:, 1] > 0, "same", "apart")
    data = block.from_columns({"a": x[:, 0], "b": x[:, 1], "label": labels})
    learners = [data.learner(model, out=tmp_path / model, quiet=True) for model in ("linear", "mlp")]
    for learner in learners:
        learner.fit(8)
    kept, live = compare([tmp_path / "linear", tmp_path / "mlp"]), compare(learners)
    assert kept.to_json() == live.to_json()
    assert kept.n == 200
    assert kept.best == "mlp"
    assert kept.pairs[0].sure
    result = json.loads((tmp_path / "mlp" / "result.json").read_text())
    assert kept.metrics["mlp"]["accuracy"].to_json() == result["metrics"]["valid"]["accuracy"]
    mixed = compare([tmp_path / "linear", learners[1]])
    assert isinstance(mixed, Comparison)
    assert mixed.pairs == kept.pairs
    data.learner("mlp", out=tmp_path / "mlp", quiet=True, force=True)  # a run that is replaced starts empty
    again = data.learner("mlp", out=tmp_path / "mlp", quiet=True, force=True)
    again._start_run()
    assert not list((tmp_path / "mlp").glob("validation/*"))


@pytest.mark.slow
def test_the_best_of_equals_is_seldom_called_better(tmp_path: Path) -> None:
    """Of five models of the same quality the best is picked and compared with the worst: without a correction for
    the pick that would look sure far too often."""
    corrected, plain = [], []
    for trial in range(40):
        true = np.random.default_rng(trial).integers(0, 2, 300)
        folders = [
            run_of(tmp_path / str(trial) / str(n), validation(guesses(1.0, 1000 * trial + n, true), true))
            for n in range(5)
        ]
        pairs = compare(folders, metric="log_loss").pairs
        corrected.append(any(pair.sure for pair in pairs))
        plain.append(any(pair.difference.p < 0.05 for pair in pairs))
    assert np.mean(corrected) <= 0.1
    assert np.mean(plain) > 0.15
