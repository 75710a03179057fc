"""What could turn a decision: the uncertain things on which the gain hangs, and causes that nobody measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.decide.judge.decision import Turning
from drivetrain.decide.plans.plan import Plan
from drivetrain.figures import number, rough

Floats = npt.NDArray[np.float64]
TENTH = 0.1
SAME = 1e-9


def turning(plan: Plan, means: Mapping[str, Floats], gains: Floats | None) -> Turning:
    """Of what is drawn: the mean gain over the tenth of the draws in which each uncertain outcome, by its mean over rows at the
    proposed setting (D,), is least, and over that in which it is greatest. `gains` (D,): above 0 is better."""
    sensitivity = tuple(dict(each) for node in plan.nodes for each in node.sensitivity)
    words = [str(each["words"]) for each in sensitivity]
    if gains is None:
        return Turning((), sensitivity, tuple(words))
    bars = [
        bar for node in plan.nodes if node.by_chance and (bar := _bar(node.name, means[node.name], gains))
    ]
    bars.sort(key=lambda bar: -abs(bar["at_high"] - bar["at_low"]))
    whole = float(gains.mean())
    told = [_words(bar, whole) for bar in bars if bar["turns"]]
    return Turning(tuple(bars), sensitivity, (*told, *words))


def _bar(name: str, values: Floats, gains: Floats) -> dict[str, Any] | None:
    spread = float(values.max() - values.min())
    tail = int(len(values) * TENTH)
    if tail < 1 or spread <= SAME * max(1.0, float(np.abs(values).max())):
        return None
    order = np.argsort(values, kind="stable")
    least, most = order[:tail], order[-tail:]
    at_low, at_high = float(gains[least].mean()), float(gains[most].mean())
    # Other uncertain things make such means differ too: what is no more than that says nothing of this one.
    noise = 2 * float(gains.std()) * (2 / tail) ** 0.5
    if abs(at_high - at_low) <= max(noise, SAME * max(1.0, float(np.abs(gains).max()))):
        return None
    whole = float(gains.mean())
    turns = whole != 0 and min(at_low * whole, at_high * whole) < 0
    return {
        "name": name, "low": float(values[least].mean()), "high": float(values[most].mean()), "at_low": at_low,
        "at_high": at_high, "turns": bool(turns),
    }  # fmt: skip


def _words(bar: Mapping[str, Any], whole: float) -> str:
    at = "low" if bar["at_low"] * whole < 0 else "high"
    what = "a loss of" if whole > 0 else "a gain of"
    return f"where {bar['name']} is about {number(bar[at])}, there is {what} {rough(abs(bar[f'at_{at}']))} instead"
