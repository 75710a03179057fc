"""The default forecaster as a learner: its graph computes what it computes, and it goes into a bundle."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import drivetrain as dt
from drivetrain.bundle.tensors import made_names
from drivetrain.codecs import Signature
from drivetrain.codecs.series import DECILES, Series
from drivetrain.forecasting.bands import coverage
from drivetrain.forecasting.bank import Choice, Recipe, Way
from drivetrain.forecasting.choosing import solve
from drivetrain.learn.forecast.graph import bank_graph
from drivetrain.report.words import verdict
from drivetrain.runtime import OnnxSession
from drivetrain.tasks.forecasted import answers_of

CONTEXT, HORIZON, KNOWN = 40, 5, 3
MEMBERS = {
    "ridge": Choice("ridge", 20, 1.0, Way(), 0.01),
    "logarithms": Choice("ridge", 24, 1.0, Way(log=True), 0.01),
    "covariates": Choice("ridge", 13, 1.0, Way(lag=12), 0.01),
    "both": Choice("ridge", 13, 1.0, Way(log=True, lag=12), 0.01),
    "shape": Choice("shape", 12, 1.0),
    "naive": Choice("naive", 1, 1.0),
    "seasonal": Choice("seasonal", 12, 1.0),
    "mean": Choice("mean", 7, 1.0),
}


def items(count: int, zeros: bool = False) -> list[Any]:
    """Positive series with covariates that say something of them: (moments, 1 + k), of sizes that differ by thousands."""
    random = np.random.default_rng(0)
    made: list[Any] = []
    for place in range(count):
        known = random.normal(size=(200, KNOWN))
        season = 20 + 5 * np.sin(np.arange(200) * 2 * np.pi / 12) + known @ [1.0, 0.5, 0.0]
        target = np.maximum(season + random.normal(size=200), 0 if zeros else 1) * 30.0**place
        made.append(np.concatenate([target[:, None], known], axis=1))
    if zeros:
        made[0][::9, 0] = 0
    return made


def recipe(*members: Choice, power: float = 1.0) -> Recipe:
    scores = tuple((*np.linspace(-1, 1, 9),) for _ in range(HORIZON))
    shared = tuple(replace(each, share=1 / len(members)) for each in members)
    return Recipe(CONTEXT, HORIZON, (12,), shared, DECILES, 12, power, scores, 10)


def windows(series: list[Any]) -> tuple[Any, Any]:
    starts = range(0, 150, 7)
    past = np.stack([each[start : start + CONTEXT] for each in series for start in starts])
    ahead = np.stack(
        [each[start + CONTEXT : start + CONTEXT + HORIZON, 1:] for each in series for start in starts]
    )
    return past.astype(np.float32), ahead.astype(np.float32)


def through_the_graph(bank: Any, past: Any, ahead: Any) -> Any:
    names = tuple(f"c{place}" for place in range(KNOWN))
    inputs = {
        "past": Series(("y", *names), CONTEXT),
        "future": Series(names, HORIZON, ahead=True),
    }
    signature = Signature(inputs, {"y": Series(("y",), HORIZON, DECILES)})
    session = OnnxSession(bank_graph(bank, signature), made_names(signature))
    return session.run({"past": past, "future": ahead})["y"]


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("names", [*([name] for name in MEMBERS), list(MEMBERS)], ids="+".join)
def test_the_graph_computes_what_the_bank_does(names: list[str], count: int) -> None:
    series = items(count, zeros=names == ["both"])
    for power in (0.0, 0.5, 1.0):
        bank = solve(recipe(*(MEMBERS[name] for name in names), power=power), series, range(1, 1 + KNOWN))
        past, ahead = windows(series)
        wanted = bank.forecast(past, ahead)
        assert wanted.shape == (len(past), HORIZON, 10)
        np.testing.assert_allclose(
            through_the_graph(bank, past, ahead), wanted, rtol=2e-4, atol=2e-4 * np.abs(wanted).max()
        )


def test_a_large_level_loses_nothing_in_32_bits() -> None:
    random = np.random.default_rng(0)
    steps = np.round(random.normal(size=200).cumsum())
    series = np.concatenate([steps[:, None] + 2.0**22, random.normal(size=(200, KNOWN))], axis=1)
    bank = solve(recipe(MEMBERS["ridge"]), [series])
    past, ahead = windows([series])
    found, wanted = through_the_graph(bank, past, ahead), bank.forecast(past)
    assert np.abs(found - wanted).max() <= 0.5  # The step from one number to the next in 32 bits.


def frame(days: int = 200) -> dict[str, Any]:
    random = np.random.default_rng(0)
    week = np.tile(np.sin(np.arange(days) * 2 * np.pi / 7), 2)
    price = random.integers(0, 2, 2 * days).astype(float)
    return {
        "day": np.tile(np.datetime64("2020-01-01") + np.arange(days), 2),
        "store": np.repeat(["a", "b"], days),
        "units": 20 + 4 * week - 6 * price + random.normal(size=2 * days),
        "price": price,
        "visitors": random.random(2 * days),
    }


@pytest.fixture(scope="module")
def learner() -> Any:
    data = dt.forecast.from_frame(
        frame(), "units", 7, timestamp="day", item="store", known=["price"], past=["visitors"]
    )
    found = data.learner(bare=True)
    found._solve()
    return found


def test_the_default_is_the_bank_and_says_what_it_chose_and_does_not_see(learner: Any) -> None:
    assert learner.model_name == "bank"
    assert any("sees nothing of visitors" in note for note in learner.notes)
    assert any(note.startswith("forecasts by ") for note in learner.notes)
    assert any(each.way.lag for each in learner.bank.recipe.members)


def test_what_is_measured_is_what_the_graph_says(learner: Any) -> None:
    data = learner.data
    outputs = learner.predict_part("valid")["units"]
    batch = data.part("valid").batch()
    wanted = learner.bank.forecast(np.asarray(batch["past"]), np.asarray(batch["future"]))
    np.testing.assert_allclose(outputs, wanted, rtol=1e-3, atol=1e-2)
    truth = data.truths("valid")["units"]
    seasonal = np.asarray(batch["past"])[:, -7:, :1]
    assert np.abs(outputs[:, :, :1] - truth).mean() < 0.6 * np.abs(seasonal - truth).mean()


def test_training_sees_no_moment_behind_its_edge() -> None:
    changed = frame()
    behind = changed["day"] >= changed["day"].max() - 30
    options: dict[str, Any] = {"timestamp": "day", "item": "store", "known": ["price"]}
    found: list[Any] = []
    for value in (None, 1e5):
        if value is not None:
            changed["units"] = np.where(behind, value, changed["units"])
        data = dt.forecast.from_frame(changed, "units", 7, **options)
        each = data.learner(bare=True)
        each._solve()
        found.append(each.bank.recipe)
    assert found[0] == found[1]


@pytest.mark.slow
def test_it_goes_into_a_bundle_fitted_again_to_all_but_the_test(tmp_path: Any) -> None:
    data = dt.forecast.from_frame(
        frame(), "units", 7, timestamp="day", item="store", known=["price"], test=0.1
    )
    found = data.learner(out=tmp_path / "run", quiet=True)
    result = found.fit()
    assert result["against"]["seasonal naive"]["difference"]["high"] < 0
    assert found.shipped is not found
    assert found.shipped.data.training_end[0] > data.training_end[0]
    assert found.export(tmp_path / "m.bundle").exists()  # Verified, or it is not written.


def test_the_band_that_is_measured_is_the_one_that_predict_gives() -> None:
    moved = frame()
    moved["units"] = np.where(moved["day"] > moved["day"].max() - 40, moved["units"] * 3, moved["units"])
    data = dt.forecast.from_frame(moved, "units", 7, timestamp="day", item="store")
    found = data.learner(quiet=True)
    found.solve()
    told = found.finish()["metrics"]["valid"]["band_coverage"]["value"]
    raw, truths = (each["units"] for each in found.outputs("valid"))
    answered = answers_of(found, "valid")
    assert told == pytest.approx(coverage(answered, truths[:, :, 0], DECILES), abs=1e-6)
    assert coverage(raw, truths[:, :, 0], DECILES) < told


def test_too_few_origins_to_tell_skill_from_chance_are_told() -> None:
    few = {name: cells[:110] for name, cells in frame().items()}
    data = dt.forecast.from_frame(few, "units", 14, timestamp="day")
    found = data.learner(quiet=True)
    found.solve()
    told = verdict(found.finish()["against"])
    assert "skill can't be told from chance: 9 origins, each 14 ahead, are 1.6 separate stretches" in told
