"""Packages of the extra `decide`, which the base doesn't have: imported when a solver is asked for, with an error that says what to
install."""

from __future__ import annotations

import importlib
from typing import Any

from drivetrain.extras import require


def scipy(part: str) -> Any:
    """A module of scipy, whose types nobody has written down."""
    require("scipy", "an optimiser", "decide")
    return importlib.import_module(f"scipy.{part}")
