"""On what a decision rests: the arrows from levers to the objective, and why each is believed."""

from __future__ import annotations

from typing import Any

from drivetrain import extensions
from drivetrain.decide.judge.decision import Rests
from drivetrain.decide.nodes.base import Node
from drivetrain.decide.plans.plan import OBJECTIVE, Plan
from drivetrain.effects.claim import Claim, weakest

ROOM = "decide.nodes"


def kind_of(node: Node) -> str:
    """The key of its table in a plan: "formula", "bundle"."""
    return next((key for key in node.to_json() if extensions.find(ROOM, key) is not None), "function")


def rests(plan: Plan) -> Rests:
    """The plan's graph with its claims, and the weakest of them on the way of each lever."""
    ends = [name for each in plan.objectives for name in each.expression.names]
    needed = plan.graph.needed(ends)
    moved = {node.name: bool(plan.depends(node.name)) for node in plan.nodes}
    nodes = tuple(
        {
            "name": node.name, "kind": kind_of(node), "inputs": [*node.inputs], "claim": node.claim.to_json(),
            "words": _words(node), "unit": node.unit, "moved": moved[node.name],
        }
        for node in plan.nodes
    )  # fmt: skip
    arrows = tuple({"from": source, "to": to, "claim": claim.kind} for source, to, claim in plan.claims())
    paths = tuple(path(plan, lever.name, needed) for lever in plan.levers)
    claim = plan.claim()
    return Rests(claim.to_json(), claim_words(plan, claim), nodes, arrows, paths)


def path(plan: Plan, lever: str, needed: frozenset[str]) -> dict[str, Any]:
    """What a lever moves on its way to the objective, and what that is worth."""
    on_way = [node for node in plan.nodes if node.name in needed and lever in plan.depends(node.inputs)]
    claim = weakest([node.claim for node in on_way])
    through = [node.name for node in on_way]
    words = f"{' -> '.join([lever, *through, OBJECTIVE])}: {_said(claim)}"
    return {"lever": lever, "through": through, "claim": claim.kind, "words": words}


def claim_words(plan: Plan, claim: Claim) -> str:
    """The weakest claim in a sentence without its full stop, and whose it is."""
    weak = [node.name for node in plan.nodes if node.claim == claim and plan.depends(node.inputs)]
    if not weak:
        return "what the levers do to the objective holds by definition"
    moved = f"that the levers move {' and '.join(weak[:3])}"
    if claim.kind == "undeclared" and claim.why:
        return f"{moved} was claimed, and the rows don't bear it out: {claim.why.removesuffix('.')}"
    told = f"{moved} is {_said(claim)}"
    return f"{told} ({claim.why})" if claim.why else told


def _said(claim: Claim) -> str:
    if claim.kind == "undeclared":
        return "claimed by nobody"
    return "so by definition" if claim.kind == "definition" else str(claim)


def _words(node: Node) -> str:
    """A node's table in a few words, or what it tells of itself."""
    if node.told:
        return node.told
    table = {key: value for key, value in node.to_json().items() if key not in ("claim", "unit")}
    kind = next(iter(table), "")
    said = table.get(kind)
    return (
        said[:200]
        if isinstance(said, str)
        else ", ".join(f"{key} {value}" for key, value in table.items())[:200]
    )
