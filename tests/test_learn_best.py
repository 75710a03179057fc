"""The best of several models: tried on the same folds, blended, fitted again on all rows, one bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import drivetrain
from tables import incomes, rentals

import drivetrain as dt
from drivetrain.bundle import open_bundle
from drivetrain.errors import DataError, TrainingError, UsageError
from drivetrain.learn.best import candidates
from drivetrain.learn.best import learner as best
from drivetrain.learn.best.learner import BestLearner
from drivetrain.learn.by_name import resume
from drivetrain.learn.names import default_model
from drivetrain.report.words import verdict
from drivetrain.runtime import Predictor


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "lengths", lambda data: [1, 2])


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return incomes(tmp_path_factory.mktemp("best") / "people.csv", rows=240)


@pytest.fixture(scope="module")
def trained(people: Path) -> BestLearner:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidates, "lengths", lambda data: [1, 2])
        learner = dt.tabular.from_csv(people, "income").learner(out=people.parent / "run", quiet=True)
        learner.fit()
    return learner


def test_a_table_is_given_the_best_and_an_option_of_a_network_a_network(people: Path) -> None:
    data = dt.tabular.from_csv(people, "income")
    assert default_model(data) == "best"
    assert default_model(data, ["seed", "class_weights", "time"]) == "best"
    assert default_model(data, ["epochs"]) == "mlp"
    assert data.learner(dropout=0.1).model_name == "mlp"
    with pytest.raises(UsageError, match="looked for among several"):
        dt.learn.applies.refuse_pointless(data, "trees", ["time"])
    with pytest.raises(UsageError, match="a network"):
        dt.learn.applies.refuse_pointless(data, "best", ["epochs"])
    with pytest.raises(UsageError, match=r'learner\("mlp"\).fit\(5, lr=0.1\)'):
        data.learner().fit(5, lr=0.1)
    for model in ("trees", "regression"):
        with pytest.raises(UsageError, match="finds out itself how long"):
            data.learner(model).fit(5)
    with pytest.raises(UsageError, match="time must be a number of seconds above 0"):
        data.learner(time=0)


@pytest.mark.slow
def test_who_was_tried_is_told_with_weights_that_sum_to_one(trained: BestLearner) -> None:
    tried = trained.result["tried"]
    assert [each["name"] for each in tried if each["model"] == "trees"] == ["gradient-boosted trees"]
    assert {each["epochs"] for each in tried if each["model"] == "mlp"} == {1, 2}
    assert sum(each["weights"]["income"] for each in tried) == pytest.approx(1)
    assert {each["measure"] for each in tried} == {"log_loss"}
    every = [each for each in tried if any(each["weights"].values())]
    assert all(each["value"]["n"] == 240 for each in every)  # Each row of train and valid was asked about.
    assert all(each["words"] for each in tried[1:])
    assert (tried[0]["name"], tried[0]["value"]["n"]) == ("the blend", 240)
    assert trained.result["against"]["gradient-boosted trees"]["tried"] is True
    assert "gradient-boosted trees" not in verdict(trained.result["against"])
    page = (trained.run / "report.html").read_text()
    assert "What was tried" in page


@pytest.mark.slow
def test_what_is_measured_has_not_seen_the_valid_rows_and_what_answers_has(
    trained: BestLearner, tmp_path: Path
) -> None:
    valid, _ = trained.outputs("valid")
    again = trained.shipped.predict_part("train")["income"]
    rows = trained.shipped.data.part("train").rows
    assert len(rows) == 240
    assert not len(trained.shipped.data.rows("valid"))
    here = again[np.isin(rows, trained.data.part("valid").rows)]
    assert not np.allclose(here, valid["income"], atol=1e-4)
    note = "measured as fitted to 192 rows; what answers was fitted again to 240, the valid rows too"
    assert note in trained.result["notes"]
    bundle = trained.export(tmp_path / "people.bundle")
    row = {name: trained.data.table[name][int(rows[3])] for name in trained.data.signature.inputs}
    answer = Predictor(bundle).predict(row).targets["income"]
    own = trained.predict(row).targets["income"]
    assert answer["label"] == own["label"]
    np.testing.assert_allclose(list(answer["probabilities"].values()), again[3], atol=1e-6)
    assert note in open_bundle(bundle).card


@pytest.mark.slow
def test_a_finished_run_is_taken_up_as_it_was(trained: BestLearner, tmp_path: Path) -> None:
    found = resume(trained.run)
    assert found.description() == trained.description()
    np.testing.assert_array_equal(found.outputs("valid")[0]["income"], trained.outputs("valid")[0]["income"])
    assert found.shipped.graph() == trained.shipped.graph()
    found.export(tmp_path / "again.bundle")


@pytest.mark.slow
def test_a_run_that_was_stopped_does_not_fit_again_what_it_has(
    people: Path, tmp_path: Path, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, begun = candidates.Candidate.fit, []

    def stopped(self: candidates.Candidate, data: Any, options: Any) -> Any:
        begun.append(self.key)
        if len(begun) == 4:
            raise KeyboardInterrupt
        return fit(self, data, options)

    learner = dt.tabular.from_csv(people, "income").learner(out=tmp_path / "run", quiet=True)
    monkeypatch.setattr(candidates.Candidate, "fit", stopped)
    with pytest.raises(KeyboardInterrupt):
        learner.fit()
    assert begun == ["regression", "trees", "mlp-1", "mlp-2"]
    (tmp_path / "run" / "tried" / "mlp-1-0.npz").write_bytes(b"cut")  # What is damaged is fitted again.
    again = resume(tmp_path / "run", quiet=True)
    result = again.go_on()
    assert begun[4:6] == ["mlp-1", "mlp-2"]
    assert begun.count("trees") - 1 <= best.MORE_FOLDS + 1
    assert result["tried"]


@pytest.mark.slow
def test_where_time_is_short_what_is_left_out_is_told(people: Path, tmp_path: Path, short: None) -> None:
    learner = dt.tabular.from_csv(people, "income").learner(out=tmp_path / "run", quiet=True, time=0.001)
    result = learner.fit()
    assert [each["model"] for each in result["tried"]] == ["regression"]
    assert any("left out for want of time" in note for note in result["notes"])


@pytest.mark.slow
def test_numbers_in_time_order_have_ranges_and_one_fold(tmp_path: Path, short: None) -> None:
    table = rentals(tmp_path / "days.csv")
    data = dt.tabular.from_csv(table, "rented", split=dt.split.by_time("day", valid=0.25))
    learner = data.learner(out=tmp_path / "run", quiet=True)
    result = learner.fit()
    assert {each["value"]["n"] for each in result["tried"]} == {50}
    assert result["metrics"]["valid"]["interval_coverage"]["n"] == 50
    answer = learner.predict({"day": "2024-07-20", "temperature": 20.0, "weather": "rain"}).targets["rented"]
    assert answer["low"] < answer["value"] < answer["high"]
    bundle = learner.export(tmp_path / "days.bundle")
    assert (
        Predictor(bundle)
        .predict({"day": "2024-07-20", "temperature": 20.0, "weather": "rain"})
        .targets["rented"]
        == answer
    )


@pytest.mark.slow
def test_of_several_targets_each_has_weights_of_its_own(people: Path, tmp_path: Path, short: None) -> None:
    learner = dt.tabular.from_csv(people, ["income", "hours-per-week"]).learner(
        out=tmp_path / "run", quiet=True
    )
    result = learner.fit()
    for target in ("income", "hours-per-week"):
        assert sum(each["weights"][target] for each in result["tried"]) == pytest.approx(1)
    learner.export(tmp_path / "both.bundle")


@pytest.mark.slow
def test_a_candidate_that_fails_is_told_and_the_others_go_on(
    people: Path, tmp_path: Path, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = candidates.Candidate.fit

    def failing(self: candidates.Candidate, data: Any, options: Any) -> Any:
        if self.model == "trees":
            raise DataError("no tree would grow.")
        return fit(self, data, options)

    monkeypatch.setattr(candidates.Candidate, "fit", failing)
    learner = dt.tabular.from_csv(people, "income").learner(out=tmp_path / "run", quiet=True)
    result = learner.fit()
    assert "gradient-boosted trees could not be tried: no tree would grow." in result["notes"]
    assert {each["model"] for each in result["tried"]} == {"best", "regression", "mlp"}
    monkeypatch.setattr(candidates.Candidate, "fit", lambda *_: (_ for _ in ()).throw(DataError("no.")))
    nothing = dt.tabular.from_csv(people, "income").learner(out=tmp_path / "none", quiet=True)
    with pytest.raises(TrainingError, match="none of the models could be fitted"):
        nothing.fit()


@pytest.mark.slow
def test_without_valid_rows_the_choice_is_made_on_train(people: Path, tmp_path: Path, short: None) -> None:
    learner = dt.tabular.from_csv(people, "income", valid=0.0).learner(out=tmp_path / "run", quiet=True)
    result = learner.fit()
    assert list(result["metrics"]) == ["train"]
    assert len(learner.shipped.data.part("train")) == 240  # The choice was made on a part of them.
    assert not any("fitted again" in note for note in result["notes"])
    learner.export(tmp_path / "all.bundle")


@pytest.mark.slow
def test_the_command_tells_who_was_tried_and_json_has_it(people: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    answer = drivetrain("train", people, "--target", "income", "--time", "2s", "--out", out, "--json").json
    assert "penalised regression" in [each["name"] for each in answer["tried"]]
    shown = drivetrain("train", people, "--target", "income", "--epochs", "1", "--out", tmp_path / "net")
    assert "Learner of people.csv: mlp," in shown.err
    wrong = drivetrain("train", people, "--target", "income", "--time", "soon")
    assert wrong.code == 2
    assert "soon" in wrong.err


@pytest.mark.slow
def test_where_errors_grow_with_the_number_it_is_learned_on_a_log_scale(
    tmp_path: Path, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(0)
    size = draw.normal(0, 1, 400)
    table = {
        "size": size.tolist(),
        "price": np.exp(5 + 1.5 * size + draw.normal(0, 0.3, 400)).round(2).tolist(),
    }
    learner = dt.tabular.from_frame(table, "price").learner(out=tmp_path / "run", quiet=True)
    result = learner.fit()
    assert learner.data.signature.targets["price"].log
    assert {each["measure"] for each in result["tried"]} == {"root_mean_squared_log_error"}
    assert any("'price' is learned on a log scale" in note for note in result["notes"])
    kept = dt.tabular.from_frame(table, "price", log_target=False).learner(out=tmp_path / "kept", quiet=True)
    assert {each["measure"] for each in kept.fit()["tried"]} == {"root_mean_squared_error"}
    network = dt.tabular.from_frame(table, "price").learner("mlp", bare=True)
    assert not network.data.signature.targets["price"].log


@pytest.mark.slow
def test_what_cannot_be_fitted_again_answers_as_it_was_measured(
    people: Path, tmp_path: Path, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = candidates.Candidate.fit

    def failing(self: candidates.Candidate, data: Any, options: Any) -> Any:
        if not len(data.rows("valid")):
            raise DataError("too much.")
        return fit(self, data, options)

    monkeypatch.setattr(candidates.Candidate, "fit", failing)
    learner = dt.tabular.from_csv(people, "income").learner(out=tmp_path / "run", quiet=True)
    result = learner.fit()
    assert learner.shipped is learner
    assert any("could not be fitted again to all rows: too much." in note for note in result["notes"])
    learner.export(tmp_path / "measured.bundle")


@pytest.mark.slow
def test_where_one_model_says_all_there_is_no_blend(
    people: Path, tmp_path: Path, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(best, "joined_weights", lambda codec, answers, truths, loss: {"trees": 1.0})
    learner = dt.tabular.from_csv(people, "income").learner(out=tmp_path / "run", quiet=True)
    result = learner.fit()
    assert learner.description() == "gradient-boosted trees"
    assert "which has no say in the answers. Grey: train" in (tmp_path / "run" / "report.html").read_text()
    assert "the blend" not in [each["name"] for each in result["tried"]]
    assert "parts" not in open_bundle(learner.export(tmp_path / "trees.bundle")).facts


@pytest.mark.slow
def test_a_blend_that_is_worse_than_a_part_alone_is_not_taken(
    people: Path, tmp_path: Path, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights of one half of the time may be wrong for the other: the blend was told to be worse, and taken all the same."""
    monkeypatch.setattr(
        best, "unseen_blend", lambda codec, answers, *rest: [1 - found for found in answers["trees"]]
    )
    monkeypatch.setattr(best, "joined_weights", lambda *rest: {"trees": 0.5, "regression": 0.5})
    learner = dt.tabular.from_csv(people, "income").learner(out=tmp_path / "run", quiet=True)
    result = learner.fit()
    assert list(learner.weights["income"].values()) == [1.0]
    assert learner.description() in (
        "gradient-boosted trees",
        "penalised regression",
        "network mlp, 2 epochs",
    )
    assert any(
        f"a blend was worse than {learner.description()} alone, by more than chance" in note
        for note in result["notes"]
    )
    assert "the blend" not in [each["name"] for each in result["tried"]]
