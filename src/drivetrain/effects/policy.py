"""What another policy would have earned, from rows in which one was followed that is known: off-policy values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from drivetrain.effects.bases import ridge
from drivetrain.effects.folds import fold_of
from drivetrain.errors import DataError, UsageError
from drivetrain.figures import counted, percent
from drivetrain.metrics.estimate import Estimate, Statistic

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Method = Literal["dr", "snips", "ips"]
METHODS: dict[Method, str] = {
    "dr": "doubly robust",
    "snips": "self-normalised inverse propensities",
    "ips": "inverse propensities",
}
FEWEST = 20
"""Rows' worth of evidence below which no value is told."""
SUM = 1e-6
FAR = 5.0
"""Standard errors by which the mean weight may be off 1, its expectation."""


@dataclass(frozen=True, slots=True, eq=False)
class PolicyValue:
    """What a policy is worth a row, beside what the rows have earned as they were.

    `gain` is the difference, taken row by row. `effective` is (sum w)^2 / sum w^2 of the weights w = policy / propensity: as
    many rows drawn by the policy itself would tell about as much (Kish, 1965). `heaviest` is the share of all weight that the
    heaviest row has. Reward units; intervals are 95 %.
    """

    value: Estimate
    logged: Estimate
    gain: Estimate
    method: str
    effective: float
    heaviest: float
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "value": self.value.to_json(), "logged": self.logged.to_json(), "gain": self.gain.to_json(),
            "method": self.method, "effective": self.effective, "heaviest": self.heaviest, "notes": [*self.notes],
        }  # fmt: skip

    def __str__(self) -> str:
        lines = [
            f"the policy: {_told(self.value)} a row, by {self.method}",
            f"as logged:  {_told(self.logged)}",
            f"gain:       {_told(self.gain)}" + ("" if _apart(self.gain) else ", which could be chance"),
            f"evidence:   as of {self.effective:,.0f} rows that follow the policy, of {self.value.n:,}",
        ]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])


def policy_value(
    policy: npt.ArrayLike,
    action: npt.ArrayLike,
    reward: npt.ArrayLike,
    propensity: npt.ArrayLike | None,
    *,
    actions: Sequence[Any] | None = None,
    expected: npt.ArrayLike | None = None,
    features: npt.ArrayLike | None = None,
    method: Method = "dr",
    clip: float | None = None,
    cluster: npt.ArrayLike | None = None,
    seed: int = 0,
) -> PolicyValue:
    """The mean reward had `policy` chosen, from rows in which `action` (n,) was taken with `propensity` and gave `reward` (n,).

    `policy` says the action for each row (n,), or the probability of each of K `actions` (n, K) (None: all that occur,
    sorted). `propensity` is the probability with which the action of the row was chosen (n,), or that of every action (n, K);
    it was logged, or belongs to a design: never a guess of this function. `expected` (n, K) is the reward that a model
    predicts, which must not have seen the row; None: with `features` (n, p) such a model is made here (ridge for each action,
    cross-fitted), without them it is each action's mean. `clip` caps the weights, which trades spread for bias, and is told.
    Rows of equal `cluster` are drawn together.

    ips: mean of w r (Horvitz and Thompson, 1952). snips: sum w r / sum w (Hajek, 1971; Swaminathan and Joachims, 2015).
    dr: mean of sum_k policy_k expected_k + w (r - expected_action) (Dudik, Langford and Li, 2011).
    Raises UsageError without propensities; DataError where the rows can't tell: the policy does what was never done, the
    propensities are not those of the log, too little of the log is like the policy.
    """
    if propensity is None:
        raise UsageError(
            "without propensities nobody can tell what another policy would have earned.",
            fix="Log the probability with which each action is chosen, as epsilon_greedy and Thompson do; "
            "of a treatment that was not assigned by chance, learn_uplift estimates them.",
        )
    if method not in METHODS:
        raise UsageError(f"there is no method {method!r}.", fix=f"Take one of {', '.join(METHODS)}.")
    earned = _numbers(reward, "reward")
    taken, chosen = _coded(policy, np.asarray(action), actions, len(earned))
    n = len(earned)
    logged = _propensities(propensity, taken, chosen)
    here = np.arange(n)
    weight = chosen[here, taken] / logged
    notes: list[str] = []
    if clip is None:
        _refuse_no_overlap(weight, chosen, taken)
    else:
        weight, share = np.minimum(weight, clip), float((weight > clip).mean())
        notes.append(
            f"the weights of {percent(share)} of the rows are cut to {clip:g}: the value is off by what they'd have added"
        )
    effective = float(weight.sum() ** 2 / (weight**2).sum()) if weight.any() else 0.0
    if effective < FEWEST:
        raise DataError(
            f"of {n:,} rows only {effective:.0f} rows' worth are like the policy.",
            fix="Log more rows, or ask about a policy that is closer to what was done.",
        )
    heaviest = float(weight.max() / weight.sum())
    if heaviest > 0.05:
        notes.append(
            f"a single row carries {percent(heaviest, 0)} of the weight: the interval may be too narrow"
        )
    if method == "snips":
        value = Statistic((weight * earned, weight))
        gain = Statistic(
            (weight * earned, weight, earned, np.ones(n)),
            lambda sums: sums[:, 0] / sums[:, 1] - sums[:, 2] / sums[:, 3],
        )
    else:
        each = weight * earned
        if method == "dr":
            guess = _expected(expected, features, earned, taken, chosen.shape[1], weight, cluster, seed)
            each = (chosen * guess).sum(axis=1) + weight * (earned - guess[here, taken])
        value, gain = Statistic.mean_of(each), Statistic.mean_of(each - earned)
    drawn = None if cluster is None else np.asarray(cluster)
    parts = value, Statistic.mean_of(earned), gain
    found, before, more = (part.drawn_by(drawn).estimate(seed) for part in parts)
    return PolicyValue(found, before, more, METHODS[method], effective, heaviest, tuple(notes))


def _coded(
    policy: npt.ArrayLike, action: npt.NDArray[Any], actions: Sequence[Any] | None, n: int
) -> tuple[Codes, Floats]:
    """The place (n,) of each action that was taken, and the policy as probabilities (n, K)."""
    wanted = np.asarray(policy)
    if action.shape != (n,):
        raise DataError(
            f"there are {n:,} rewards and actions of shape {action.shape}.",
            fix="Give one action for each row.",
        )
    if wanted.ndim == 2:
        known = np.unique(action) if actions is None else np.asarray([*actions])
    else:
        known = (
            np.unique(np.concatenate([action, wanted.ravel()])) if actions is None else np.asarray([*actions])
        )
    taken = _places(action, known, "action")
    if wanted.ndim == 1 and wanted.shape == (n,):
        return taken, np.eye(len(known))[_places(wanted, known, "policy")]
    if wanted.shape != (n, len(known)):
        raise DataError(
            f"the policy has shape {wanted.shape} where there are {n:,} rows and {counted(len(known), 'action', 'actions')}.",
            fix="Give the action for each row, or the probability of each action in a column of its own.",
        )
    chosen = wanted.astype(np.float64)
    _refuse_no_distribution(chosen, "policy")
    return taken, chosen


def _places(values: npt.NDArray[Any], known: npt.NDArray[Any], what: str) -> Codes:
    places = {each: place for place, each in enumerate(known.tolist())}
    found = np.asarray([places.get(each, -1) for each in values.tolist()], np.int64)
    if (found < 0).any():
        row = int(np.argmin(found))
        raise DataError(f"{values.tolist()[row]!r} is none of the actions.", where=f"{what}, row {row + 1}")
    return found


def _numbers(values: npt.ArrayLike, what: str) -> Floats:
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError) as fault:
        raise DataError(f"{what} has to be numbers.") from fault
    if found.ndim != 1 or not len(found):
        raise DataError(f"{what} has shape {found.shape}.", fix="Give one number for each row.")
    if not np.isfinite(found).all():
        raise DataError(f"{what} is not a number.", where=f"row {int(np.argmin(np.isfinite(found))) + 1}")
    return found


def _refuse_no_distribution(given: Floats, what: str) -> None:
    wrong = ~(
        np.isfinite(given).all(axis=1) & (given >= 0).all(axis=1) & (np.abs(given.sum(axis=1) - 1) < SUM)
    )
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{[*given[row]]} are no probabilities that sum to 1.", where=f"{what}, row {row + 1}"
        )


def _propensities(propensity: npt.ArrayLike, taken: Codes, chosen: Floats) -> Floats:
    """(n,) those of the actions that were taken. Raises DataError for a policy that does what can't have been done."""
    given = np.asarray(propensity, np.float64)
    n = len(taken)
    if given.ndim == 2 and given.shape == chosen.shape:
        _refuse_no_distribution(given, "propensity")
        never = np.where(given > 0, 0.0, chosen).sum(axis=1)
        if never.any():
            raise DataError(
                f"in {percent(float((never > 0).mean()))} of the rows the policy does what was never done there: "
                "what that earns isn't in these rows.",
                fix="Ask about a policy that keeps to what was tried.",
            )
        given = given[np.arange(n), taken]
    elif given.ndim == 0:
        given = np.full(n, float(given))
    elif given.shape != (n,):
        raise DataError(
            f"propensity has shape {given.shape} where there are {n:,} rows.",
            fix="Give that of the action taken for each row.",
        )
    wrong = ~((given > 0) & (given <= 1))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"the propensity of an action that was taken can't be {given[row]:g}.",
            where=f"row {row + 1}",
            fix="It is above 0 and at most 1.",
        )
    return given


def _refuse_no_overlap(weight: Floats, chosen: Floats, taken: Codes) -> None:
    """The mean weight is 1 where the policy keeps to what was tried and the propensities are those of the log."""
    missing = chosen.mean(axis=0) * (np.bincount(taken, minlength=chosen.shape[1]) == 0)
    if missing.any():
        raise DataError(
            f"the policy takes an action for {percent(float(missing.sum()))} of the rows that none of them has tried.",
            fix="Ask about a policy that keeps to what was tried.",
        )
    n = len(weight)
    mean, error = float(weight.mean()), float(weight.std() / np.sqrt(n))
    if abs(mean - 1) > max(FAR * error, SUM):
        raise DataError(
            f"the weights average {mean:.3f} and not 1: the policy does what was never done for some rows, or these "
            "propensities are not those by which the actions were chosen.",
            fix="Look at which rows never got what the policy gives them; check the propensities.",
        )


def _expected(
    expected: npt.ArrayLike | None,
    features: npt.ArrayLike | None,
    reward: Floats,
    taken: Codes,
    k: int,
    weight: Floats,
    cluster: npt.ArrayLike | None,
    seed: int,
) -> Floats:
    """(n, K): what each action is expected to earn, by who has not seen the row's reward; by its mean where nobody knows more."""
    n = len(reward)
    if expected is not None:
        found = np.asarray(expected, np.float64)
        if found.shape != (n, k) or not np.isfinite(found).all():
            raise DataError(f"expected rewards are finite numbers of shape ({n}, {k}), not {found.shape}.")
        return found
    if features is None:
        with np.errstate(invalid="ignore"):
            means = np.bincount(taken, weight * reward, k) / np.bincount(taken, weight, k)
        return np.broadcast_to(np.where(np.isfinite(means), means, reward.mean()), (n, k))
    x = np.asarray(features, np.float64)
    if x.ndim != 2 or len(x) != n or not np.isfinite(x).all():
        raise DataError(f"features are finite numbers of shape ({n}, p), not {x.shape}.")
    found = np.empty((n, k))
    folds = fold_of(n, 5, seed, within=taken, cluster=cluster)
    for fold in range(int(folds.max()) + 1):
        held = folds == fold
        for each in range(k):
            rows = ~held & (taken == each)
            found[held, each] = ridge(x[rows], reward[rows])(x[held]) if rows.any() else reward[~held].mean()
    return found


def _told(estimate: Estimate) -> str:
    return f"{estimate.value:.4g} ({estimate.low:.4g} to {estimate.high:.4g})"


def _apart(estimate: Estimate) -> bool:
    return estimate.low > 0 or estimate.high < 0
