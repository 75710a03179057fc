"""What a lever does to an outcome, as far as rows can tell: an effect, or a comparison that says that it is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.arguments import public
from drivetrain.effects.adjusted import By, adjusted_well
from drivetrain.effects.claim import Claim
from drivetrain.effects.estimated import Check, Contrast, apart, signed
from drivetrain.effects.held import held_fixed
from drivetrain.effects.overlap import overlap
from drivetrain.effects.randomised import balance, covariates, lever_columns, plain_contrasts
from drivetrain.effects.refute import TRIES, refute
from drivetrain.effects.rows import Asked, ask
from drivetrain.effects.sensitivity import Sensitivity, sensitivity
from drivetrain.errors import DataError, DrivetrainError, UsageError
from drivetrain.evidence.regression import regress
from drivetrain.runtime.columns import Source

Floats = npt.NDArray[np.float64]

TURNING = 3.0
"""Standard errors by which another column must move an effect to be told."""


@dataclass(frozen=True, eq=False)
class Effect:
    """What `lever` does to `outcome`: a contrast for a number or a switch, one for each choice but the first. `claim` is what
    the rows bear out: "undeclared" where nobody declared any, or a check refuses it, and then the contrasts compare and no more.
    `plain` are the contrasts with nothing held fixed."""

    lever: str
    outcome: str
    contrasts: tuple[Contrast, ...]
    plain: tuple[Contrast, ...]
    claim: Claim
    checks: tuple[Check, ...]
    sensitivity: tuple[Sensitivity, ...]
    notes: tuple[str, ...]

    @property
    def is_effect(self) -> bool:
        """Whether it may be called one: somebody declared where it comes from, and no check refuses that."""
        return self.claim.kind != "undeclared"

    @property
    def value(self) -> float:
        """Of the first contrast."""
        return self.contrasts[0].value

    @property
    def words(self) -> str:
        """A paragraph: the effect first, then its interval, where it comes from, and what speaks against it."""
        said = list[str]()
        for one in self.contrasts:
            what = (
                f"moves {self.outcome} by" if self.is_effect else f"goes with {self.outcome} that differs by"
            )
            said.append(f"{one.label[0].upper()}{one.label[1:]} {what} {one.words}.")
        if self.is_effect:
            said.append(f"The claim: {self.claim}.")
        else:
            said.append(
                "This is a comparison, not an effect: what made the lever differ may have made the outcome differ."
            )
        if len(self.contrasts) > 2:
            said.append(
                f"These are {len(self.contrasts)} comparisons: of such one in twenty has p below .05 by chance alone."
            )
        said += [self.claim.why] if self.claim.why and not self.is_effect else []
        if self.claim.kind == "adjusted":
            said.append(f"With nothing held fixed it would be {signed(self.plain[0].value)}.")
        said += [each.words for each in self.checks if not each.holds and each.words != self.claim.why]
        said += [each.words(self.lever, self.outcome) for each in self.sensitivity[:1]]
        return " ".join((*said, *self.notes))

    def __str__(self) -> str:
        return self.words

    def to_json(self) -> dict[str, Any]:
        return {
            "lever": self.lever, "outcome": self.outcome, "is_effect": self.is_effect,
            "contrasts": [each.to_json() for each in self.contrasts], "plain": [each.to_json() for each in self.plain],
            "claim": self.claim.to_json(), "checks": [each.to_json() for each in self.checks],
            "sensitivity": [each.to_json() for each in self.sensitivity], "notes": [*self.notes], "words": self.words,
        }  # fmt: skip


@public
def effect(
    rows: Source,
    *,
    lever: str,
    outcome: str,
    claim: object = None,
    adjust: Sequence[str] | None = None,
    propensity: str | None = None,
    clusters: str | None = None,
    base: str | None = None,
    by: By = "linear",
    tries: int = TRIES,
    seed: int = 0,
) -> Effect:
    """What `lever` (a column of numbers, of 0 and 1, or of choices) does to `outcome` (numbers), from rows of a table: a CSV's
    path, a mapping of columns, a frame of pandas, polars or pyarrow.

    `claim` says how the lever was set. "randomised": by chance, in the rows' own shares or with the `propensity` that a column
    holds, of what was done; the columns `adjust`, known before, only take noise away, and the balance check is of them (of all
    others, where it isn't given). {"adjusted": [columns]}: by habit, but for rows alike in these as good as by chance; then
    double machine learning `by` ridge regressions, LightGBM's trees, the better of both ("auto") or EconML, its overlap check,
    refuters of so many `tries` (0: none), and how strong a hidden cause would have to be. None: nobody knows, and what comes is
    a comparison.

    `clusters` names a column of rows that belong together, `base` the choice that the others are compared with.
    Raises UsageError and DataError for what can't be asked (see `rows.ask`).
    """
    asked = ask(
        rows, lever=lever, outcome=outcome, claim=claim, adjust=adjust, clusters=clusters, base=base,
        apart=[propensity] if propensity else (),
    )  # fmt: skip
    plain, _ = plain_contrasts(replace(asked, adjust=()))
    if asked.claim.kind == "randomised":
        return _randomised(asked, tuple(plain), _weights(asked, propensity))
    if propensity:
        raise UsageError(
            "a propensity is of a randomised lever.", where="propensity", fix='Claim "randomised".'
        )
    if asked.claim.kind == "adjusted":
        return _adjusted(asked, tuple(plain), by, tries, seed)
    contrasts, told = plain_contrasts(asked)
    notes = (*asked.notes, *told, *turning(asked, contrasts[0]))
    if asked.claim.kind != "undeclared":
        notes = (f"Nothing in these rows bears out that it is {asked.claim}.", *notes)
    return Effect(lever, outcome, tuple(contrasts), tuple(plain), asked.claim, (), (), notes)


def refused(claim: Claim, checks: Sequence[Check]) -> Claim:
    """The claim, unless a check refuses it: then nothing is declared, and that is why."""
    why = " ".join(each.words for each in checks if each.refuses)
    return Claim("undeclared", why=why) if why else claim


def _randomised(asked: Asked, plain: tuple[Contrast, ...], weights: Floats | None) -> Effect:
    contrasts, told = plain_contrasts(asked, weights)
    checks = (balance(asked, weights),)
    claim = refused(asked.claim, checks)
    notes = (*asked.notes, *told, *_bent(asked, weights))
    if claim.kind == "undeclared":
        notes = (*notes, *turning(asked, contrasts[0]))
    return Effect(asked.lever, asked.outcome, tuple(contrasts), plain, claim, checks, (), notes)


def _adjusted(asked: Asked, plain: tuple[Contrast, ...], by: By, tries: int, seed: int) -> Effect:
    found = adjusted_well(asked, by=by, seed=seed)
    checks = [overlap(asked, found.expected_lever), *held_fixed(asked, found, seed)]
    claim = refused(asked.claim, checks)
    if tries and claim.kind == "adjusted":
        checks += refute(asked, found, seed=seed, tries=tries)
    shares = bool(np.isin(asked.y, (0, 1)).all())
    hidden = tuple(
        sensitivity(asked, at, one.ratio if shares else float("nan"), found.terms)
        for at, one in enumerate(found.contrasts)
    )
    return Effect(
        asked.lever, asked.outcome, tuple(found.contrasts), plain, claim, tuple(checks), hidden,
        (*asked.notes, *found.told, *turning(asked, found.contrasts[0])),
    )  # fmt: skip


def _weights(asked: Asked, propensity: str | None) -> Floats | None:
    if propensity is None:
        return None
    value = asked.rows.of(propensity)
    wrong = ~((value > 0) & (value <= 1))
    if wrong.any():
        raise DataError(
            "is no propensity: the chance, above 0, with which what was done was to be done.",
            where=f"row {int(np.argmax(wrong)) + 1}, {propensity}",
        )
    return 1 / value


def turning(asked: Asked, first: Contrast) -> list[str]:
    """The other columns that move the first contrast by much when they are held fixed too, by a linear regression."""
    lever, _ = lever_columns(asked)
    held, _, _ = covariates(asked, asked.adjust)
    found = list[tuple[float, str, float]]()
    for name in asked.others:
        more, _, _ = covariates(asked, [*asked.adjust, name])
        design = np.concatenate([np.ones((asked.n, 1)), lever, more], axis=1)
        if more.shape[1] <= held.shape[1] or design.shape[1] >= asked.n / 5:
            continue
        try:
            with_it = float(regress(design, asked.y, errors="classic").beta[1])
        except DataError:  # It tells the lever exactly: nothing is left to compare.
            found.append((float("inf"), name, float("nan")))
            continue
        moved = abs(apart(with_it - first.value, first.error))
        if moved > TURNING:
            found.append((moved, name, with_it))
    if not found:
        return []
    moved, name, with_it = max(found)
    if np.isnan(with_it):
        return [f"{name}, which isn't held fixed, tells {asked.lever} exactly."]
    turned = "turn to" if with_it * first.value < 0 else "be"
    return [
        f"With {name} held fixed too it would {turned} {signed(with_it)}: if that was there "
        f"before {asked.lever} was set, adjust for it."
    ]


def _bent(asked: Asked, weights: Floats | None) -> list[str]:
    """Whether a number's effect is far from a straight line."""
    if asked.kind != "number" or len(np.unique(asked.t)) < 4:
        return []
    t = (asked.t - asked.t.mean()) / asked.t.std()
    design = np.column_stack([np.ones(asked.n), t, t * t])
    try:
        p = regress(design, asked.y, weights=weights, clusters=asked.clusters).joint_p([2])
    except DrivetrainError:
        return []
    if not p < 0.001:
        return []
    return [
        f"It isn't the same everywhere: the curve of {asked.outcome} over {asked.lever} bends (p below .001)."
    ]
