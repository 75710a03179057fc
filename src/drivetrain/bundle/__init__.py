"""A model as data: one file in a written format (FORMAT.md), with proof of how it has to answer."""

from drivetrain.bundle.golden import GoldenCase, make_cases, nasty_samples
from drivetrain.bundle.reader import Bundle, open_bundle, open_bundle_bytes
from drivetrain.bundle.verify import VerifyReport, verify
from drivetrain.bundle.writer import bundle_bytes, refuse_no_bundle, write_bundle

__all__ = [
    "Bundle",
    "GoldenCase",
    "VerifyReport",
    "bundle_bytes",
    "make_cases",
    "nasty_samples",
    "open_bundle",
    "open_bundle_bytes",
    "refuse_no_bundle",
    "verify",
    "write_bundle",
]
