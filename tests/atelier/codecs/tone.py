"""A signal that is looked at as a picture of its strength."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from atelier.codecs.signal import Signal


@dataclass(frozen=True)
class Tone(Signal):
    op: ClassVar[str] = "tone@1"
