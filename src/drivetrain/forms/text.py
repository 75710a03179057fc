"""Any text."""

from __future__ import annotations

from drivetrain.forms.base import Form

FORM = Form()
