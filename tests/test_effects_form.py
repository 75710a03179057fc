"""What is held fixed is held fixed in whatever form it moved both, and an effect is of rows that have others like them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from drivetrain.effects.response import fit
from drivetrain.effects.result import Effect, effect
from drivetrain.effects.uplift.learning import learn_uplift
from drivetrain.errors import DataError

Rows = dict[str, Any]


def shops(rng: np.random.Generator, n: int) -> Rows:
    """The code of a shop, of which neither demand nor the lever goes up or down."""
    shop, share = rng.integers(0, 8, n), np.array([0.2, 0.5, 0.3, 0.8, 0.25, 0.7, 0.4, 0.6])
    on = (rng.random(n) < share[shop]) * 1.0
    worth = np.array([-2, 1, 0, 2, -1, 3, 0, 1])[shop]
    return {"lever": on, "y": on + 2 * worth + rng.normal(size=n), "shop": shop * 1.0}


def either_or(rng: np.random.Generator, n: int) -> Rows:
    """Both hang on whether two switches differ, and on neither of them alone."""
    a, b = rng.integers(0, 2, size=(2, n)) * 1.0
    on = (rng.random(n) < np.where(a != b, 0.8, 0.2)) * 1.0
    return {"lever": on, "y": on + 3 * (a != b) + rng.normal(size=n), "a": a, "b": b}


def wave(rng: np.random.Generator, n: int) -> Rows:
    z = rng.uniform(-2, 2, n)
    dose = np.sin(3 * z) + 0.7 * rng.normal(size=n)
    return {"lever": dose, "y": dose + 3 * np.sin(3 * z) + rng.normal(size=n), "z": z}


def asked(rows: Rows, **more: Any) -> Effect:
    columns = [name for name in rows if name not in ("lever", "y")]
    return effect(rows, lever="lever", outcome="y", claim={"adjusted": columns}, tries=0, **more)


@pytest.mark.parametrize("made", [shops, either_or, wave])
def test_what_moved_both_is_held_fixed_whatever_its_form(made: Any) -> None:
    found = [asked(made(np.random.default_rng(seed), 1500)).contrasts[0] for seed in range(6)]
    assert np.mean([one.value for one in found]) == pytest.approx(1, abs=0.12)
    assert sum(one.low <= 1 <= one.high for one in found) >= 4


def test_the_curve_holds_it_fixed_in_the_same_form() -> None:
    rows = either_or(np.random.default_rng(0), 1500)
    found = fit(rows, lever="lever", outcome="y", claim={"adjusted": ["a", "b"]})
    assert all(each.holds for each in found.checks)
    held = {name: rows[name][None, :, None] for name in ("a", "b")}
    mean = [float(found.mean({"lever": np.full((1, 1, 1), on), **held}).mean()) for on in (0.0, 1.0)]
    assert mean[1] - mean[0] == pytest.approx(1, abs=0.25)


def test_rows_without_others_like_them_are_left_out_and_told() -> None:
    rng = np.random.default_rng(3)
    z, far = rng.normal(size=2000), rng.random(2000) < 0.1
    on = np.where(far, 1.0, (rng.random(2000) < 1 / (1 + np.exp(-z))) * 1.0)
    found = asked({"lever": on, "y": on + 2 * z + 3 * far + rng.normal(size=2000), "z": z, "far": far * 1.0})
    one = found.contrasts[0]
    assert found.is_effect
    assert one.low <= 1 <= one.high
    assert 1000 < one.n < 2000 - far.sum() + 20
    assert "are left out: this is of the other" in found.words


def test_a_slope_that_differs_is_averaged_over_rows_not_over_what_varied_most() -> None:
    rng = np.random.default_rng(4)
    z = rng.normal(size=2000)
    dose = z + rng.normal(size=2000) * np.exp(0.6 * z)
    found = asked({"lever": dose, "y": dose * (1 + z) + 2 * z + rng.normal(size=2000), "z": z})
    assert found.value == pytest.approx(1, abs=0.2)
    assert "average over all rows" in found.words


def people(seed: int, n: int = 1500) -> Rows:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    on = (rng.random(n) < 1 / (1 + np.exp(-z))) * 1.0
    return {"lever": on, "y": on + 2 * z + rng.normal(size=n), "z": z}


def test_what_is_missing_or_rare_is_not_held_fixed_and_no_effect_is_claimed() -> None:
    rows = people(5)
    gaps = {**rows, "z": np.where(np.random.default_rng(6).random(1500) < 0.3, np.nan, rows["z"])}
    assert not asked(gaps).is_effect
    assert "without them +" in asked(gaps).words
    day = [f"2024-{at // 30 % 12 + 1:02}-{at % 28 + 1:02}" for at in range(1500)]
    assert not asked({**rows, "day": day}).is_effect
    assert not asked({**rows, "who": [f"id {at}" for at in range(1500)]}).is_effect
    assert asked({**rows, "town": [f"town {at % 20}" for at in range(1500)]}).is_effect
    few = {**rows, "z": np.where(np.arange(1500) % 100 == 0, np.nan, rows["z"])}
    assert asked(few).is_effect


def test_rows_that_were_lost_or_copied_are_told() -> None:
    rows = people(7)
    lost = np.where((rows["lever"] > 0) & (np.arange(1500) % 2 > 0), np.nan, rows["y"])
    assert "y is missing in " in asked({**rows, "y": lost}).words
    copied = {name: np.tile(value[:300], 5) for name, value in rows.items()}
    assert "1,200 rows are exact copies" in asked(copied).words
    assert "copies" not in asked(rows).words
    assert "is missing in" not in asked({**rows, "y": np.where(np.arange(1500) % 5, rows["y"], np.nan)}).words
    with pytest.raises(DataError, match=r"row 4\b.* infinite"):
        asked({**rows, "y": np.where(np.arange(1500) == 3, np.inf, rows["y"])})


def test_whom_it_works_on_is_learned_with_what_moved_both_held_fixed_in_its_form() -> None:
    rows = shops(np.random.default_rng(8), 1500)
    found = learn_uplift(rows, treatment="lever", outcome="y", claim={"adjusted": ["shop"]}).average
    assert found.low <= 1 <= found.high
    rng = np.random.default_rng(9)
    z, far = rng.normal(size=1500), rng.random(1500) < 0.1
    on = np.where(far, 1.0, (rng.random(1500) < 1 / (1 + np.exp(-z))) * 1.0)
    alone = {"lever": on, "y": on + 2 * z + 3 * far + rng.normal(size=1500), "z": z, "far": far * 1.0}
    told = learn_uplift(alone, treatment="lever", outcome="y", claim={"adjusted": ["z", "far"]})
    assert told.average.low <= 1 <= told.average.high
    assert any("are left out" in note for note in told.notes)
