"""A trade between several objectives: the one of its settings that is shown, and all of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from drivetrain.decide.judge.decision import Value
from drivetrain.decide.judge.moves import told
from drivetrain.decide.plans.plan import Plan
from drivetrain.decide.solve.pareto import Front
from drivetrain.decide.solve.solution import Certificate


def middle(front: Front) -> int:
    """The place of the setting whose largest loss, against what each objective could be alone and in the units of how far the
    front goes, is least (Chebyshev)."""
    reach = np.ptp(front.objectives, axis=0)
    lost = np.abs(front.objectives - front.best) / np.where(reach > 0, reach, 1.0)
    return int(lost.max(axis=1).argmin())


def to_json(plan: Plan, front: Front) -> dict[str, Any]:
    """`names` of the objectives, `points` with `levers` and `values`, and which is `chosen`."""
    points = [
        {"levers": _levers(plan, solution.levers), "values": values.tolist()}
        for solution, values in zip(front.solutions, front.objectives)
    ]
    names = [each.name or each.expression.text for each in plan.objectives]
    return {"names": names, "points": points, "chosen": middle(front)}


def words(plan: Plan, front: Front) -> str:
    names = " and ".join(each.name or each.expression.text for each in plan.objectives)
    return (
        f"There is a trade between {names}: {len(front.solutions):,} settings of which none is better in all of them. Which is "
        "worth more is for a person to say; shown is the one in the middle."
    )


def beside_others(certificate: Certificate) -> Certificate:
    """What is known of a setting on the front: that none is better in one objective and as good in the others. A bound of one
    objective alone says nothing there."""
    told = (
        f"With the other objectives as good as here: {certificate.words[:1].lower()}{certificate.words[1:]}"
    )
    return replace(
        certificate, words=told, bound=None if certificate.kind == "enumeration" else certificate.bound
    )


def _levers(plan: Plan, levers: Any) -> dict[str, Value]:
    return {lever.name: told(lever, np.atleast_1d(levers[lever.name])) for lever in plan.levers}
