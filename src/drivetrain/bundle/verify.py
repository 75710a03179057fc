"""Does this runtime do what training did? Each golden case, stage by stage, alone and in company.

Every stage starts from what the bundle stored for the stage before it, so the first stage that fails is the
one that differs. One exception: encode starts from this runtime's own `read`, because read arrays are
stored thinned.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict, cast

import numpy as np

from drivetrain.bundle.golden import GoldenCase, ReadArray, encoded_batch, infinite, kept
from drivetrain.bundle.reader import Bundle
from drivetrain.errors import BundleError, CheckFailed, DataError, DrivetrainError, NotInstalled, one_line
from drivetrain.types import Array, Session

STAGES = ("members", "graph", "raw", "read", "encoded", "output", "answer")
TOKENS, HISTORIES = "tokens", "histories"
"""The stage that comes before the last where a bundle generates, and the one that comes last where it forecasts."""
BATCH = 16


class Stage(TypedDict):
    """What one stage came to. `max_difference` is None where values could not be compared, or nothing was."""

    stage: str
    ok: bool
    cases: int
    max_difference: float | None
    tolerance: float | None
    message: str


@dataclass(frozen=True)
class VerifyReport:
    """The stages in their order, up to the first that made the rest meaningless."""

    stages: list[Stage] = field(default_factory=list[Stage])

    @property
    def ok(self) -> bool:
        return all(stage["ok"] for stage in self.stages)

    @property
    def failed(self) -> Stage | None:
        """The first stage that failed: where this runtime begins to differ."""
        return next((stage for stage in self.stages if not stage["ok"]), None)

    def to_json(self) -> dict[str, Any]:
        """`{"ok", "stages": [...]}`."""
        return {"ok": self.ok, "stages": self.stages}

    def require(self, where: object = "") -> None:
        """Raise CheckFailed naming the first stage that failed."""
        if (stage := self.failed) is not None:
            raise CheckFailed(
                f"the golden cases don't hold at the {stage['stage']!r} stage: {stage['message']}",
                where=where,
                fix="This model would not answer as it did in training: don't use it here.",
            )


class StageTally:
    """Collects one stage: the worst comparison, and the first that failed."""

    def __init__(self, stage: str, cases: int) -> None:
        self.stage, self.cases = stage, cases
        self.difference: float | None = None
        self.tolerance: float | None = None
        self.message = ""

    def add(self, difference: float, tolerance: float, place: str, reason: str = "") -> None:
        """`difference` is infinite where the two can't be compared; `reason` says why."""
        if not difference <= tolerance and not self.message:
            words = reason or f"differs by {difference:.3g}, allowed is {tolerance:.3g}"
            self.message = f"{place}: {words}"
        if self.difference is None or difference - tolerance > self.difference - cast(
            "float", self.tolerance
        ):
            self.difference, self.tolerance = difference, tolerance

    def stage_report(self) -> Stage:
        finite = self.difference is not None and math.isfinite(self.difference)
        return {
            "stage": self.stage,
            "ok": not self.message,
            "cases": self.cases,
            "max_difference": self.difference if finite else None,
            "tolerance": self.tolerance,
            "message": one_line(self.message),
        }


def verify(bundle: Bundle, session: Session) -> VerifyReport:
    """Run every golden case through this runtime. Differences never raise: they are in the report."""
    report = verify_inputs(bundle)
    if report.stages[-1]["stage"] == "graph":
        return report
    answers = answer_stage(bundle, lambda place, target: bundle.cases[place].output[target])
    return VerifyReport([*report.stages, _outputs(bundle, session), answers])


def verify_inputs(bundle: Bundle) -> VerifyReport:
    """The stages up to encoded, whatever the program; up to graph, where that is refused."""
    members = passed(
        "members", f"{len(bundle.manifest['members'])} members have the hashes that the manifest names"
    )
    try:
        bundle.check_graph()
    except BundleError as fault:
        return VerifyReport([members, failed("graph", fault.error)])
    graph = passed("graph", "the graph is made of allowed operators and fits the signature")
    return VerifyReport([members, graph, *_inputs(bundle)])


def passed(stage: str, message: str) -> Stage:
    """A stage without numbers that held."""
    return {
        "stage": stage,
        "ok": True,
        "cases": 0,
        "max_difference": None,
        "tolerance": None,
        "message": message,
    }


def failed(stage: str, message: str) -> Stage:
    """A stage without numbers that did not hold."""
    return {**passed(stage, one_line(message)), "ok": False}


def _inputs(bundle: Bundle) -> tuple[Stage, Stage, Stage]:
    """The stages raw, read and encoded."""
    raws, reads, encodes = (StageTally(stage, len(bundle.cases)) for stage in ("raw", "read", "encoded"))
    tolerances = bundle.manifest["tolerances"]
    for case in bundle.cases:
        for name, codec in bundle.signature.inputs.items():
            place = f"case {case.name!r}, {name}"
            try:
                raw = codec.from_bytes(case.raw[name])
                same = _same_bytes(codec.to_bytes, raw, case.raw[name])
                raws.add(
                    0.0 if same else math.inf, 0.0, place, "the raw value changes when it is stored again"
                )
            except DrivetrainError as fault:
                raws.add(math.inf, 0.0, place, fault.error)
                continue
            read_tolerance, encoded_tolerance = tolerances["read"][name], tolerances["encoded"][name]
            try:
                value = codec.read(raw)
                reads.add(
                    *_read_difference(value, case.read[name], read_tolerance),
                    place,
                    "has another shape or type",
                )
            except DrivetrainError as fault:
                reads.add(math.inf, read_tolerance, place, fault.error)
                continue
            try:
                encoded = codec.encode(value)
                difference = array_difference(encoded, case.encoded[name])
                encodes.add(
                    difference, encoded_tolerance, place, _reason(difference, encoded, case.encoded[name])
                )
            except NotInstalled:
                raise  # Says nothing of the bundle.
            except DrivetrainError as fault:
                encodes.add(math.inf, encoded_tolerance, place, fault.error)
    return raws.stage_report(), reads.stage_report(), encodes.stage_report()


def _outputs(bundle: Bundle, session: Session) -> Stage:
    """The stage output: each case alone, then all of them in mixed batches, from the stored encoded
    values. Alone nothing is padded, so a graph that looks at the padding of a batch is found here."""
    tally = StageTally("output", len(bundle.cases))
    batches = [bundle.cases[start : start + BATCH] for start in range(0, len(bundle.cases), BATCH)]
    scales = {
        target: float(np.median([largest(case.output[target]) for case in bundle.cases]))
        for target in bundle.signature.targets
    }
    for company, groups in (("alone", [(case,) for case in bundle.cases]), ("in a batch", batches)):
        for group in groups:
            feeds = encoded_batch(bundle.signature, [case.encoded for case in group])
            try:
                outputs = session.run(feeds)
            except DrivetrainError as fault:
                tally.add(math.inf, 0.0, f"case {group[0].name!r} {company}", fault.error)
                continue
            _compare_outputs(bundle, tally, group, outputs, scales, company)
    return tally.stage_report()


def _compare_outputs(
    bundle: Bundle,
    tally: StageTally,
    group: Sequence[GoldenCase],
    outputs: Mapping[str, Array],
    scales: Mapping[str, float],
    company: str,
) -> None:
    for target, codec in bundle.signature.targets.items():
        tolerance = bundle.manifest["tolerances"]["output"][target]
        shape = (len(group), *codec.output_shape)
        if target not in outputs or outputs[target].shape != shape:
            tally.add(
                math.inf,
                tolerance,
                f"case {group[0].name!r} {company}",
                f"there is no output {target!r} of {shape}",
            )
            continue
        for row, case in enumerate(group):
            own, golden = outputs[target][row, ...], case.output[target]
            place = f"case {case.name!r} {company}, {target}"
            scale = max(largest(golden), scales[target]) or 1.0
            difference = array_difference(own, golden) / scale
            tally.add(
                difference, tolerance, place, "" if math.isfinite(difference) else "is not a finite number"
            )
            if math.isfinite(difference) and math.isfinite(codec.margin(golden)):
                have, want = codec.decode(own), codec.decode(golden)
                for part in codec.choices:
                    if have.get(part) != want.get(part):
                        words = f"the answer is {have[part]!r} where it was {want[part]!r}"
                        tally.add(math.inf, tolerance, place, words)


def answer_stage(bundle: Bundle, output: Callable[[int, str], Array]) -> Stage:
    """The stage answer: decode what is stored of a case, by its place, for a target."""
    tally = StageTally("answer", len(bundle.cases))
    for place, case in enumerate(bundle.cases):
        for target, codec in bundle.signature.targets.items():
            tolerance = bundle.manifest["tolerances"]["answer"][target]
            own, golden = codec.decode(output(place, target)), case.answer[target]
            difference = value_difference(own, golden)
            parts = ", ".join(key for key in own if value_difference(own[key], golden.get(key)) > tolerance)
            tally.add(
                difference, tolerance, f"case {case.name!r}, {target}", f"another {parts or 'set of parts'}"
            )
    return tally.stage_report()


def _same_bytes(to_bytes: Callable[[Any], bytes], raw: Any, stored: bytes) -> bool:
    try:
        return to_bytes(raw) == stored
    except DataError:  # It can't be read here at all, which is what the next stage is about.
        return True


def _read_difference(value: Any, golden: Any, tolerance: float) -> tuple[float, float]:
    own = kept(value, golden.step) if isinstance(golden, ReadArray) else kept(value)
    if not isinstance(golden, ReadArray):
        return (math.inf if isinstance(own, ReadArray) else value_difference(own, golden)), tolerance
    if not isinstance(own, ReadArray) or own.shape != golden.shape:
        return math.inf, tolerance
    return array_difference(own.values, golden.values), tolerance


def array_difference(own: Array, golden: Array) -> float:
    """The largest absolute difference of two elements, of which both may be NaN; infinite where shape or dtype
    differ, one alone is NaN, or own is infinite."""
    if own.shape != golden.shape or own.dtype != golden.dtype or infinite(own).any():
        return math.inf
    if own.dtype == object:
        return 0.0 if np.array_equal(own, golden) else math.inf
    absent = np.isnan(own)
    if not np.array_equal(absent, np.isnan(golden)):
        return math.inf
    if np.array_equal(own, golden, equal_nan=True):
        return 0.0
    gaps = np.abs(own.astype(np.float64) - golden.astype(np.float64))
    return float(gaps[~absent].max())


def _reason(difference: float, own: Array, golden: Array) -> str:
    if math.isfinite(difference):
        return ""
    if own.shape == golden.shape and own.dtype == golden.dtype:
        return "is missing or infinite where it was not, or the reverse"
    return f"is {own.dtype} {list(own.shape)} where it was {golden.dtype} {list(golden.shape)}"


def largest(array: Array) -> float:
    return 0.0 if array.dtype == object else float(np.abs(array).max(initial=0.0))


def value_difference(own: Any, golden: Any) -> float:
    """The largest difference of two JSON values' numbers, relative above 1; infinite where anything else
    differs."""
    if _is_number(own) and _is_number(golden):
        return 0.0 if own == golden else abs(own - golden) / max(1.0, abs(golden))
    if isinstance(own, dict) and isinstance(golden, dict):
        ours, theirs = cast("dict[str, Any]", own), cast("dict[str, Any]", golden)
        if ours.keys() != theirs.keys():
            return math.inf
        return max((value_difference(ours[key], theirs[key]) for key in ours), default=0.0)
    if isinstance(own, list) and isinstance(golden, list):
        left, right = cast("list[Any]", own), cast("list[Any]", golden)
        if len(left) != len(right):
            return math.inf
        return max((value_difference(*pair) for pair in zip(left, right)), default=0.0)
    same: bool = isinstance(own, type(golden)) and own == golden
    return 0.0 if same else math.inf


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
