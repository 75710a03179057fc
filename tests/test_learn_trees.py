"""Trees as a model of their own: trained, resumed, exported and compared like a network, without torch."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import drivetrain

import drivetrain as dt
from drivetrain.bundle import open_bundle
from drivetrain.bundle.tensors import made_names
from drivetrain.codecs.text import Text
from drivetrain.errors import CheckFailed, DrivetrainError, TrainingError, UsageError
from drivetrain.learn import by_name as make
from drivetrain.learn.features.category import ranks
from drivetrain.learn.trees import learner as trees
from drivetrain.learn.trees import model as tree_model
from drivetrain.learn.trees.growth import Growth
from drivetrain.learn.trees.learner import TreesLearner
from drivetrain.runtime import OnnxSession, Predictor

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _without_lightgbm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivetrain.learn.trees.lightgbm.installed", lambda: False)


def write_table(path: Path, n: int = 600, seed: int = 0) -> Path:
    """Sales: a number with gaps, a category, a date, a text; the target is a step and a product, which no line follows."""
    chance = np.random.default_rng(seed)
    size, town = (
        chance.normal(50, 10, n),
        chance.choice(["Ulm", "Bonn", "Köln", "Jena"], n, p=[0.5, 0.3, 0.15, 0.05]),
    )
    month = chance.integers(1, 13, n)
    price = 100 * (np.abs(size - 50) < 8) + 50 * (town == "Bonn") * (month > 6) + chance.normal(0, 3, n) + 10
    lines = ["size,town,day,remark,price,dear"]
    for row in range(n):
        number = "" if row % 7 == 0 else f"{size[row]:.2f}"
        remark = " ".join(chance.choice(["good", "bad", "old", "new", "red"], 6))
        dear = "yes" if price[row] > 90 else "no"
        lines.append(f"{number},{town[row]},2020-{month[row]:02}-05,{remark},{price[row]:.2f},{dear}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("trees") / "sales.csv")


def data(table: Path, target: str | list[str] = "dear") -> dt.Dataset:
    """`price` tells `dear`, and the other way round: one is left out."""
    left_out = [] if isinstance(target, list) else [{"dear": "price", "price": "dear"}[target]]
    return dt.tabular.from_csv(table, target, ignore=left_out)


@pytest.fixture(scope="module")
def trained(table: Path, tmp_path_factory: pytest.TempPathFactory) -> TreesLearner:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("drivetrain.learn.trees.lightgbm.installed", lambda: False)
        learner = data(table).learner("trees", out=tmp_path_factory.mktemp("run") / "run", quiet=True)
        learner.fit()
    return learner


def test_the_run_holds_all_that_a_run_holds(trained: TreesLearner) -> None:
    assert trained.run is not None
    names = {path.name for path in trained.run.iterdir()}
    assert names >= {"config.toml", "metrics.jsonl", "model.onnx", "result.json", "report.html", "validation"}
    result = json.loads((trained.run / "result.json").read_text())
    assert result["metrics"]["valid"]["accuracy"]["value"] > 0.85
    assert list(result["baselines"]) == list(result["against"])
    assert "gradient-boosted trees" not in result["baselines"]
    assert result["against"]["logistic regression"]["better"] is True
    assert result["against"]["logistic regression"]["difference"]["high"] < 0
    rounds = trained.models["dear"].rounds
    assert result["epochs"] == rounds == trained.history[-1]["epoch"] > 1
    assert result["seconds"] > 0
    assert trained.history[0]["valid_loss"] > trained.history[-1]["valid_loss"]
    assert trained.history[-1]["valid_error"] == pytest.approx(
        result["metrics"]["valid"]["error_rate"]["value"]
    )
    assert any("'remark'" in note for note in trained.notes)
    assert "round" in (trained.run / "report.html").read_text()


def test_a_run_is_taken_up_without_growing_anything(
    trained: TreesLearner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "fit_trees", None)
    assert trained.run is not None
    again = make.resume(trained.run, quiet=True)
    assert isinstance(again, TreesLearner)
    assert (again.trained, again.epochs, again.history) == (True, trained.epochs, trained.history)
    assert again.description() == trained.description()
    ours, theirs = trained.outputs()[0]["dear"], again.outputs()[0]["dear"]
    assert np.array_equal(ours, theirs)
    result = again.go_on()
    assert result["metrics"] == trained.last_result()["metrics"]  # type: ignore[index]


def test_the_learner_of_networks_leads_to_trees(trained: TreesLearner) -> None:
    from drivetrain.learn.learner import Learner

    assert trained.run is not None
    assert isinstance(Learner.resume(trained.run), TreesLearner)


def test_from_the_run_to_a_bundle_that_answers_alike(trained: TreesLearner, tmp_path: Path) -> None:
    first = trained.export(tmp_path / "first.bundle")
    assert trained.run is not None
    again = make.resume(trained.run, quiet=True)
    again.result = again.last_result()
    second = again.export(tmp_path / "second.bundle")
    bundles = [open_bundle(path) for path in (first, second)]
    assert bytes(bundles[0].graph) == bytes(bundles[1].graph)
    assert all("gradient-boosted trees" in bundle.card for bundle in bundles)
    row = {"size": "51.5", "town": "Mainz", "day": "2020-07-05", "remark": "new"}
    answers = [Predictor(path).predict(row).targets["dear"] for path in (first, second)]
    assert answers[0]["label"] == answers[1]["label"] == "yes"
    assert answers[0] == answers[1]
    own = trained.predict(row).targets["dear"]
    assert own["probabilities"] == pytest.approx(answers[0]["probabilities"], abs=1e-5)


def test_the_interval_of_a_number_is_in_the_bundle_of_a_run_that_was_read_again(
    table: Path, tmp_path: Path
) -> None:
    learner = data(table, "price").learner("trees", out=tmp_path / "run", quiet=True)
    result = learner.fit()
    assert result["metrics"]["valid"]["r2"]["value"] > 0.8
    assert {"linear regression", "mean"} <= result["baselines"].keys()
    assert all("interval_coverage" not in metrics for metrics in result["baselines"].values())
    again = make.resume(tmp_path / "run", quiet=True)
    again.result = again.last_result()
    interval = open_bundle(again.export(tmp_path / "a.bundle")).signature.targets["price"].interval  # type: ignore[attr-defined]
    assert interval == learner.data.signature.targets["price"].interval
    learner.fit()  # A second time in the same run; the interval of the first must not make it another one.
    assert make.resume(tmp_path / "run", quiet=True).trained


def test_several_targets_have_trees_of_their_own(table: Path, tmp_path: Path) -> None:
    learner = data(table, ["price", "dear"]).learner("trees", out=tmp_path / "run", quiet=True)
    result = learner.fit()
    assert {"price.r2", "dear.accuracy"} <= result["metrics"]["valid"].keys()
    assert {found["target"] for found in result["against"].values()} == {"price", "dear"}
    assert result["epochs"] == max(model.rounds for model in learner.models.values())
    assert learner.export(tmp_path / "a.bundle").is_file()


def test_without_torch(table: Path, tmp_path: Path) -> None:
    code = (
        "import sys, drivetrain as dt\n"
        f"data = dt.tabular.from_csv({str(table)!r}, 'dear', ignore=['price'])\n"
        f"learner = data.learner('trees', out={str(tmp_path / 'run')!r}, quiet=True)\n"
        f"learner.fit(); learner.export({str(tmp_path / 'a.bundle')!r})\n"
        "print('torch' in sys.modules)"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "False"


def test_the_command_line_trains_resumes_and_exports(table: Path, tmp_path: Path) -> None:
    run, bundle = tmp_path / "run", tmp_path / "a.bundle"
    given = ("train", table, "--target", "dear", "--ignore", "price", "--model", "trees", "--no-check")
    done = drivetrain(*given, "--out", run, "--export", bundle, "--class-weights", "balanced", "--json")
    assert done.code == 0, done.err
    assert done.json["epochs"] > 1
    assert bundle.is_file()
    (run / "model.onnx").unlink()  # As if it had been stopped while it grew.
    assert (
        drivetrain("train", table, "--out", run, "--resume", "--json").json["epochs"] == done.json["epochs"]
    )
    assert drivetrain("export", run, tmp_path / "b.bundle", "--json").code == 0
    assert drivetrain("verify", tmp_path / "b.bundle", "--json").code == 0
    for option in (("--epochs", "5"), ("--lr", "0.1"), ("--dropout", "0.5"), ("--augment", "photos")):
        refused = drivetrain(*given, "--out", tmp_path / "none", *option)
        assert refused.code == 2
        assert option[0].strip("-") in refused.err.splitlines()[-1]
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 32}, "trees has no batch_size"),
        ({"optimizer": "sgd"}, "trees has no optimizer"),
        ({"augment": None}, ""),
        ({"batch_size": None, "device": None, "hooks": (), "augment": "auto", "optimizer": "adamw"}, ""),
        ({"device": "cpu"}, "trees has no device"),
        ({"class_weight": "balanced"}, "Did you mean class_weights"),
        ({"class_weights": "even"}, "none, balanced"),
        ({"loss": "huber"}, "squared, absolute"),
        ({"seed": -1}, "seed"),
    ],
)
def test_options_of_networks_are_refused_by_name(
    table: Path, options: dict[str, object], message: str
) -> None:
    if not message:
        assert data(table).learner("trees", **options)
        return
    with pytest.raises(UsageError, match=message):
        data(table).learner("trees", **options)


def test_what_trees_can_not_take_is_said() -> None:
    texts = dt.DataBlock(inputs={"t": Text()}, targets={"y": dt.Number()})
    with pytest.raises(TrainingError, match="trees learn from"):
        texts.from_columns({"t": ["a b", "b c"] * 10, "y": [1.0, 2.0] * 10}).learner("trees")
    tags = dt.DataBlock(inputs={"x": dt.Number()}, targets={"y": dt.codecs.tags.Tags()})  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="tags"):
        tags.from_columns({"x": [1.0, 2.0] * 10, "y": [["a"], ["b"]] * 10}).learner("trees")


def test_a_graph_that_says_something_else_is_not_kept(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a ten-thousandth: what a float32 threshold one too high would do is much more."""
    right = tree_model.TreeModel.predict
    monkeypatch.setattr(
        tree_model.TreeModel, "predict", lambda self, batch: right(self, batch) * np.float32(1.0001)
    )
    learner = data(table).learner("trees", out=tmp_path / "run", quiet=True)
    with pytest.raises(CheckFailed, match="off the trees' own"):
        learner.fit()
    assert not (tmp_path / "run" / "model.onnx").exists()
    with pytest.raises(DrivetrainError, match="not trained yet"):
        learner.export(tmp_path / "a.bundle")


def test_a_run_whose_graph_was_exchanged_is_refused(trained: TreesLearner, tmp_path: Path) -> None:
    assert trained.run is not None
    import shutil

    run = Path(shutil.copytree(trained.run, tmp_path / "run"))
    graph = (run / "model.onnx").read_bytes()
    (run / "model.onnx").write_bytes(graph.replace(b"BRANCH_LEQ", b"BRANCH_GEQ"))
    with pytest.raises(DrivetrainError, match="neither BRANCH_LEQ nor LEAF"):
        make.resume(run)


def test_a_target_that_does_not_vary(tmp_path: Path) -> None:
    block = dt.DataBlock(inputs={"x": dt.Number()}, targets={"y": dt.Number()})
    constant = block.from_columns({"x": np.arange(30.0), "y": np.full(30, 5.0)})
    learner = constant.learner("trees", out=tmp_path / "run", quiet=True)
    assert learner.fit()["metrics"]["valid"]["mean_absolute_error"]["value"] == 0
    assert learner.history[-1]["train_loss"] == 0
    assert learner.export(tmp_path / "a.bundle").is_file()


def test_when_trees_win_the_result_says_so_and_names_the_command(table: Path, tmp_path: Path) -> None:
    learner = data(table).learner("linear", out=tmp_path / "run", quiet=True)
    result = learner.fit(2)
    found = result["against"]["gradient-boosted trees"]
    assert found["better"] is False
    assert found["words"].startswith("worse than gradient-boosted trees: log loss higher by ")
    (note,) = [note for note in result["notes"] if "--model trees" in note]
    assert note.startswith("Gradient-boosted trees answer better than this model")
    page = (tmp_path / "run" / "report.html").read_text()
    assert "The winner on the same rows is gradient-boosted trees, not this model" in page
    card = open_bundle(learner.export(tmp_path / "a.bundle")).card
    assert "The winner on the same rows is gradient-boosted trees" in card
    assert str(tmp_path) not in card


def test_the_same_seed_grows_the_same_trees(table: Path, tmp_path: Path) -> None:
    graphs = []
    for number, seed in enumerate((3, 3, 4)):
        learner = data(table).learner("trees", out=tmp_path / str(number), seed=seed, quiet=True)
        learner.fit()
        graphs.append(learner.graph())
    assert graphs[0] == graphs[1] != graphs[2]


def test_by_lightgbm_all_is_as_by_scikit_learn(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lightgbm")
    monkeypatch.setattr("drivetrain.learn.trees.lightgbm.installed", lambda: True)
    learner = data(table, ["price", "dear"]).learner("trees", out=tmp_path / "run", quiet=True)
    result = learner.fit()
    assert result["metrics"]["valid"]["dear.accuracy"]["value"] > 0.85
    assert result["epochs"] == learner.history[-1]["epoch"] > 1
    assert all("LightGBM" in type(model.grown).__name__ for model in learner.models.values())
    again = make.resume(tmp_path / "run", quiet=True)
    assert np.array_equal(learner.outputs()[0]["price"], again.outputs()[0]["price"])
    assert learner.export(tmp_path / "a.bundle").is_file()


@pytest.mark.parametrize("library", ["lightgbm", "scikit"])
@pytest.mark.parametrize("rows", [30, 700])
def test_what_is_set_reaches_what_grows_them(library: str, rows: int) -> None:
    """On few rows too, of which none are held out."""
    if library == "lightgbm":
        pytest.importorskip("lightgbm")
    grow = importlib.import_module(f"drivetrain.learn.trees.{library}").grow
    features = np.random.default_rng(0).normal(size=(rows, 3)).astype(np.float32)
    target = features[:, 0] ** 2 + features[:, 1]

    def leaves(**given: Any) -> Any:
        grown = grow(features, target, Growth(False, **given))
        return [nodes["value"][nodes["is_leaf"] == 1] for nodes in grown.trees()]

    assert max(map(len, leaves(leaves=3, least_rows=1))) == 3
    assert max(map(len, leaves(least_rows=rows // 3))) <= 3
    quick, slow, held = (
        leaves(rate=rate, l2=l2, leaves=4, least_rows=1) for rate, l2 in ((0.2, 0.0), (0.02, 0.0), (0.2, 1e6))
    )
    assert np.ptp(quick[0]) > 3 * np.ptp(slow[0])
    assert np.ptp(quick[0]) > 100 * np.ptp(held[0])


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"rate": "fast"}, "must be a number"),
        ({"rate": 0}, "rate must be above 0"),
        ({"leaves": 1}, "leaves must be a whole number from 2"),
        ({"leaves": 7.5}, "whole number"),
        ({"least_rows": 0}, "least_rows must be a whole number from 1"),
        ({"l2": -1}, "l2 must be 0 or more"),
        ({"l2": float("nan")}, "l2"),
    ],
)
def test_a_setting_of_trees_that_is_none_is_refused(setting: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        trees.TreeSettings(**setting)


def test_in_time_the_last_rows_tell_when_to_stop_and_are_learned_from() -> None:
    """What holds at first alone is not learned further than it holds at last; and what holds at last alone is learned."""
    pytest.importorskip("lightgbm")
    from drivetrain.learn.trees import lightgbm as library

    chance = np.random.default_rng(0)
    features = chance.normal(size=(1400, 3)).astype(np.float32)
    target = features[:, 0] + chance.normal(size=1400)
    target[:1200] += 2 * features[:1200, 1]
    mixed, ordered = (
        library.grow(features, target, Growth(False, in_time=in_time)) for in_time in (False, True)
    )
    assert ordered.rounds < mixed.rounds
    late = np.zeros(1400)
    late[1250:] = 5.0
    grown = library.grow(np.arange(1400, dtype=np.float32)[:, None], late, Growth(False, in_time=True))
    assert grown.scores(np.float32([[1390]]))[0, 0] > 0.1


def test_a_bare_one_draws_no_curve_and_makes_no_graph_until_it_is_asked(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from drivetrain.learn.trees import graph as written

    monkeypatch.setattr(trees, "curve", None)
    made: list[int] = []
    right = written.export_trees
    monkeypatch.setattr(written, "export_trees", lambda *given: made.append(1) or right(*given))
    learner = data(table).learner("trees", bare=True, quiet=True)
    learner.fit()
    assert learner.trained
    assert learner.can_answer
    assert learner.outputs("valid")[0]["dear"].shape[1] == 2
    assert not made
    assert learner.graph()
    assert made


def test_levels_are_ordered_by_what_they_tell() -> None:
    codes = np.repeat([0, 1, 2, 4], 50)
    number = np.repeat([5.0, 1.0, 3.0, 9.0], 50)[:, None]
    np.testing.assert_array_equal(ranks(codes, 5, number)[[1, 2, 0, 4]].argsort(), [0, 1, 2, 3])
    assert np.isnan(ranks(codes, 6, number)[[3, 5]]).all()
    few = np.array([0] * 500 + [1] * 500 + [2])  # The mean of a single row says next to nothing.
    order = ranks(few, 3, np.concatenate([np.zeros(500), np.ones(500), [1.0]])[:, None])
    assert order[0] < order[2] < order[1]
    shares = np.eye(3)[np.repeat([0, 1, 2], 50)]
    three = ranks(np.repeat([0, 1, 2], 50), 3, shares)
    assert sorted(three.tolist()) == [0, 1, 2]


def test_balanced_weights_and_the_absolute_loss_change_what_is_grown() -> None:
    chance = np.random.default_rng(0)
    x = chance.normal(size=2000)
    rare = (x + chance.normal(size=2000) > 2).astype(int)
    skewed = np.exp(x + chance.normal(size=2000))
    block = dt.DataBlock(inputs={"x": dt.Number()}, targets={"rare": dt.Category(), "skewed": dt.Number()})
    made = block.from_columns({"x": x, "rare": rare, "skewed": skewed})
    train = made.part("train").batch()
    fit = tree_model.fit_trees
    plain = fit(made.signature, train, "rare").predict(train)[:, 1].mean()
    balanced = fit(made.signature, train, "rare", class_weights="balanced").predict(train)[:, 1].mean()
    assert balanced > 2 * plain
    mean = fit(made.signature, train, "skewed").predict(train).mean()
    median = fit(made.signature, train, "skewed", loss="absolute").predict(train).mean()
    assert median < 0.8 * mean
    logged = dt.DataBlock(inputs={"x": dt.Number()}, targets={"skewed": dt.Number(log=True)})
    log_made = logged.from_columns({"x": x, "skewed": skewed})
    assert (
        fit(log_made.signature, log_made.part("train").batch(), "skewed").predict(train).mean() < 0.9 * mean
    )


def test_classes_with_hardly_a_row_do_no_harm() -> None:
    codes = np.array([0] * 200 + [1] * 200 + [2])
    block = dt.DataBlock(inputs={"x": dt.Number()}, targets={"y": dt.Category(classes=("a", "b", "c", "d"))})
    made = block.from_columns({"x": codes + 0.0, "y": [("a", "b", "c")[code] for code in codes]})
    batch = {"x": codes.astype(np.float32), "y": codes}
    model = tree_model.fit_trees(made.signature, batch, "y")
    assert (model.predict(batch).argmax(axis=1)[:400] == codes[:400]).all()
    two = {"x": np.float32([1, 2, 3]), "y": np.array([0, 1, 1])}
    assert tree_model.fit_trees(made.signature, two, "y").predict(two).shape == (3, 4)


REAL = {
    "adult": ("adult_census/train.csv", "income", 0.86),
    "taxis": ("nyc_taxis/taxis.csv", "fare", 0.9),
    "bike sharing": ("bike_sharing/day.csv", "cnt", 0.8),
}


@pytest.mark.parametrize("name", REAL)
def test_real_tables(name: str, tmp_path: Path) -> None:
    """Parity on every validation row is asserted by `fit` itself; here also on every training row."""
    root = os.environ.get("DRIVETRAIN_DATA")
    if not root:
        pytest.skip("DRIVETRAIN_DATA is not set")
    file, target, least = REAL[name]
    learner = dt.tabular.from_csv(Path(root) / file, target).learner(
        "trees", out=tmp_path / "run", quiet=True
    )
    metrics = learner.fit()["metrics"]["valid"]
    assert metrics["accuracy" if "accuracy" in metrics else "r2"]["value"] > least
    train = learner.training_batch()
    answered = OnnxSession(learner.graph(), made_names(learner.data.signature)).run(
        {field: train[field] for field in learner.data.signature.inputs}
    )
    ours = learner.models[target].predict(train)
    scale = np.maximum(np.abs(ours), np.median(np.abs(ours)))
    assert (np.abs(answered[target] - ours) / scale).max() < 1e-5


def test_a_wide_table_fits_into_a_bundle(tmp_path: Path) -> None:
    """Each golden case keeps a value of each column, and each column has values that are nasty."""
    names = [f"x{number}" for number in range(80)]
    chance = np.random.default_rng(0)
    block = dt.DataBlock(inputs={name: dt.Number(missing=True) for name in names}, targets={"y": dt.Number()})
    columns = {name: chance.normal(size=60) for name in (*names, "y")}
    learner = block.from_columns(columns).learner("trees", out=tmp_path / "run", quiet=True)
    learner.fit()
    cases = open_bundle(learner.export(tmp_path / "a.bundle")).cases
    assert len({case.name.split(":")[0] for case in cases if case.kind == "nasty"}) > 30


def test_small_probabilities_may_be_off_by_a_share_of_themselves(tmp_path: Path) -> None:
    """Three classes that one number parts: nearly all probabilities are nearly 0, and float32 rounds them."""
    draw = np.random.default_rng(0)
    a = draw.normal(0, 2, 900)
    table = {
        "a": a.tolist(),
        "b": draw.normal(0, 1, 900).tolist(),
        "y": np.digitize(a, [-1, 1]).astype(str).tolist(),
    }
    learner = dt.tabular.from_frame(table, "y").learner("trees", out=tmp_path / "run", quiet=True)
    learner.fit()
    learner.export(tmp_path / "three.bundle")


def test_answers_near_zero_may_be_off_by_a_share_of_themselves(tmp_path: Path) -> None:
    """Most are 0, on a log scale: what float32 rounds there is nothing beside their spread."""
    draw = np.random.default_rng(0)
    a = draw.normal(0, 1, 800)
    table = {"a": a.tolist(), "y": np.where(a < 0.5, 0, np.expm1(2 * a)).round(3).tolist()}
    learner = dt.tabular.from_frame(table, "y", log_target=True).learner(
        "trees", out=tmp_path / "run", quiet=True
    )
    learner.fit()
    learner.export(tmp_path / "zeros.bundle")
