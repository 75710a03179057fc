"""The bundle of a learner that translates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from drivetrain.errors import UsageError

if TYPE_CHECKING:
    from drivetrain.learn.learner import Learner


def export_translator(learner: Learner, path: str | Path, force: bool = False) -> Path:
    """Write `path`."""
    del learner, path, force
    raise UsageError("a translator makes no bundle yet.", where="export")
