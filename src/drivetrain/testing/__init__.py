"""What a new part runs to show that it keeps its contract, in one line of a test."""

from drivetrain.testing.codecs import check_codec

__all__ = ["check_codec"]
