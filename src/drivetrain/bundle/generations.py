"""Golden cases of a bundle that generates: what was written after a prompt, and the logits of each step on the way.

The prompt goes through the stages raw, read and encoded like any input (`golden.py`); here is the rest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from drivetrain.bundle.golden import CASES, GoldenCase, GoldenMembers, check_rows, input_members, inputs_in
from drivetrain.bundle.npy import from_npy, to_npy
from drivetrain.bundle.program import Generate
from drivetrain.bundle.strategies import MEAN, Beam, Strategy, strategy_from_json, strategy_to_json
from drivetrain.codecs import Signature
from drivetrain.errors import BundleError, UsageError
from drivetrain.files import to_json
from drivetrain.types import Array

MOST_GENERATIONS = 16
_STATE = re.compile(r"golden/([0-9]{4})\.(state_[0-9]+)\.npy")


@dataclass(frozen=True)
class Generation:
    """What a strategy wrote, `most` tokens at most. A token to stop at is the last, where it ended there."""

    strategy: Strategy
    most: int
    tokens: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class GeneratedCase(GoldenCase):
    """A prompt and what was written after it.

    `output` is float32 (tokens, vocabulary): the logits by which each token of the first generation came, given those before it.
    `state` is what the last of these steps left, by name, without the axis of rows. `answer` is the first generation
    decoded.
    """

    generations: tuple[Generation, ...] = ()
    state: Mapping[str, Array] = field(default_factory=dict[str, Array])


def penalised(cases: Sequence[GoldenCase]) -> bool:
    """Whether any was found by a search with a length penalty."""
    made = (one for case in cases if isinstance(case, GeneratedCase) for one in case.generations)
    return any(isinstance(one.strategy, Beam) and one.strategy.length_penalty != MEAN for one in made)


def written(tokens: Sequence[int], program: Generate) -> Array:
    """Chosen tokens as a codec decodes them: int64 (n,), without one to stop at."""
    return np.array([token for token in tokens if token not in program.stop], np.int64)


def to_members(cases: Sequence[GoldenCase], signature: Signature) -> dict[str, bytes]:
    """The members under `golden/` that hold the cases. Raises UsageError where they are not of this signature."""
    members, records = input_members(cases, signature)
    for number, (case, record) in enumerate(zip(cases, records)):
        if not isinstance(case, GeneratedCase):
            raise UsageError(
                f"the golden case {case.name!r} has no generations.",
                fix="Make them with make_generated_cases.",
            )
        (logits,) = case.output.values()
        members[_member(number, "logits")] = to_npy(logits)
        members |= {_member(number, name): to_npy(array) for name, array in case.state.items()}
        record["generations"] = [
            {"strategy": strategy_to_json(one.strategy), "most": one.most, "tokens": list(one.tokens)}
            for one in case.generations
        ]
    return {**members, CASES: to_json({"cases": records}).encode()}


def from_members(
    members: Mapping[str, memoryview], record: Any, signature: Signature, program: Generate
) -> tuple[GoldenCase, ...]:
    """The cases that `record` (the content of cases.json) and the other golden members hold, all of them checked. Raises
    BundleError where one is missing, too many, or doesn't fit signature and program."""
    rows, golden = check_rows(record, signature, "generations"), GoldenMembers(members)
    (target,) = signature.targets
    states: dict[str, list[str]] = {}
    for match in filter(None, map(_STATE.fullmatch, members)):
        states.setdefault(match[1], []).append(match[2])
    cases: list[GoldenCase] = []
    for number, (row, inputs) in enumerate(zip(rows, inputs_in(golden, rows, signature))):
        generations = _generations(row["generations"], program)
        shape = (len(generations[0].tokens), program.vocabulary)
        logits = golden.array(_member(number, "logits"), shape, np.dtype(np.float32))
        state = {
            name: from_npy(golden.take(_member(number, name)), _member(number, name))
            for name in states.get(f"{number:04}", [])
        }
        for name, array in state.items():
            if not np.isfinite(array).all():
                raise BundleError("it is not of finite numbers.", where=_member(number, name))
        given = (row["name"], row["kind"], *inputs, {target: logits}, row["answer"])
        cases.append(GeneratedCase(*given, generations=generations, state=state))
    golden.refuse_unused()
    return tuple(cases)


def _generations(records: Any, program: Generate) -> tuple[Generation, ...]:
    listed = cast("list[Any]", records) if isinstance(records, list) else []
    if not 1 <= len(listed) <= MOST_GENERATIONS:
        raise _wrong(f"it doesn't have 1 to {MOST_GENERATIONS} generations")
    return tuple(_generation(record, program) for record in listed)


def _generation(record: Any, program: Generate) -> Generation:
    fields = cast("dict[str, Any]", record) if isinstance(record, dict) else {}
    most, tokens = fields.get("most"), fields.get("tokens")
    if (
        fields.keys() != {"strategy", "most", "tokens"}
        or type(most) is not int
        or not isinstance(tokens, list)
    ):
        raise _wrong("a generation is no strategy with the tokens that it chose")
    chosen = cast("list[Any]", tokens)
    if not 1 <= len(chosen) <= most <= program.longest:
        raise _wrong(f"a generation is not of 1 to {program.longest:,} tokens")
    if not all(type(token) is int and 0 <= token < program.vocabulary for token in chosen):
        raise _wrong("a generation has what is no token")
    return Generation(strategy_from_json(fields["strategy"], CASES), most, tuple(chosen))


def _wrong(what: str) -> BundleError:
    return BundleError(f"a case can't be used: {what}.", where=CASES)


def _member(number: int, name: str) -> str:
    return f"golden/{number:04}.{name}.npy"
