"""Columns of sounds: their paths, from the table's folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from drivetrain.codecs import Codec
from drivetrain.codecs.audio import Audio, level
from drivetrain.data.groups import Named, ranged
from drivetrain.data.kinds.base import ColumnContext, ColumnKind, refuse_no_text
from drivetrain.data.kinds.paths import guess_paths
from drivetrain.data.read.columns import Column
from drivetrain.sound.file import EXTENSIONS
from drivetrain.types import Array

SOUND = "sound"
TRIMMED = 40.0
"""Decibels below its loudest part, from where on the beginning and the end of a sound are silence."""
WORDS = (SOUND,)
WRITTEN = {
    "16000-hertz": r"0*[1-9][0-9]{3,5}-hertz",
    "2.5-seconds": r"[0-9]{1,3}(\.[0-9]{1,3})?-seconds",
    "trimmed": "trimmed",
    "keep-middle": "keep-middle",
    "keep-end": "keep-end",
    "one-rate": "one-rate",
}


def guess_sound(seen: ColumnContext) -> ColumnKind | None:
    return guess_paths(seen, EXTENSIONS, "sounds", sound)


def sound(seen: ColumnContext) -> ColumnKind:
    """The column as paths of sounds, from the table's folder."""
    said: dict[str, Any] = {}
    for way in seen.written:
        said |= _meant(way)
    return seen.is_(SOUND, f"paths of sounds, {seen.levels()}", Audio(**said))


def _meant(way: str) -> dict[str, Any]:
    """The field of a codec that a word after the colon sets."""
    if number := re.fullmatch("(.+)-hertz", way):
        return {"rate": int(number[1])}
    if number := re.fullmatch("(.+)-seconds", way):
        return {"seconds": float(number[1])}
    return {
        "trimmed": {"trim": TRIMMED},
        "keep-middle": {"keep": "middle"},
        "keep-end": {"keep": "end"},
        "one-rate": {"resample": False},
    }[way]


def told(seen: ColumnContext, word: str) -> ColumnKind:
    refuse_no_text(seen, word)
    return sound(seen)


def values(column: Column, codec: Codec, folder: str) -> Array:
    return column.paths(folder)


def groupings(codec: Codec, encoded: Array) -> Iterator[Named]:
    """By loudness, in decibels below a full square wave."""
    yield ranged(np.array([level(row) for row in encoded]).round(), form="loudness {} dB")


RULES = ((31, guess_sound),)
