"""What takes any problem: several starts, slopes where there are any, and what can be proven of where they end."""

from __future__ import annotations

import numpy as np

from drivetrain.decide.solve.conflicts import infeasible
from drivetrain.decide.solve.downhill.least import WIDEST_PATTERN, Best, least
from drivetrain.decide.solve.downhill.window import at_its_edge, widened, windowed
from drivetrain.decide.solve.problem import Problem
from drivetrain.decide.solve.proofs import conditions
from drivetrain.decide.solve.proofs.bends import is_convex
from drivetrain.decide.solve.proofs.bound import Proof, prove
from drivetrain.decide.solve.proofs.sums import prove_sum
from drivetrain.decide.solve.solution import Certificate, Solution

ENOUGH = 1e-4
"""How much better, as a share, another setting may be for a bound to be called a proof."""

CONVEX = 1e-5
"""Up to which residual slopes, as a share of the objective's spread, prove that nothing is better where all is convex."""
FEW = 3
"""Levers of which boxes are soon cut small."""
FLAT = 1e-4
"""Up to which residual slopes say that nothing near is better."""


def fits(problem: Problem) -> bool:
    return not problem.ruled


def solve(problem: Problem, *, seed: int) -> Solution:
    """The best of several starts, with its conditions, what looser bounds would bring, and a proof where there can be one.

    Raises UsageError where nothing satisfies the constraints or the objective has no end.
    """
    spent = problem.meter.settings
    inside = windowed(problem, seed)
    best = least(inside, seed)
    while at_its_edge(inside, problem, best.x):
        inside = widened(inside, problem, best.x)
        best = least(inside, seed, first=best.x[None])
    if not best.holds:
        raise infeasible(inside, seed=seed)
    met = conditions.at(inside, best)
    convex = (
        _convex(problem, best, met) if problem.box.size > FEW else None
    )  # Boxes of many levers take long.
    proof = _prove(problem, best, met) if inside is problem and convex is None else None
    if proof is not None and proof.better is not None:  # The proof came across what no start had led to.
        best = least(problem, seed, first=proof.better[None])
        met = conditions.at(problem, best)
        proof = _prove(problem, best, met) or proof
    certificate = (
        convex
        or _proven(problem, best, proof)
        or _convex(problem, best, met)
        or _unproven(problem, best, met)
    )
    return Solution(
        problem.box.levers(best.x), problem.objective(best.value), certificate, met.duals(problem),
        problem.meter.settings - spent,
    )  # fmt: skip


def _prove(problem: Problem, best: Best, met: conditions.Conditions) -> Proof | None:
    """Where levers are many and each acts by itself, each is looked at alone; else, and where that doesn't prove it, all."""
    given = best.value, best.scale.value, met.weights
    proof = prove_sum(problem, best.x, *given) if problem.box.size > 1 else None
    if proof is not None and _near(best, proof):
        return proof
    return prove(problem, *given) or proof


def _near(best: Best, proof: Proof) -> bool:
    return best.value - proof.bound <= ENOUGH * max(abs(best.value), 0.1 * best.scale.value)


def _proven(problem: Problem, best: Best, proof: Proof | None) -> Certificate | None:
    if proof is None or not np.isfinite(proof.bound):
        return None
    gap = max(best.value - proof.bound, 0.0)
    bound = problem.objective(proof.bound)
    if not _near(best, proof):
        return None
    words = (
        f"No setting within the bounds that keeps to the constraints is better than {bound:.7g}: {proof.boxes:,} boxes of settings"
        " were excluded by what the formulas can be in them."
    )
    return Certificate("gap", gap, words, bound)


def _convex(problem: Problem, best: Best, met: conditions.Conditions) -> Certificate | None:
    """Where slopes differ from nought by a residual, a convex value falls by no more than that across the whole box."""
    if met.residual > CONVEX or not is_convex(problem):
        return None
    words = f"Convex by its formulas, and nothing near is better: first-order conditions hold to {met.residual:.1g}. So nothing is."
    gap = problem.box.size * met.residual * best.scale.value + float(abs(met.weights * best.excess).sum())
    bound = (
        problem.objective(best.value - gap)
        if np.isfinite(problem.box.upper - problem.box.lower).all()
        else None
    )
    return Certificate("kkt", met.residual, words, bound)


def _unproven(problem: Problem, best: Best, met: conditions.Conditions) -> Certificate:
    near = f"Nothing near is better: first-order conditions hold to {met.residual:.1g}."
    in_steps = bool((problem.box.step > 0).any())
    if in_steps and problem.box.size > WIDEST_PATTERN:
        near = "It was found between the steps and moved onto them: a setting a step away may be better."
    elif in_steps or met.residual > FLAT:
        near = "It lies at a kink or a step; nothing that was tried near it is better."
    led = (
        "The best that the starts led to"
        if best.starts == 1
        else f"The best that {best.starts} starts led to"
    )
    return Certificate("multistart", met.residual, f"{led}. {near} It is not known that nothing far away is.")
