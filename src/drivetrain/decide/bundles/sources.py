"""What feeds the inputs of a model: levers, columns and outcomes by their names, and constants."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from drivetrain.errors import UsageError, nearest
from drivetrain.types import Array

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Constant:
    """The same for all rows."""

    value: str | float


def sources_of(given: object, inputs: Iterable[str], where: str) -> dict[str, str | Constant]:
    """Input -> what feeds it: what `given` says, else what has its own name. A text in quotes of its own ("'north'") and a number
    are constants. Raises UsageError for what is none of the `inputs`."""
    if not isinstance(given, Mapping):
        raise UsageError(
            "`given` must say for inputs what feeds them.", where=where, fix='given = {age = "years"}'
        )
    told, known = cast("Mapping[str, object]", given), list(inputs)
    for name in told:
        if name not in known:
            fix = nearest(name, known) or f"It has {', '.join(known)}."
            raise UsageError(f"the model has no input {name!r}.", where=where, fix=fix)
    return {name: _source(told.get(name, name), name, where) for name in known}


def _source(source: object, name: str, where: str) -> str | Constant:
    if isinstance(source, str):
        quoted = len(source) > 1 and source[0] == source[-1] and source[0] in "'\""
        return Constant(source[1:-1]) if quoted else source
    if isinstance(source, (int, float)):
        return Constant(float(source) if not isinstance(source, bool) else str(source).lower())
    raise UsageError(
        f"what feeds {name!r} isn't understood.", where=where,
        fix="Give the name of a lever or column, a number, or a text in quotes.",
    )  # fmt: skip


def refuse_unfed(sources: Mapping[str, str | Constant], names: Collection[str], where: str) -> None:
    """Raise UsageError where something feeds an input that isn't there."""
    for name, source in sources.items():
        if isinstance(source, str) and source not in names:
            if source == name:
                error = f"nothing feeds the model's input {name!r}: no lever, column or outcome is called so."
                fix = nearest(name, names) or f'Say what does: given = {{{name} = "..."}}.'
            else:
                error = f"the model's input {name!r} is to be fed by {source!r}, and nothing is called so."
                fix = nearest(source, names) or f"There are {', '.join(sorted(names)[:8])}."
            raise UsageError(error, where=where, fix=fix)


def raw_values(values: Floats, texts: Sequence[str] | None) -> Array:
    """Numbers, or codes of `texts`, (n,) as a table's cells would be: whole numbers without a point, None for what is missing."""
    found = np.empty(len(values), object)
    if texts is not None:
        found[:] = [texts[int(code)] if code >= 0 else None for code in values]
    else:
        found[:] = [None if x != x else int(x) if x.is_integer() else x for x in values.tolist()]
    return found
