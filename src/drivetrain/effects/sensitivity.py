"""How strong a cause that nobody recorded would have to be to turn an effect's sign."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.effects.design import Term, terms_of
from drivetrain.effects.estimated import known
from drivetrain.effects.form import BENDS, columns_of
from drivetrain.effects.randomised import lever_columns
from drivetrain.effects.rows import Asked
from drivetrain.evidence.regression import t_quantile
from drivetrain.figures import percent

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """`robustness`: a hidden cause that explains this part of what is left of both lever and outcome makes the effect 0, and
    `robustness_95` makes its interval hold 0; with less of both neither happens. `strongest` is the recorded column that counts
    most, which explains `of_lever` and `of_outcome` of what the others leave; a hidden cause as strong as it would leave the
    effect at `beside`. `e_value` for a ratio of shares: by how much a hidden cause must at least raise the risk of both."""

    label: str
    robustness: float
    robustness_95: float
    strongest: str = ""
    of_lever: float = math.nan
    of_outcome: float = math.nan
    beside: float = math.nan
    e_value: float = math.nan

    @property
    def turns(self) -> bool:
        """Whether a hidden cause as strong as the strongest recorded one would turn the sign."""
        return not math.isnan(self.beside) and self.beside <= 0

    def words(self, lever: str, outcome: str) -> str:
        said = (
            f"A hidden cause that explains {percent(self.robustness)} of what is left of both {lever} and {outcome} would turn "
            "the sign"
        )
        if self.strongest:
            said += (
                f"; {self.strongest}, the strongest that was recorded, explains {percent(self.of_lever)} and "
                f"{percent(self.of_outcome)}, and a hidden one like it would {'turn' if self.turns else 'not turn'} it"
            )
        said += "."
        if not math.isnan(self.e_value):
            said += f" As a ratio: one that raises the chance of both by a factor of {self.e_value:.2f} (E-value)."
        return said

    def to_json(self) -> dict[str, Any]:
        figures = {
            name: getattr(self, name)
            for name in ("robustness", "robustness_95", "of_lever", "of_outcome", "beside", "e_value")
        }
        plain = {name: known(each) for name, each in figures.items()}
        return {"label": self.label, **plain, "strongest": self.strongest, "turns": self.turns}


def sensitivity(
    asked: Asked, at: int = 0, ratio: float = math.nan, held: Sequence[Term] | None = None
) -> Sensitivity:
    """For one contrast (the `at`-th of the lever's), by the linear regression on the columns held fixed, in the form `held`.

    Cinelli and Hazlett (2020), Journal of the Royal Statistical Society B 82:39-67: robustness values, and the bound by a
    recorded column (their 4.4). E-value: VanderWeele and Ding (2017), Annals of Internal Medicine 167:268-274.
    `beside` is in the direction of the effect: below 0 where its sign has turned.
    """
    lever, labels = lever_columns(asked)
    use = np.ones(asked.n, bool) if asked.kind != "choice" else (asked.t == 0) | (asked.t == at + 1)
    x, terms = columns_of(terms_of(asked.rows, asked.adjust, BENDS)[0] if held is None else held, asked.rows)
    freedom = int(use.sum()) - x.shape[1] - 2
    columns = np.column_stack([np.ones(freedom + x.shape[1] + 2), x[use], lever[use, at], asked.y[use]])
    # The same products of columns, in as few rows as there are columns.
    small = np.asarray(np.linalg.qr(columns)[1], np.float64)
    x, t, y = small[:, :-2], small[:, -2], small[:, -1]
    t_left, y_left = _left(x, t), _left(x, y)
    if freedom < 2 or not float(t_left @ t_left) > 1e-12 * float(t @ t):
        return Sensitivity(labels[at], 0.0, 0.0)  # Nothing of the lever is left: anything could turn it.
    slope = float(t_left @ y_left / (t_left @ t_left))
    error = math.sqrt(float(((y_left - slope * t_left) ** 2).sum()) / freedom / float(t_left @ t_left))
    if error == 0:
        return Sensitivity(labels[at], 1.0, 1.0)
    f = abs(slope) / error / math.sqrt(freedom)
    f_95 = f - t_quantile(0.975, freedom - 1) / math.sqrt(freedom - 1)
    strongest = ("", math.nan, math.nan, math.nan)
    for name in asked.adjust:
        keep = np.array([True, *(all(atom.column != name for atom in term) for term in terms)])
        if keep.all():
            continue
        of_lever, of_outcome = _told(x, keep, t), _told(np.column_stack([x, t]), np.append(keep, True), y)
        moved = _bias(of_lever, of_outcome) * error * math.sqrt(freedom)
        beside = abs(slope) - moved
        if not strongest[0] or beside < strongest[3]:
            strongest = (name, of_lever, of_outcome, beside)
    return Sensitivity(labels[at], _robustness(f), _robustness(max(f_95, 0.0)), *strongest, e_value(ratio))


def e_value(ratio: float) -> float:
    """Of a ratio of shares; NaN of none."""
    if math.isnan(ratio) or ratio <= 0:
        return math.nan
    away = max(ratio, 1 / ratio)
    return away + math.sqrt(away * (away - 1))


def _robustness(f: float) -> float:
    return 0.5 * (math.sqrt(f**4 + 4 * f**2) - f**2)


def _left(x: Floats, y: Floats) -> Floats:
    return y - x @ np.linalg.lstsq(x, y, rcond=None)[0]


def _told(x: Floats, keep: npt.NDArray[np.bool_], y: Floats) -> float:
    """The part of what the kept columns leave of y that the others tell."""
    less, all_of_them = float((_left(x[:, keep], y) ** 2).sum()), float((_left(x, y) ** 2).sum())
    return max(1 - all_of_them / less, 0.0) if less > 0 else 0.0


def _bias(of_lever: float, of_outcome: float) -> float:
    """In standard errors times the root of the degrees of freedom, of a hidden cause as strong as a column that tells so much."""
    of_lever, of_outcome = min(of_lever, 0.999), min(of_outcome, 0.999)
    lever = min(of_lever / (1 - of_lever), 0.999)
    both = of_lever**2 / max((1 - of_lever) * (1 - of_lever), 1e-9)
    if both >= 1:
        return math.inf
    outcome = min(((1 + math.sqrt(both)) / math.sqrt(1 - both)) ** 2 * of_outcome / (1 - of_outcome), 1.0)
    return math.sqrt(outcome * lever / (1 - lever))
