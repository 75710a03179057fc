"""Where it is known from that one thing moves another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["definition", "randomised", "adjusted", "assumed", "undeclared"]
STRENGTH: tuple[Kind, ...] = ("undeclared", "assumed", "adjusted", "randomised", "definition")
"""From what nobody vouches for to what holds by its words alone (profit is price less cost)."""


@dataclass(frozen=True, slots=True)
class Claim:
    """`kind` of the claim that a node's inputs cause its outcome; `adjusted_for` names the columns that were held fixed."""

    kind: Kind = "undeclared"
    adjusted_for: tuple[str, ...] = ()
    why: str = ""

    def __str__(self) -> str:
        return f"adjusted for {', '.join(self.adjusted_for)}" if self.kind == "adjusted" else self.kind

    @property
    def strength(self) -> int:
        return STRENGTH.index(self.kind)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "adjusted_for": [*self.adjusted_for], "why": self.why}


def weakest(claims: list[Claim]) -> Claim:
    """What a chain of claims is worth: a definition where there is none."""
    return min(claims, key=lambda each: each.strength, default=Claim("definition"))
