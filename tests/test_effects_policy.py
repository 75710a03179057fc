"""What another policy would have earned: unbiased, as sure as it says, and refused where the rows can't tell."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from drivetrain.effects.policy import METHODS, policy_value
from drivetrain.errors import DataError, DrivetrainError, UsageError

TRUE = 1.8971  # Of the best action for each row: the mean of six million rows.


def logs(n: int, seed: int) -> dict[str, Any]:
    """Three actions chosen by chances that depend on x, as does what they earn; `best` is what earns most."""
    made = np.random.default_rng(seed)
    x = made.normal(size=n)
    chances = np.stack([np.full(n, 0.2), 0.5 - 0.2 * np.tanh(x), 0.3 + 0.2 * np.tanh(x)], axis=1)
    action = (made.random(n)[:, None] > chances.cumsum(axis=1)).sum(axis=1)
    means = np.stack([np.ones(n), 1 + x, 1 - x + 0.2 * x * x], axis=1)
    reward = means[np.arange(n), action] + made.normal(size=n)
    return {
        "x": x,
        "chances": chances,
        "action": action,
        "reward": reward,
        "best": means.argmax(axis=1),
        "means": means,
    }


def test_the_true_value_used_here_is_the_true_value() -> None:
    rows = logs(400_000, 5)
    assert rows["means"].max(axis=1).mean() == pytest.approx(TRUE, abs=0.005)


@pytest.mark.parametrize("method", METHODS)
def test_values_are_unbiased_and_as_sure_as_they_say(method: Any) -> None:
    found, covered = [], 0
    for seed in range(60):
        rows = logs(1000, seed)
        told = policy_value(
            rows["best"], rows["action"], rows["reward"], rows["chances"], method=method,
            features=np.stack([rows["x"], rows["x"] ** 2], axis=1), seed=seed,
        )  # fmt: skip
        found.append(told.value.value)
        covered += told.value.low <= TRUE <= told.value.high
    assert abs(np.mean(found) - TRUE) < 3.5 * np.std(found) / np.sqrt(60)
    assert covered >= 51


def test_a_model_of_the_reward_narrows_the_interval() -> None:
    rows = logs(4000, 1)
    given = rows["best"], rows["action"], rows["reward"], rows["chances"]
    plain, modelled = policy_value(*given, method="ips"), policy_value(*given, features=rows["x"][:, None])
    assert modelled.value.high - modelled.value.low < 0.6 * (plain.value.high - plain.value.low)
    assert modelled.effective == plain.effective < 4000
    same = policy_value(*given, expected=rows["means"])
    assert same.value.low < TRUE < same.value.high
    assert same.gain.value == pytest.approx(same.value.value - same.logged.value)
    json.dumps(same.to_json(), allow_nan=False)
    assert "gain:" in str(same)


def test_the_logged_policy_is_worth_what_it_earned() -> None:
    rows = logs(3000, 2)
    told = policy_value(rows["action"], rows["action"], rows["reward"], np.ones(3000), method="ips")
    assert told.value == told.logged
    assert told.effective == 3000
    stochastic = policy_value(
        rows["chances"], rows["action"], rows["reward"], rows["chances"], method="snips"
    )
    assert stochastic.value.value == pytest.approx(rows["reward"].mean())
    assert (stochastic.gain.low, stochastic.gain.high) == pytest.approx((0, 0), abs=1e-12)


def test_actions_may_be_texts_and_a_policy_may_draw() -> None:
    rows = logs(3000, 3)
    names = np.asarray(["none", "mail", "call"])
    told = policy_value(
        np.full(3000, "call"), names[rows["action"]], rows["reward"], rows["chances"], actions=[*names]
    )
    again = policy_value(np.eye(3)[[2] * 3000], rows["action"], rows["reward"], rows["chances"])
    assert told.value == again.value


def test_rows_of_one_cluster_are_drawn_together() -> None:
    rows = logs(400, 4)
    twice = {name: np.concatenate([values] * 2) for name, values in rows.items()}
    given = twice["best"], twice["action"], twice["reward"], twice["chances"]
    blind, told = policy_value(*given), policy_value(*given, cluster=np.tile(np.arange(400), 2))
    assert told.value.high - told.value.low > 1.25 * (blind.value.high - blind.value.low)
    assert "400 groups" in told.value.method


def test_weights_are_cut_only_when_told_and_then_it_is_told() -> None:
    rows = logs(1000, 5)
    told = policy_value(rows["best"], rows["action"], rows["reward"], rows["chances"], clip=2.0)
    assert "cut to 2" in told.notes[0]


def wrong(**changed: Any) -> tuple[Any, ...]:
    rows = logs(500, 6) | changed
    return rows["best"], rows["action"], rows["reward"], rows["chances"]


ALWAYS_ONE = np.where(logs(500, 6)["x"] > 0, 1, logs(500, 6)["action"])


@pytest.mark.parametrize(
    ("given", "options", "says"),
    [
        (wrong(chances=None), {}, "without propensities"),
        (wrong(), {"method": "magic"}, "there is no method"),
        (wrong(best=np.full(500, 3)), {"actions": [0, 1, 2]}, "3 is none of the actions"),
        (wrong(best=np.full(500, 3), chances=np.full(500, 0.3)), {}, "that none of them has tried"),
        (wrong(chances=np.tile([0.5, 0.5, 0.0], (500, 1)), best=np.full(500, 2)), {}, "never done there"),
        (wrong(chances=np.full(500, 0.9)), {}, "average"),
        (wrong(action=ALWAYS_ONE, best=np.full(500, 2), chances=np.full(500, 0.4)), {}, "never done for some rows"),
        (wrong(chances=np.full(500, 1.5)), {}, "propensity"),
        (wrong(chances=np.zeros(500)), {}, "propensity"),
        (wrong(chances=np.full((500, 3), 0.5)), {}, "sum to 1"),
        (wrong(chances=np.full(400, 0.5)), {}, "shape"),
        (wrong(best=np.full((500, 2), 0.5)), {}, "shape"),
        (wrong(reward=np.where(np.arange(500) == 7, np.nan, 1.0)), {}, "row 8"),
        (wrong(reward=np.asarray(["a"] * 500)), {}, "numbers"),
        (wrong(reward=np.zeros(0)), {}, "shape"),
        (wrong(action=np.zeros(3)), {}, "one action"),
        (wrong(), {"expected": np.zeros((500, 2))}, "expected"),
        (wrong(), {"features": np.full((500, 1), np.nan)}, "features"),
    ],
)  # fmt: skip
def test_what_rows_cannot_tell_is_refused(given: Any, options: Any, says: str) -> None:
    with pytest.raises(DrivetrainError) as caught:
        policy_value(*given, **options)
    assert says in str(caught.value)
    assert isinstance(caught.value, DataError | UsageError)
    assert len(str(caught.value)) < 400


def test_too_little_that_is_like_the_policy_is_refused() -> None:
    made = np.random.default_rng(0)
    action = (made.random(2000) < 0.005).astype(int)
    with pytest.raises(DataError, match="rows' worth"):
        policy_value(np.ones(2000), action, made.normal(size=2000), np.where(action, 0.005, 0.995))
