"""From rows of an experiment, or of a log, to on whom a treatment works; and what can't be told from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from drivetrain.arguments import public
from drivetrain.effects.bases import Base
from drivetrain.effects.claim import claimed
from drivetrain.effects.form import columns_of, form
from drivetrain.effects.nuisance import folds_of
from drivetrain.effects.overlap import of_levels, without_like
from drivetrain.effects.randomised import balance, covariates
from drivetrain.effects.rows import Asked, ask
from drivetrain.effects.uplift.learners import LearnerName, Study, learn
from drivetrain.effects.uplift.model import Uplift
from drivetrain.errors import DataError, UsageError
from drivetrain.figures import percent, rough
from drivetrain.runtime.columns import Columns, Source, read_columns

Floats = npt.NDArray[np.float64]
FEWEST, FEWEST_GROUPS = 50, 20
"""Rows of either kind, and clusters of rows, from which anything is learned."""
YES, NO = (
    frozenset({"1", "yes", "true", "treated", "treatment"}),
    frozenset({"0", "no", "false", "control", "none"}),
)


@public
def learn_uplift(
    rows: Source,
    *,
    treatment: str,
    outcome: str,
    claim: object = None,
    of: Sequence[str] | str | None = None,
    propensity: float | str | None = None,
    treated: object = None,
    control: object = None,
    learner: LearnerName = "dr",
    base: Base = "linear",
    cluster: str | None = None,
    clip: float = 0.0,
    seed: int = 0,
) -> Uplift:
    """On whom `treatment` works, as a change of `outcome`, by the columns `of` that were known before it.

    `rows` is a CSV's path, a mapping of columns or a frame. `claim` says why treated and untreated can be compared:
    "randomised" (by a coin, or with `propensity`, a probability or the column that holds it), or {"adjusted": [columns]}: then
    propensities are estimated from these and `of`, and rows that were nearly always or never treated are refused unless `clip`
    says how near to 0 and 1 they may count. `of` None: all other columns of an experiment, or those that are adjusted for. A
    treatment that isn't 0 and 1 is told by its values for `treated` and `control`; rows with others are left out.
    Learners: `learners.learn`; base "trees" needs LightGBM. Rows of equal `cluster` stay together. Same seed, same result.

    Raises UsageError without a claim, and for names that don't fit; DataError for too few rows of either kind, a lever that is
    told by other columns though it be randomised, no overlap.
    """
    if not 0 <= clip < 0.5:
        raise UsageError(
            f"propensities can't be kept {clip} from both 0 and 1.", fix="Take a clip below 0.5."
        )
    columns, notes = _two_arms(read_columns(rows), treatment, treated, control)
    asked = ask(
        columns, lever=treatment, outcome=outcome, claim=claimed(claim), adjust=[of] if isinstance(of, str) else of,
        clusters=cluster, apart=[propensity] if isinstance(propensity, str) else [],
    )  # fmt: skip
    chance = _propensity(asked, propensity)
    _refuse_what_cannot_be_learned(asked)
    if asked.claim.kind == "randomised":
        notes += _looked_at(asked, chance)
        chance = np.full(asked.n, asked.t.mean()) if chance is None else chance
    names = asked.adjust or asked.others
    x, terms, said = covariates(asked, names)
    if asked.claim.kind == "adjusted":  # What moved both has to be held fixed in the form in which it did.
        x, terms = columns_of(form(asked, folds_of(asked.n, seed, asked.clusters))[0], asked.rows)
    if not terms:
        raise DataError(
            f"no column tells rows apart before {treatment}.", where=asked.rows.source or "data",
            fix="Without one there is only the average effect: ask dt.effects.effect.",
        )  # fmt: skip
    share = bool(np.isin(asked.y, (0, 1)).all())
    study = Study(x, asked.t, asked.y, chance, asked.clusters, share, clip)
    learned = learn(study, learner, base, seed)
    if chance is None:
        notes += _overlap(asked, learned.expected.propensity, clip)
        alone = without_like(
            asked, np.stack([1 - learned.expected.propensity, learned.expected.propensity], axis=1)
        )
        if alone.any() and not clip:
            notes.append(
                f"{int(alone.sum()):,} rows without others like them are left out: nothing here is of these."
            )
            asked, study = asked.part(~alone), study.take(~alone)
            learned = learn(study, learner, base, seed)
    return Uplift(
        treatment, outcome, asked.claim, tuple(names), tuple(terms), asked.rows, study, learned, learner, base, seed,
        (*notes, *asked.notes, *said),
    )  # fmt: skip


def _two_arms(rows: Columns, name: str, treated: object, control: object) -> tuple[Columns, list[str]]:
    """The rows that are treated or control, with the treatment as 1 and 0; and what is to be told."""
    value, levels = rows.of(name), rows.levels.get(name)
    if levels is None:
        known: dict[object, float] = {each: each for each in np.unique(value[~np.isnan(value)]).tolist()}
    else:
        known = {level: float(place) for place, level in enumerate(levels) if (value == place).any()}
    if treated is None and control is None and levels is None and known.keys() <= {0, 1}:
        return rows, []
    if treated is None and levels is not None and len(known) == 2:
        yes = [each for each in known if str(each).lower() in YES]
        no = [each for each in known if str(each).lower() in NO]
        treated, control = (
            (yes[0], no[0]) if len(yes) == len(no) == 1 and control is None else (None, control)
        )
    if treated is None and control in known and len(known) == 2:
        treated = next(each for each in known if each != control)
    if control is None and treated in known and len(known) == 2:
        control = next(each for each in known if each != treated)
    if treated not in known or control not in known or treated == control:
        shown = ", ".join(str(each) for each in [*known][:8])
        raise UsageError(
            f"which values of {name!r} are treated, and which control, is not told: it holds {shown}.",
            where=rows.source or "data", fix="Say treated= and control=, each one of these.",
        )  # fmt: skip
    arm = np.where(value == known[treated], 1.0, np.where(value == known[control], 0.0, np.nan))
    left_out = int(np.isnan(arm).sum())
    values = rows.values | {name: arm}
    left = {each: of for each, of in rows.levels.items() if each != name}
    found = Columns(values, left, rows.source, rows.sha256).take(~np.isnan(arm))
    return found, [
        f"{left_out:,} rows are neither {treated} nor {control}, and are left out."
    ] if left_out else []


def _propensity(asked: Asked, given: float | str | None) -> Floats | None:
    if given is None:
        return None
    chance = asked.rows.of(given) if isinstance(given, str) else np.full(asked.n, float(given))
    fine = (chance > 0) & (chance < 1)
    if not fine.all():
        row = int(np.argmin(fine))
        raise DataError(
            f"a propensity of {chance[row]:g}: rows that were always or never treated can't be compared with others.",
            where=f"row {row + 1}", fix="Leave such rows out; a propensity is the probability of being treated.",
        )  # fmt: skip
    return chance


def _refuse_what_cannot_be_learned(asked: Asked) -> None:
    """Raises UsageError where nobody claims an effect, DataError for too few rows or groups of rows."""
    where = asked.rows.source or "data"
    if asked.claim.kind == "undeclared":
        means = [float(asked.y[asked.t == arm].mean()) for arm in (0, 1)]
        raise UsageError(
            f"{asked.outcome} is {rough(means[1])} with {asked.lever} and {rough(means[0])} without: that is a comparison. "
            "Whether it is an effect nobody has said, so whom to treat can't be told.",
            fix='Say claim="randomised" if chance decided, or claim={"adjusted": [the columns that moved both]}.',
        )
    for arm, name in ((0, "without"), (1, "with")):
        if (count := int((asked.t == arm).sum())) < FEWEST:
            raise DataError(
                f"there are {count} rows {name} {asked.lever}.", where=where, fix=f"Give {FEWEST} at least."
            )
    if asked.clusters is not None and (groups := int(asked.clusters.max()) + 1) < FEWEST_GROUPS:
        raise DataError(
            f"the rows come in {groups} clusters: what holds of those need not hold of others.", where=where,
            fix=f"Give {FEWEST_GROUPS} at least, or leave cluster out if rows have nothing in common.",
        )  # fmt: skip


def _looked_at(asked: Asked, chance: Floats | None) -> list[str]:
    """What is to be told of whether the treatment looks randomised. Raises DataError where it can't have been."""
    weights = None if chance is None else 1 / np.where(asked.t > 0, chance, 1 - chance)
    found = balance(asked, weights)
    if found.refuses:
        raise DataError(
            found.words, where=asked.rows.source or "data",
            fix="Give the propensity if chances differed between rows; else claim={'adjusted': [...]}.",
        )  # fmt: skip
    return [] if found.holds else [found.words]


def _overlap(asked: Asked, propensity: Floats, clip: float) -> list[str]:
    """What is to be told of rows that were nearly always or never treated. Raises DataError where they are too many."""
    if clip:
        share = float(((propensity <= clip) | (propensity >= 1 - clip)).mean())
        return [
            f"the propensities of {percent(share)} of the rows are kept {clip:g} from 0 and 1: their effect is a guess."
        ]
    found = of_levels(asked, np.stack([1 - propensity, propensity], axis=1))
    if found.refuses:
        raise DataError(
            f"no overlap: {found.words}",
            where=asked.rows.source or "data",
            fix="Or say clip=0.02, and guess.",
        )
    return [] if found.holds else [found.words]
