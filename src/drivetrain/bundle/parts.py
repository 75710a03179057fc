"""What the answers of a blend are made of: models in one graph, whose outputs are weighted and added up.

The facts name the parts with their weights, and the graph gives what each says beside what they say together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from drivetrain.bundle.archive import MANIFEST
from drivetrain.bundle.facts import is_number, is_text
from drivetrain.bundle.tensors import made_names, part_tensor
from drivetrain.codecs import Signature
from drivetrain.errors import BundleError
from drivetrain.field_names import can_be_shown

MOST = 100
CLOSE = 1e-3
"""How far the weights of a target may be from 1 together: they are told with few digits."""


@dataclass(frozen=True)
class Part:
    """A model of a blend: by target its weight, above 0, and the output of the graph that says what it says."""

    name: str
    weights: Mapping[str, float]
    tensors: Mapping[str, str]


def parts_in(facts: Mapping[str, Any], signature: Signature) -> tuple[Part, ...]:
    """The parts that facts name, none where they name none. Raises BundleError for what can't be true."""
    given = facts.get("parts", [])
    if not isinstance(given, list) or len(records := cast("list[Any]", given)) > MOST:
        raise _wrong("no list of a few models")
    outputs = made_names(signature).outputs
    parts: list[Part] = []
    for place, record in enumerate(records):
        name, weights = _fields(record)
        if not weights.keys() <= outputs.keys() or name in [part.name for part in parts]:
            raise _wrong("of targets that aren't there, or called alike")
        used = {target: float(weight) for target, weight in weights.items() if weight}
        parts.append(Part(name, used, {target: part_tensor(place, outputs[target]) for target in used}))
    for target in outputs if parts else ():
        if abs(sum(part.weights.get(target, 0.0) for part in parts) - 1) > CLOSE:
            raise _wrong(f"without weights that are 1 together for {target!r}")
    return tuple(parts)


def _fields(record: Any) -> tuple[str, dict[str, float]]:
    """Name and weights of a part."""
    fields = cast("dict[str, Any]", record) if isinstance(record, dict) else {}
    name, weights = fields.get("name"), fields.get("weights")
    if fields.keys() != {"name", "weights"} or not is_text(name) or not name or not can_be_shown(name):
        raise _wrong("no names and weights")
    if not isinstance(weights, dict) or not all(
        is_number(weight) and 0 <= weight <= 1 for weight in cast("dict[str, Any]", weights).values()
    ):
        raise _wrong("without weights from 0 to 1")
    return cast("str", name), cast("dict[str, float]", weights)


def _wrong(what: str) -> BundleError:
    return BundleError(f"the parts of its model are {what}.", where=MANIFEST, fix="Get the bundle again.")
