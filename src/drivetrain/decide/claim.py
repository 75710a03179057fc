"""Where it is known from that one thing moves another: the words are those of `effects`, which finds out."""

from drivetrain.effects.claim import STRENGTH, Claim, Kind, claimed, weakest

__all__ = ["STRENGTH", "Claim", "Kind", "claimed", "weakest"]
