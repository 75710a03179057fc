"""Would more data help: nested parts, the power law, and an answer that knows when it can't tell."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from commands import drivetrain

import drivetrain as dt
from drivetrain.data.refit import fold, pool, spread_order, strata, with_train
from drivetrain.errors import DataError, UsageError
from drivetrain.figures import resolved
from drivetrain.files import to_json
from drivetrain.findings.learning_curve import LearningCurve, _curve, learning_curve
from drivetrain.findings.power_law import fit
from drivetrain.learn.bare import train_bare
from drivetrain.learn.names import one_model, quick_model
from drivetrain.metrics import Statistic

SIZES = [100, 200, 400, 700, 1000]


def table(rows: int = 200, valid: float = 0.5, seed: int = 0) -> dt.Dataset:
    """Two numbers, and a class that their sum tells through noise."""
    generator = np.random.default_rng(seed)
    a, b = generator.normal(size=(2, rows))
    labels = np.where(a + b + generator.normal(0, 0.3, rows) > 0, "up", "down")
    split = dt.split.random(valid, seed=0) if valid else dt.split.none()
    block = dt.DataBlock({"a": dt.Number(), "b": dt.Number()}, {"label": dt.Category()}, split=split)
    return block.from_columns({"a": a, "b": b, "label": labels})


def curve(
    offset: float,
    scale: float,
    exponent: float,
    rows: int,
    noise: float = 0.003,
    seeds: int = 3,
    seed: int = 0,
) -> LearningCurve:
    """Of models that err on `rows` valid rows by a power law, mostly on those that are hard for all."""
    generator = np.random.default_rng(seed)
    hard, made = generator.random(rows), []
    for size in SIZES:
        shares = offset + scale * (size / SIZES[-1]) ** -exponent + generator.normal(0, noise, seeds)
        own = [np.where(generator.random(rows) < 0.8, hard, generator.random(rows)) for _ in shares]
        made.append([Statistic.mean_of(place < share) for place, share in zip(own, shares)])
    return _curve("error_rate", SIZES, made, seed)


def test_the_power_law_finds_what_it_was_made_of() -> None:
    shares = np.array([0.05, 0.1, 0.3, 0.6, 1])
    errors = np.stack([0.1 + 0.02 * shares**-0.7, 0.3 * shares**-0.3, np.full(5, 0.2)])
    found = fit(shares, errors)
    assert found.at(2) == pytest.approx([0.1 + 0.02 * 2**-0.7, 0.3 * 2**-0.3, 0.2], rel=0.02)
    assert found.explained[:2] == pytest.approx([1, 1], abs=0.01)
    rising = fit(shares, (0.1 + 0.1 * shares)[None, :])
    assert rising.scale[0] == 0
    assert rising.explained[0] <= 0.01
    assert (found.offset >= 0).all()


def test_every_beginning_of_the_order_has_each_class_by_its_share() -> None:
    classes = np.repeat([0, 1, 2], [700, 200, 100])
    order = spread_order(classes, seed=3)
    assert sorted(order.tolist()) == list(range(1000))
    for size in (50, 100, 400):
        counts = np.bincount(classes[order[:size]], minlength=3)
        assert np.abs(counts - size * np.array([0.7, 0.2, 0.1])).max() <= 1.5
    assert order.tolist() != spread_order(classes, seed=4).tolist()
    assert len(spread_order(np.zeros(0, np.int64), 0)) == 0


def test_a_part_of_the_rows_is_not_encoded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    data = table()
    whole = {part: data.part(part) for part in ("train", "valid")}
    monkeypatch.setattr(dt.Dataset, "_encode", lambda *_: pytest.fail("encoded again"))
    some = whole["train"].rows[::3]
    part = with_train(data, some)
    np.testing.assert_array_equal(part.part("train").rows, some)
    for name, array in part.part("train").batch().items():
        np.testing.assert_array_equal(array, whole["train"].batch()[name][::3])
    np.testing.assert_array_equal(part.part("valid").rows, whole["valid"].rows)
    assert part.recipe is None
    assert len(part.rows("test")) == 0


def test_folds_of_a_pool_leave_the_test_rows_alone() -> None:
    x = np.arange(100.0)
    block = dt.DataBlock({"x": dt.Number()}, {"y": dt.Number()}, split=dt.split.random(0.2, seed=0, test=0.3))
    data = block.from_columns({"x": x, "y": x})
    pooled = pool(data)
    rows, _ = strata(pooled)
    assert set(rows) == {*data.split.train, *data.split.valid}
    one = fold(pooled, rows[10:], rows[:10])
    np.testing.assert_array_equal(one.part("valid").batch()["x"], x[rows[:10]])
    np.testing.assert_array_equal(one.part("train").batch()["x"], x[rows[10:]])


def test_a_small_part_gets_as_many_steps_up_to_four_times_the_epochs() -> None:
    data = table(200)
    whole = train_bare(data, "linear", 2, batch_size=10)
    rows = whole.data.part("train").rows
    epochs = [
        len(train_bare(with_train(data, rows[:n]), "linear", 2, whole.steps, batch_size=10).history)  # type: ignore[attr-defined]
        for n in (100, 50, 10)
    ]
    assert epochs == [2, 4, 8]


@pytest.mark.slow
def test_a_curve_of_real_training_falls_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = table(400)
    found = data.learning_curve("mlp", shares=(0.06, 0.2, 0.5), epochs=6, quiet=True)
    assert found.rows == [12, 40, 100, 200]
    assert (found.metric, found.valid) == ("error_rate", 200)
    assert found.errors.shape == (4, 1)
    assert found.errors[0, 0] > found.errors[-1, 0]
    assert (found.low <= found.errors[:, 0]).all()
    assert (found.errors[:, 0] <= found.high).all()
    assert os.listdir(tmp_path) == []
    again = learning_curve(data, "mlp", shares=(0.06, 0.2, 0.5), epochs=6, quiet=True)
    assert to_json(again.to_json()) == to_json(found.to_json())


@pytest.mark.slow
def test_numbers_and_several_seeds() -> None:
    x = np.random.default_rng(0).normal(size=300)
    block = dt.DataBlock({"x": dt.Number()}, {"y": dt.Number()}, split=dt.split.random(0.5, seed=0))
    data = block.from_columns({"x": x, "y": 3 * x + 1})
    found = data.learning_curve("linear", shares=(0.1, 0.3), epochs=4, seeds=2, quiet=True)
    assert found.metric == "mean_absolute_error"
    assert found.errors.shape == (3, 2)
    assert "trained once" not in " ".join(found.notes)


def test_a_falling_error_is_projected() -> None:
    found = curve(0.05, 0.05, 0.5, rows=3000)
    assert found.answer.startswith(("yes", "perhaps"))
    assert "2,000" in found.answer
    assert found.projected is not None
    assert found.gain is not None
    value, low, high = found.projected
    assert low < value < high
    assert low <= 0.05 + 0.05 * 2**-0.5 <= high
    assert found.gain[0] == pytest.approx(found.law.at(1)[0] - value)  # type: ignore[union-attr]
    answer = found.to_json()
    assert answer.keys() == {
        "metric", "points", "valid", "law", "projected", "gain", "enough", "answer", "notes",
    }  # fmt: skip
    assert answer["enough"].keys() == {"rows", "low", "high"}
    assert answer["points"][0].keys() == {"rows", "value", "low", "high", "by_seed"}
    assert answer["projected"].keys() == {"rows", "value", "low", "high"}
    assert answer["law"].keys() == {"offset", "scale", "exponent", "explained"}


def test_what_has_flattened_out_hardly_gains() -> None:
    assert curve(0.2, 0.0, 1, rows=20_000, noise=0).answer.startswith("hardly: from 100 to 1,000 rows")
    steep = curve(0.2, 0.004, 1, rows=50_000, noise=0.0002)
    assert steep.answer.startswith("hardly: with twice the rows")


def test_how_many_rows_it_takes_until_more_do_not_help_is_told() -> None:
    flat = curve(0.2, 0.004, 1, rows=50_000, noise=0.0002)
    assert flat.enough is not None
    rows, low, high = flat.enough
    assert low <= rows <= high
    assert rows == pytest.approx(180, rel=0.3)  # .002 / s < .05 (.2 + .004 / s)
    assert "from about" in str(flat)
    assert "lower the error rate by less than 5% of it" in str(flat)
    falling = curve(0.1, 0.05, 0.5, rows=50_000, noise=0.0002)
    assert falling.enough is not None
    assert 4_000 < falling.enough[0] <= 8_000
    assert "it takes about" in str(falling)
    endless = curve(0.0, 0.1, 0.5, rows=50_000, noise=0.0002)
    assert endless.enough is not None
    assert np.isinf(endless.enough[0])
    assert endless.to_json()["enough"]["rows"] is None
    assert "only beyond 8,000" in str(endless)
    assert "only beyond 8,000" in endless._repr_html_()


@pytest.mark.slow
def test_texts_alone_are_learned_from_by_their_n_grams() -> None:
    draw = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(60)])
    texts = [" ".join(draw.choice(words, 12)) for _ in range(300)]
    columns = {"text": texts, "label": ["yes" if "word7 " in f"{text} " else "no" for text in texts]}
    data = dt.tabular.from_frame(columns, "label", columns={"text": "text"})
    assert quick_model(data) == "ngrams"
    found = data.learning_curve(quiet=True)
    assert found.errors[0, 0] >= found.errors[-1, 0]
    assert one_model(data) == "mlp"


def test_what_could_be_chance_is_called_so_and_projects_nothing() -> None:
    found = curve(0.15, 0.002, 0.3, rows=100, noise=0.01)
    assert found.answer.startswith("can't tell: from 100 to 1,000 rows the error rate went from")
    assert "chance" in found.answer
    assert (found.law, found.projected, found.gain) == (None, None, None)
    assert found.to_json()["projected"] is None
    assert "projected" not in found.chart.to_svg()


def test_what_follows_no_curve_is_called_so() -> None:
    hard = np.random.default_rng(0).random(5000)
    made = [[Statistic.mean_of(hard < share)] * 2 for share in (0.3, 0.1, 0.3, 0.1, 0.2)]
    assert "not along a curve" in _curve("error_rate", SIZES, made, 0).answer


def test_where_a_model_only_guesses_the_curve_does_not_begin() -> None:
    """Half of the answers are wrong with 100 rows; from 200 on the errors fall along a curve."""
    hard = np.linspace(0, 1, 3000)
    shares = [0.5, *(0.05 + 0.05 * (size / 1000) ** -0.5 for size in SIZES[1:])]
    made = [[Statistic.mean_of(hard < share + luck) for luck in (-0.001, 0.001)] for share in shares]
    found = _curve("error_rate", SIZES, made, 0)
    assert found.start == 200
    assert "100 rows are left out" in " ".join(found.notes)
    assert found.projected is not None
    assert found.projected[0] == pytest.approx(0.05 + 0.05 * 2**-0.5, abs=0.005)


def test_it_shows_itself(tmp_path: Path) -> None:
    found = curve(0.05, 0.05, 0.5, rows=3000)
    assert "1,000 rows  error rate 0.1" in str(found)
    assert found.answer in str(found)
    assert "projected" in found.chart.to_svg()
    assert "<b>" in found._repr_html_()
    assert found.chart.save(tmp_path / "a.png").exists()


def test_what_makes_no_curve_is_refused() -> None:
    with pytest.raises(DataError, match="valid rows"):
        learning_curve(table(valid=0))
    for shares in ((0.5,), (0.01, 0.5), (0.0, 0.5, 1.0), (0.5, 1.5), ()):
        with pytest.raises(UsageError):
            learning_curve(table(), shares=shares)
    with pytest.raises(UsageError, match="error_rate"):
        learning_curve(table(), "linear", metric="accuracy", epochs=1, shares=(0.2, 0.5), quiet=True)


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "seeds"), [(300, 3), (3000, 1), (3000, 3)])
def test_the_projection_holds_the_truth_and_a_flat_curve_promises_nothing(rows: int, seeds: int) -> None:
    truth, held = 0.05 + 0.05 * 2**-0.5, []
    for seed in range(60):
        found = curve(0.05, 0.05, 0.5, rows, 0.005, seeds, seed)
        if found.projected is not None:
            held.append(found.projected[1] <= truth <= found.projected[2])
    assert len(held) > 30
    assert np.mean(held) >= 0.9
    flat = Counter(curve(0.15, 0, 1, rows, 0.005, seeds, seed).answer.partition(":")[0] for seed in range(60))
    assert flat["yes"] == 0
    assert flat["can't tell"] + flat["hardly"] >= 57


def test_errors_of_any_size_are_printed_apart() -> None:
    assert resolved(117_432.1, 116_240.0, 118_910.0) == "117,432 (116,240 to 118,910)"
    assert resolved(118_432.1, 117_240.0, 119_910.0) == "118,432 (117,240 to 119,910)"
    assert resolved(0.12345, 0.1201, 0.1279) == "0.1235 (0.1201 to 0.1279)"
    assert resolved(0.5, 0.5, 0.5) == "0.5 (0.5 to 0.5)"


def test_a_file_that_no_chart_can_be_written_to_is_refused_before_the_trainings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "drivetrain.findings.learning_curve.learning_curve", lambda *_, **__: pytest.fail("it was trained")
    )
    table = tmp_path / "t.csv"
    table.write_text("x,y\n" + "1,a\n2,b\n" * 20)
    done = drivetrain("curve", table, "--target", "y", "--out", tmp_path / "curve")
    assert (done.code, "End the name in .png or .svg." in done.err) == (2, True)
