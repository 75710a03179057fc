"""Where it is known from that one thing moves another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from drivetrain.errors import UsageError, nearest

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


def claimed(given: object, where: str = "claim") -> Claim:
    """What somebody claims: "randomised", "assumed", {"adjusted": ["season"]}, each with a "why" if it is a mapping; nothing is
    "undeclared". Raises UsageError for what is none of these."""
    if given is None:
        return Claim()
    if isinstance(given, Claim):
        return given
    if isinstance(given, str):
        return _of_kind(given, where)
    if isinstance(given, Mapping):
        return _of_table(cast("Mapping[str, Any]", given), where)
    raise UsageError(f"{given!r:.40} is no claim.", where=where, fix=_FORMS)


_FORMS = 'Say "randomised", "assumed", or { adjusted = ["season"] }.'


def _of_kind(kind: str, where: str) -> Claim:
    if kind == "adjusted":
        raise UsageError(
            "adjusted for what?", where=where, fix='Name the columns: { adjusted = ["season"] }.'
        )
    if kind not in STRENGTH:
        raise UsageError(f"{kind!r} is no claim.", where=where, fix=nearest(kind, STRENGTH) or _FORMS)
    return Claim(kind)


def _of_table(table: Mapping[str, Any], where: str) -> Claim:
    names = table.get("adjusted", table.get("adjusted_for", ()))
    kind = str(table.get("kind", "adjusted" if "adjusted" in table else ""))
    unknown = [name for name in table if name not in ("adjusted", "adjusted_for", "kind", "why")]
    if unknown or not kind or isinstance(names, str) or not isinstance(names, (list, tuple)):
        raise UsageError(f"{dict(table)!r:.60} is no claim.", where=where, fix=_FORMS)
    if kind != "adjusted":
        return Claim(_of_kind(kind, where).kind, (), str(table.get("why", "")))
    if not names:
        raise UsageError("adjusted for nothing.", where=where, fix="Name the columns that were held fixed.")
    return Claim(
        "adjusted", tuple(str(each) for each in cast("list[object]", names)), str(table.get("why", ""))
    )
