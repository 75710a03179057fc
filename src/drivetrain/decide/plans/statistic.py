"""What is made of the draws: one number to compare settings by."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from drivetrain.errors import UsageError

Floats = npt.NDArray[np.float64]
Kind = Literal["mean", "quantile", "cvar", "below", "above"]
FORMS = 'Say "mean", "quantile 0.1", "cvar 0.1", "P(< 0)" or "P(> 0)".'
_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)"
_SHARE = re.compile(rf"(quantile|cvar)\s*\(?\s*{_NUMBER}\s*\)?", re.IGNORECASE)
_CHANCE = re.compile(rf"P\s*\(\s*([<>])\s*{_NUMBER}\s*\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Statistic:
    """`mean`; the `quantile` at the share `at`, between two draws by a straight line; `cvar`, the mean of the worst share `at`
    (Rockafellar and Uryasev, 2000, Journal of Risk 2:21-41); the chance of being `below` or `above` the value `at`."""

    kind: Kind = "mean"
    at: float = 0.0

    def __str__(self) -> str:
        if self.kind == "mean":
            return "mean"
        at = repr(self.at).removesuffix(".0")  # In full: a plan that is written is read again.
        if self.kind in ("below", "above"):
            return f"P({'<' if self.kind == 'below' else '>'} {at})"
        return f"{self.kind} {at}"

    def of(self, values: Floats, *, worst_is_low: bool) -> Floats:
        """Of values (S, D) one for each setting, (S,). Raises nothing: what isn't finite stays so."""
        if self.kind == "mean":
            return values.mean(axis=1)
        if self.kind == "below":
            return (values < self.at).mean(axis=1)
        if self.kind == "above":
            return (values > self.at).mean(axis=1)
        if self.kind == "quantile":
            return np.quantile(values, self.at, axis=1)
        weights = self._tail(values.shape[1])
        ordered = np.sort(values, axis=1)
        return (ordered if worst_is_low else ordered[:, ::-1]) @ weights

    def weights(self, values: Floats, *, worst_is_low: bool) -> Floats:
        """How much the statistic changes with each value, (S, D); of a chance, which has steps, 0 everywhere."""
        settings, draws = values.shape
        if self.kind == "mean":
            return np.full((settings, draws), 1 / draws)
        found = np.zeros((settings, draws))
        if self.kind in ("below", "above"):
            return found
        order = np.argsort(values, axis=1, kind="stable")
        if self.kind == "cvar":
            shares = np.broadcast_to(self._tail(draws), (settings, draws))
            np.put_along_axis(found, order if worst_is_low else order[:, ::-1], shares, axis=1)
            return found
        place = self.at * (draws - 1)
        low = min(int(place), draws - 1)
        high = min(low + 1, draws - 1)
        np.put_along_axis(found, order[:, low : low + 1], 1 - (place - low), axis=1)
        if high > low:
            np.put_along_axis(found, order[:, high : high + 1], place - low, axis=1)
        return found

    def _tail(self, draws: int) -> Floats:
        """The weights of the worst share `at` of the draws, the worst one first; the last counts in part."""
        whole = np.arange(draws, dtype=np.float64)
        return np.clip(self.at * draws - whole, 0.0, 1.0) / (self.at * draws)


def statistic(text: str | Statistic, where: str = "") -> Statistic:
    """The one that a text says. Raises UsageError."""
    if isinstance(text, Statistic):
        return text
    if text.strip().lower() == "mean":
        return Statistic()
    if found := _SHARE.fullmatch(text.strip()):
        kind, share = found[1].lower(), float(found[2])
        lowest = share >= 0 if kind == "quantile" else share > 0
        if not (lowest and share <= 1):
            raise UsageError(f"a share of {share:g} is not between 0 and 1.", where=where, fix=FORMS)
        return Statistic("quantile" if kind == "quantile" else "cvar", share)
    if (found := _CHANCE.fullmatch(text.strip())) and math.isfinite(float(found[2])):
        return Statistic("below" if found[1] == "<" else "above", float(found[2]))
    raise UsageError(f"there is no statistic {text!r}.", where=where, fix=FORMS)
