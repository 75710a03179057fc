"""Tunes in ABC notation."""

from __future__ import annotations

import re

from drivetrain.data.forms.base import Form
from drivetrain.data.music.abc import faults


class Abc(Form):
    name = "abc"
    things = "files of tunes"
    large = False
    extensions = (".abc",)
    between = "\n\n"

    def recognises(self, text: str) -> bool:
        return (
            re.match(r"\s*(?:%.*\n\s*)*X:\s*[0-9]+\s*\n(?:[A-Za-z]:.*\n|%.*\n)*K:", text[:10_000]) is not None
        )

    def faults(self, text: str) -> list[str]:
        return faults(text)


FORM = Abc()
