"""Nets on forecasts: each architecture trains on windows and goes into a bundle; many windows are drawn anew for each epoch; the
bank stands beside, and the best is looked for among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import drivetrain as dt
from drivetrain.learn.best.candidates import candidates
from drivetrain.learn.learner import Learner
from drivetrain.learn.names import network_of
from drivetrain.tasks import series
from drivetrain.tasks.forecasted import beside_the_bank
from drivetrain.testing.bundles import check_bundle
from drivetrain.windows import Windows

DAYS = 160
NETS = (
    "linear", "nlinear", "dlinear", "mlp", "tcn", "rnn", "lstm:bidirectional", "gru:2-layers", "nhits", "patch",
    "transformer:1-layers:32-wide",
)  # fmt: skip


def sales(days: int = DAYS) -> Any:
    """Two stores with a week, a price that is known ahead and says much, visitors, and a gap."""
    random = np.random.default_rng(0)
    price = random.choice([1.0, 2.0], 2 * days)
    units = 10 + 5 * np.tile(np.sin(np.arange(days) * 2 * np.pi / 7), 2) - 3 * price
    units += random.normal(0, 0.5, 2 * days)
    units[40:44] = np.nan
    frame = {
        "day": np.tile(np.datetime64("2024-01-01") + np.arange(days), 2),
        "store": np.repeat(["north", "south"], days),
        "units": units,
        "price": price,
        "visitors": random.random(2 * days),
    }
    return dt.forecast.from_frame(
        frame, "units", 4, timestamp="day", item="store", known=["price"], past=["visitors"], context=14
    )


@pytest.fixture(scope="module")
def data() -> Any:
    return sales()


def test_windows_are_drawn_by_index_and_none_is_copied(data: Any, monkeypatch: Any) -> None:
    assert data.part_of_epoch(0, 0) is None
    monkeypatch.setattr(series, "MOST_OF_EPOCH", 50)
    first, again, other = (data.part_of_epoch(0, epoch) for epoch in (0, 0, 1))
    assert len(first) == data.epoch_rows == 50
    assert np.array_equal(first.index, again.index)
    assert not np.array_equal(first.index, other.index)
    assert {*first.index} <= {*data.part("train").index}
    past = first.arrays["past"]
    assert isinstance(past, Windows)
    assert past.values is data.part("train").arrays["past"].values
    learner = Learner(data, "nlinear", bare=True, quiet=True)
    tensors = learner.epoch_tensors(0)
    assert len(tensors) == 50
    held = tensors.arrays["past"].values  # type: ignore[union-attr]
    assert held.data_ptr() == learner.tensors("train").arrays["past"].values.data_ptr()  # type: ignore[union-attr]


def test_a_batch_of_windows_is_what_the_windows_are(data: Any) -> None:
    learner = Learner(data, "nlinear", bare=True, quiet=True)
    part = data.part("train")
    for positions in (np.array([3, 0, 7, 7]), np.array([], np.int64)):
        batch = learner.tensors("train").gather(torch.from_numpy(positions))
        for name in ("past", "units"):
            assert np.array_equal(batch[name].numpy(), part.arrays[name].gather(part.index[positions])), name


def test_what_nobody_says_is_held_back_and_learns_the_median(data: Any) -> None:
    usual = Learner(data, "mlp", bare=True, quiet=True).settings
    assert (usual.loss, usual.weight_decay, usual.dropout) == ("absolute", 1.0, 0.2)
    said = Learner(data, "mlp", bare=True, quiet=True, loss="squared", weight_decay=0.1, dropout=0.0).settings
    assert (said.loss, said.weight_decay, said.dropout) == ("squared", 0.1, 0.0)
    assert network_of(data) == "nlinear"
    assert [each.model for each in candidates(data)] == ["bank", "nlinear", "nhits", "gru", "tcn"]
    assert candidates(data)[0].epochs is None
    assert [data.task.epochs_of(replace_rows(rows)) for rows in (50, 2_000, 100_000)] == [100, 6, 6]


def replace_rows(rows: int) -> Any:
    class Rows:
        epoch_rows = min(rows, series.MOST_OF_EPOCH)

    return Rows()


def test_it_is_said_which_to_use_the_model_or_the_bank() -> None:
    def told(better: bool | None, value: float | None, low: float | None, high: float | None) -> str:
        apart = {"value": value, "low": low, "high": high}
        (words,) = beside_the_bank({"bank": {"difference": apart, "better": better}})
        return words

    assert beside_the_bank({"naive": {}}) == []
    assert told(True, -2.0, -3.0, -1.0) == (
        "better than the simple forecaster, the bank, by more than chance: MAE lower by 2 (1 to 3)"
    )
    assert (
        "the bank, is better than this model, by more than chance: MAE lower by 2 (1 to 3). Use it"
        in told(False, 2.0, 1.0, 3.0)
    )
    assert "(this model's MAE is between 1 lower and 3 higher than its), and simpler" in told(
        None, 1.0, -1.0, 3.0
    )
    assert "(this model's MAE is between no lower and 3 higher" in told(None, 1.0, 0.0, 3.0)
    assert "(their MAE is the same)" in told(None, 0.0, 0.0, 0.0)
    assert "too few origins" in told(None, None, None, None)


@pytest.mark.slow
@pytest.mark.parametrize("model", NETS)
def test_each_architecture_trains_is_calibrated_and_answers_from_a_bundle(
    data: Any, model: str, tmp_path: Path
) -> None:
    learner = Learner(data, model, out=tmp_path / "run", quiet=True)
    result = learner.fit(12)
    assert learner.history[-1]["valid_loss"] < learner.history[0]["valid_loss"]
    assert result["metrics"]["valid"]["mae"]["value"] < result["baselines"]["naive"]["mae"]["value"]
    assert any("the bank" in note for note in result["notes"])
    held = result["metrics"]["valid"]["band_coverage"]["value"]
    assert 0.6 < held < 0.95, held
    bundle = learner.export(
        tmp_path / "net.bundle"
    )  # Verified: onnxruntime says what torch says, within 1e-4.
    check_bundle(bundle)


@pytest.mark.slow
def test_a_run_that_is_taken_up_again_has_its_calibration(data: Any, tmp_path: Path) -> None:
    learner = Learner(data, "nlinear", out=tmp_path / "run", quiet=True)
    learner.fit(3)
    again = Learner.resume(tmp_path / "run", data, quiet=True)
    two = data.part("valid").batch(np.arange(2))
    for name, made in learner.run_arrays(two).items():
        assert again.run_arrays(two)[name] == pytest.approx(made, rel=1e-5)
    assert not np.array_equal(learner.outputs("valid")[0]["units"], learner.predict_part("valid")["units"])


@pytest.mark.slow
def test_the_best_is_looked_for_among_the_bank_and_nets(data: Any, tmp_path: Path) -> None:
    ordered = data
    ordered.task = type(data.task)()
    ordered.task.tried = ("bank", "nlinear")
    found = ordered.learner("best", out=tmp_path / "run", quiet=True)
    result = found.fit()
    assert [row["model"] for row in result["tried"]] in (["best", "bank", "nlinear"], ["bank", "nlinear"])
    assert any(any(row["weights"].values()) for row in result["tried"])
    check_bundle(found.export(tmp_path / "best.bundle"))
