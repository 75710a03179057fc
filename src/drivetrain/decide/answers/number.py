"""A number and its range as a distribution."""

from __future__ import annotations

from typing import cast

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.codecs.base import Quantity
from drivetrain.decide.answers.base import Floats, Uncertain
from drivetrain.errors import UsageError
from drivetrain.types import Array


def uncertain(codec: Codec, answers: str, draws: str, where: str) -> Uncertain:
    """A normal distribution on the scale on which the number was learned (z), about what the model answers.

    Its quantiles at (1 - coverage) / 2 and (1 + coverage) / 2 are the ends of the range that was measured (a conformal
    interval: `codecs/number.py`), as wide there as they are. The range says nothing of what is beyond it: the normal is
    what is usual, no promise. Nothing leaves `lowest` and `highest`. The answer is the median.
    """
    quantity = cast("Quantity", codec)
    if answers not in ("", "value") or draws:
        raise UsageError(
            f"a number has no {answers or draws!r}.", where=where, fix="Leave `answers` and `draws` out."
        )
    if quantity.interval is None:
        raise UsageError(
            "this model says a number and not how sure it is: what rests on it would look surer than it is.", where=where,
            fix="Train it again with a part that validates, where its ranges are measured; or put a `chance` about it that you "
            "can stand for.",
        )  # fmt: skip
    from scipy.special import ndtri  # pyright: ignore[reportMissingTypeStubs]

    ends = np.array(
        [0.0, 1.0]
    )  # The scale that the graph works on is z over some spread: how much, two points tell.
    spread = float(np.diff(quantity.transform(ends))[0] / np.diff(quantity.scaled(ends))[0])
    reach = quantity.interval * spread / float(ndtri((1 + quantity.coverage) / 2))
    lowest = -np.inf if quantity.lowest is None else quantity.lowest
    highest = np.inf if quantity.highest is None else quantity.highest

    def of(outputs: Array) -> Floats:
        values = quantity.within(outputs.reshape(len(outputs)).astype(np.float64))
        return np.stack(
            [quantity.transform(values), reach * quantity.factors(quantity.scaled(values))], axis=-1
        )

    def quantile(parts: Floats, uniform: Floats) -> Floats:
        made = quantity.inverse(parts[..., 0] + parts[..., 1] * np.asarray(ndtri(uniform), np.float64))
        return np.asarray(quantity.within(np.clip(made, lowest, highest)), np.float64)

    scale = "the logarithm of the number" if quantity.log else "the number"
    return Uncertain(
        f"{scale} is normal about the answer, with {quantity.coverage:.0%} in the range that was measured; each row errs by itself",
        of, quantile,
    )  # fmt: skip
