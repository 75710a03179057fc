"""What somebody claims about a lever, read."""

from __future__ import annotations

import pytest

from drivetrain.effects.claim import Claim, claimed, weakest
from drivetrain.errors import UsageError


def test_claims_are_read_from_words_tables_and_their_own_json() -> None:
    assert claimed(None).kind == "undeclared"
    assert claimed("randomised") == Claim("randomised")
    adjusted = claimed({"adjusted": ["season", "age"], "why": "the price list"})
    assert str(adjusted) == "adjusted for season, age"
    for claim in (adjusted, Claim("randomised", why="a coin"), Claim()):
        assert claimed(claim.to_json()) == claim == claimed(claim)


def test_a_chain_is_as_strong_as_its_weakest_claim() -> None:
    assert weakest([Claim("definition"), Claim("assumed"), Claim("randomised")]) == Claim("assumed")
    assert weakest([]).kind == "definition"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("randomized", "Did you mean randomised"),
        ("adjusted", "adjusted for what"),
        ({"adjusted": []}, "adjusted for nothing"),
        ({"adjusted": "season"}, "no claim"),
        ({"for": ["season"]}, "no claim"),
        (3, "no claim"),
    ],
)
def test_what_is_no_claim_is_refused(given: object, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        claimed(given)
