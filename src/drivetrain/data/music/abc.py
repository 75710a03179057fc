"""Whether tunes are sound ABC notation (https://abcnotation.com/wiki/abc:standard:v2.1): their headers, and the lengths of bars."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction

MOST_TOLD = 5
_FIELD = re.compile("([A-Za-z]):(.*)")
_IN_BODY = "IKLMmNPQRrsTUVWw+"
"""The fields that a body may have: no letters of notes, so that "A:|" is music."""
_NOTE = r"[_^=]*[A-Ga-gxz][,']*"
_LONG = "[0-9]*/*[0-9]*"
_MUSIC = re.compile(
    rf"""(?P<skip>"[^"]*"|![^!\s]*!|\+[^+\s]*\+|\{{[^}}]*\}}|[\s`~.HLMOPSTuvy$\\()<>-])
    |(?P<bar>(?:\[\||\|\]|\|\||:+\|+:*|\|+:+|::+|\|)(?:\[?[0-9](?:[,-][0-9])*)?|\[[0-9](?:[,-][0-9])*)
    |(?P<inline>\[[A-Za-z]:[^\]]*\])
    |\[(?P<chord>{_NOTE})(?P<inner>{_LONG})[^\]]*\](?P<times>{_LONG})
    |Z(?P<bars>[0-9]*)
    |(?P<note>{_NOTE})(?P<long>{_LONG})""",
    re.VERBOSE,
)
_TUPLET = re.compile(r"\(([2-9])(?::([0-9]?))?(?::([0-9]?))?")
_TIMES = re.compile("([0-9]*)(/*)([0-9]*)")
_TUPLETS = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}
"""In the time of how many so many notes are played (standard, 4.13); 5, 7 and 9 in that of 2, in compound metres of 3."""
_METRES = {"C": "4/4", "C|": "2/2"}


@dataclass
class Tune:
    """A tune: the line that it begins in, its header by letter, and the lines of its body with their numbers."""

    line: int
    header: dict[str, str] = field(default_factory=dict)
    body: list[tuple[int, str]] = field(default_factory=list)


def tunes(text: str) -> list[Tune]:
    """The tunes of a text. Each begins with X: and ends with an empty line; the last of its header is K:."""
    found: list[Tune] = []
    going = False
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.partition("%")[0].strip()
        if line.startswith("X:"):
            found.append(Tune(number))
            going = True
        elif not raw.strip():
            going = False
        if not going or not line:
            continue
        tune, told = found[-1], _FIELD.match(line)
        if "K" in tune.header:
            tune.body.append((number, line))
        elif told:
            tune.header.setdefault(told[1], told[2].strip())
        else:
            tune.header["K"] = ""  # The music begins without one.
            tune.body.append((number, line))
    return found


def faults(text: str) -> list[str]:
    """What is not sound in the tunes of a text, with the lines: the first few, and how many more."""
    found = tunes(text)
    if not found:
        return ["there is no tune in it: none begins with X:"]
    told = [fault for tune in found for fault in _of_tune(tune)]
    more = [f"and {len(told) - MOST_TOLD:,} more"] if len(told) > MOST_TOLD else []
    return told[:MOST_TOLD] + more


def _of_tune(tune: Tune) -> list[str]:
    where = f"the tune in line {tune.line}"
    lacking = [f"{letter}:" for letter in "TMK" if not tune.header.get(letter)]
    told = [f"{where} has no {' and no '.join(lacking)}"] if lacking else []
    metre = tune.header.get("M", "")
    if metre not in ("", "none") and _metre(metre) is None:
        told.append(f"{where} has a metre that is none: M:{metre:.20}")
    if not tune.body:
        return [*told, f"{where} has no notes"]
    return told + _bars(tune)


def _metre(text: str) -> Fraction | None:
    """A metre, or a unit, in whole notes; None where it is free, or none is said."""
    found = re.fullmatch(r"\(?([0-9]{1,3}(?:\+[0-9]{1,3})*)\)?/([1-9][0-9]{0,2})", _METRES.get(text, text))
    return (Fraction(sum(map(int, found[1].split("+"))), int(found[2])) or None) if found else None


def _times(text: str) -> Fraction:
    """How many units a note of so much is long: 3, 3/2, /, //."""
    found = _TIMES.fullmatch(text)
    if not text or found is None:
        return Fraction(1)
    below = int(found[3]) if found[3] else 2 ** min(8, len(found[2]))
    return Fraction(int(found[1][:3] or 1), below or 1)


def _bars(tune: Tune) -> list[str]:
    """Bars of another length than the metre. A part may begin with an upbeat and end as much shorter: there a bar may be
    short. Notes of a broken rhythm, such as A>B, are as long together as without it."""
    metre = _metre(tune.header.get("M", ""))
    unit = _metre(tune.header.get("L", "")) or Fraction(1, 16 if metre and metre < Fraction(3, 4) else 8)
    told: list[str] = []
    length, left, factor, plain = Fraction(0), 0, Fraction(1), False
    for number, line in tune.body:
        if (changed := _FIELD.match(line)) and changed[1] in _IN_BODY:
            if changed[1] == "V":
                length, plain = Fraction(0), False
            metre, unit = _changed(changed[1], changed[2], metre, unit)
            continue
        place = 0
        while place < len(line):
            if tuplet := _TUPLET.match(line, place):
                many = int(tuplet[1])
                compound = metre is not None and metre.numerator % 3 == 0 and metre.numerator > 3
                factor = Fraction(int(tuplet[2] or 0) or _TUPLETS.get(many, 3 if compound else 2), many)
                left = int(tuplet[3] or 0) or many
                place = tuplet.end()
                continue
            found = _MUSIC.match(line, place)
            if found is None:
                return [*told, f"line {number}: {line[place : place + 12]!r} is no music"]
            place = found.end()
            if found["note"] or found["chord"]:
                one = _times(found["long"] if found["note"] else found["times"]) * _times(
                    found["inner"] or ""
                )
                length += one * unit * (factor if left else 1)
                left = max(0, left - 1)
            elif found["bars"] is not None:
                length += (metre or 0) if found["bars"] in ("", "1") else 0
            elif found["inline"]:
                metre, unit = _changed(found["inline"][1], found["inline"][3:-1], metre, unit)
            elif found["bar"]:
                ends = found["bar"] == "|"
                if metre and length and (length > metre or (length < metre and plain and ends)):
                    told.append(
                        f"line {number}: a bar is {length} of a whole note long, not {metre} as its metre says"
                    )
                length, left, plain = Fraction(0), 0, ends
    return told


def _changed(
    letter: str, value: str, metre: Fraction | None, unit: Fraction
) -> tuple[Fraction | None, Fraction]:
    """Metre and unit after a field in the music."""
    found = _metre(value.strip())
    return (found if letter == "M" else metre), (found or unit if letter == "L" else unit)
