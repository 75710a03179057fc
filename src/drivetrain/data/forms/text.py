"""Any text."""

from __future__ import annotations

from drivetrain.data.forms.base import Form

FORM = Form()
