"""Whether columns that are named as held fixed can be: where they are missing, or different in nearly every row, they aren't."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from drivetrain.effects.adjusted import Adjusted, adjusted
from drivetrain.effects.design import often
from drivetrain.effects.estimated import Check, apart, signed
from drivetrain.effects.rows import FEWEST, FEWEST_OF_A_SETTING, Asked
from drivetrain.figures import percent

DOUBT, TOO_MANY = 0.2, 0.5
"""The share of rows whose text is too rare to be held fixed from which it is told, and from which the effect is refused."""
GAPS = 0.02
FAR = 3.0
"""Standard errors between the rows without gaps and all of them."""


def held_fixed(asked: Asked, found: Adjusted, seed: int = 0) -> list[Check]:
    """Checks of the columns of `asked.adjust`; none where there is nothing to tell."""
    checks = list[Check]()
    gaps = np.zeros(asked.n, bool)
    for name in asked.adjust:
        value, texts = asked.rows.of(name), asked.rows.levels.get(name)
        gaps |= np.isnan(value) | ((value < 0) if texts else False)
        counts = (
            np.bincount(value[value >= 0].astype(int), minlength=len(texts))
            if texts
            else np.zeros(0, np.int64)
        )
        if counts.sum() and (share := 1 - float(counts[often(counts)].sum()) / asked.n) > DOUBT:
            words = (
                f"In {percent(share)} of the rows {name} is rare ({int((counts > 0).sum()):,} different texts), and there it "
                "isn't held fixed. Give dates as a number of days, and join what is rare into groups."
            )
            checks.append(Check("held fixed", False, share, words, share > TOO_MANY))
    if gaps.mean() > GAPS:
        checks += _without_gaps(asked, found, gaps, seed)
    return checks


def _without_gaps(asked: Asked, found: Adjusted, gaps: npt.NDArray[np.bool_], seed: int) -> list[Check]:
    whole = asked.part(~gaps)
    share, told = float(gaps.mean()), "a column held fixed is missing, and there it isn't held fixed"
    levels = 2 if asked.kind == "switch" else len(asked.levels)
    kinds = np.bincount(whole.t.astype(int), minlength=levels) if asked.kind != "number" else [whole.n]
    if (
        whole.n < 2 * FEWEST
        or min(kinds) < FEWEST_OF_A_SETTING
        or np.ptp(whole.y) == 0
        or np.ptp(whole.t) == 0
    ):
        return [Check("gaps", False, share, f"In {percent(share)} of the rows {told}.", share > TOO_MANY)]
    alone = adjusted(whole, seed=seed, free=found.free).contrasts[0]
    off = apart(alone.value - found.contrasts[0].value, alone.error)
    words = (
        f"In {percent(share)} of the rows {told}: with them it is {signed(found.contrasts[0].value)}, without them "
        f"{signed(alone.value)}. If chance made the gaps, leave those rows out."
    )
    return [Check("gaps", abs(off) < FAR, off, words, abs(off) >= FAR)]
