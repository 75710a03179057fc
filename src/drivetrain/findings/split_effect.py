"""How much the split matters: the same trees, validated at random and by the split that the table speaks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from drivetrain.codecs import Quantity
from drivetrain.data.dataset import Dataset
from drivetrain.data.proposals import Proposal, propose_split
from drivetrain.data.refit import refitted
from drivetrain.data.split import Split
from drivetrain.errors import DrivetrainError
from drivetrain.learn.trees.model import fit_trees, left_out
from drivetrain.metrics import Estimate, measure
from drivetrain.metrics.names import printed

MOST_ROWS, MOST_ROUNDS = 50_000, 200
"""Of a larger table as many rows, drawn by the seed, tell the difference; and as many rounds of trees."""


@dataclass(frozen=True)
class SplitDifference:
    """A proposed split, and one metric of the same method validated by the split as it is and by the proposed one."""

    proposal: Proposal
    metric: str
    now: Estimate
    proposed: Estimate

    @property
    def option(self) -> str:
        """The split as the command line takes it."""
        return self.proposal.option

    @property
    def words(self) -> str:
        """What was found, in two sentences."""
        name = printed(self.metric)
        told = (
            f"Measured with gradient-boosted trees, {name} is {_interval(self.now)} at random and {_interval(self.proposed)} "
            f"with {self.option}"
        )
        if self.proposed.low > self.now.high:
            share = self.proposed.value / self.now.value - 1 if self.now.value > 0 else float("inf")
            worse = f"by {share:.0%}" if share < 10 else "many times"
            return f"{told}: the random split flatters {worse}."
        if self.proposed.high < self.now.low:
            return f"{told}: here the proposed split is not the harder one."
        return f"{told}: no difference that these rows could show."

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.proposal.column, "option": self.option, "reason": self.proposal.reason, "metric": self.metric,
            "now": self.now.to_json(), "proposed": self.proposed.to_json(), "words": self.words,
        }  # fmt: skip


def split_difference(data: Dataset, seed: int = 0) -> SplitDifference | None:
    """Measure what the table's own split would change; None where it speaks for none, or trees can't be fitted."""
    targets = list(data.signature.targets)
    if data.together("valid") is not None:
        return None  # Windows are split by their recordings, and not at random.
    if not data.kinds or len(left_out(data.signature)) == len(data.signature.inputs):
        return None
    proposal = propose_split(data.table, data.kinds, targets)
    if proposal is None:
        return None
    try:
        parts = proposal.splitter(data.table)
        train, valid = (np.setdiff1d(rows, data.split.test) for rows in (parts.train, parts.valid))
        proposed = refitted(data, Split(train, valid, data.split.test))
        found = [_measured(each, seed) for each in (data, proposed)]
    except DrivetrainError:
        return None
    return SplitDifference(proposal, _metric(data), *found)


def _metric(data: Dataset) -> str:
    codec = next(iter(data.signature.targets.values()))
    return "root_mean_squared_error" if isinstance(codec, Quantity) else "error_rate"


def _measured(data: Dataset, seed: int) -> Estimate:
    """The metric of trees fitted to the training rows on the valid ones."""
    target, codec = next(iter(data.signature.targets.items()))
    train, asked = data.part("train"), data.part("valid").batch()
    chosen = slice(None)
    if len(train) > MOST_ROWS:
        chosen = np.sort(np.random.default_rng(seed).choice(len(train), MOST_ROWS, replace=False))
    model = fit_trees(data.signature, train.batch(chosen), target, seed=seed, most_rounds=MOST_ROUNDS)
    return measure(codec, model.predict(asked), asked[target], seed, data.together("valid"))[_metric(data)]


def _interval(estimate: Estimate) -> str:
    return f"{estimate.value:.4g} [{estimate.low:.4g}, {estimate.high:.4g}]"
