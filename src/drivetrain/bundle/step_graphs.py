"""What the graphs of the program `generate` take and give, and the state that they hand on (FORMAT.md, section 5.4)."""

from __future__ import annotations

import math
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from drivetrain.bundle.graph import Port, check_model, input_ports
from drivetrain.bundle.program import PREFILL, STEP, Generate
from drivetrain.bundle.values import PLACE, refuse
from drivetrain.codecs import Signature
from drivetrain.errors import BundleError

TOKENS, LOGITS = "tokens", "logits"
MOST_STATES = 1024
MOST_ELEMENTS = 2**26
"""Of all states together, with sides of 1 where they grow."""
STATE_TYPES = ("float32", "float16", "int64", "int32", "bool")

Ports = dict[str, Port]
StepInterface = dict[str, dict[str, Any]]
"""`{"inputs": {name: Port}, "outputs": {name: Port}, "state": {name: Port}}`. A state of `step` says beside its port
whether "prefill" makes what it is `first`, or it is "zeros", and which output it is `next`; None: it stays as it is."""


def check_step_graphs(
    graphs: Mapping[str, bytes], program: Generate, signature: Signature
) -> dict[str, StepInterface]:
    """Graph -> its interface, when all may be run and fit one another, the program and the signature. Raises BundleError."""
    check_fields(signature, graphs)
    found: dict[str, StepInterface] = {}
    if PREFILL in graphs:
        with _place(PREFILL):
            found[PREFILL] = _prefill(graphs[PREFILL], program, signature)
    with _place(STEP):
        found[STEP] = _step(graphs[STEP], program, found.get(PREFILL, {}).get("state", {}))
    return found


def check_fields(signature: Signature, graphs: Collection[str]) -> None:
    """Raise BundleError unless the only target is of tokens, and where there is no `prefill` the only input too."""
    for side in (signature.targets, signature.inputs) if PREFILL not in graphs else (signature.targets,):
        if len(side) != 1 or not all(codec.of_tokens for codec in side.values()):
            raise BundleError(
                "what a program generates, and what it begins with where it has no graph 'prefill', is one field of tokens.",
                where="signature.json",
            )  # fmt: skip


def _prefill(data: bytes, program: Generate, signature: Signature) -> StepInterface:
    ports = check_model(data)
    state = dict(ports["outputs"])
    logits = state.pop(LOGITS, None)
    if logits is not None:
        _check_logits(logits, program)
    if (logits is None) == (program.start is None):
        raise refuse("a program has a first token or 'logits' of 'prefill' to choose it by, one of both")
    return {
        "inputs": input_ports(ports["inputs"], signature),
        "outputs": {} if logits is None else {LOGITS: logits},
        "state": state,
    }


def _step(data: bytes, program: Generate, given: Ports) -> StepInterface:
    """The interface of `step`, where `prefill` has `given` these states."""
    ports = check_model(data)
    inputs, outputs = dict(ports["inputs"]), dict(ports["outputs"])
    tokens, logits = inputs.pop(TOKENS, None), outputs.pop(LOGITS, None)
    if tokens is None or tokens["dtype"] != "int64" or tokens["dims"] not in ([None, None], [None, 1]):
        raise refuse(
            "its input 'tokens' is not int64 of any number of rows and of any number of tokens, or 1"
        )
    if logits is None:
        raise refuse("it has no output 'logits'")
    _check_logits(logits, program)
    if len(inputs) > MOST_STATES or {*inputs} != {f"state_{place}" for place in range(len(inputs))}:
        raise refuse("its other inputs are not 'state_0', 'state_1' and so on")
    if sum(math.prod(side or 1 for side in port["dims"]) for port in inputs.values()) > MOST_ELEMENTS:
        raise refuse(f"its states have more than {MOST_ELEMENTS:,} elements")
    if others := (given.keys() - inputs.keys()) | (outputs.keys() - {_next(name) for name in inputs}):
        raise refuse(f"{min(others)!r} is no state of the step")
    return {
        "inputs": {TOKENS: tokens},
        "outputs": {LOGITS: logits},
        "state": {name: _state(name, port, outputs.get(_next(name)), given.get(name)) for name, port in inputs.items()},
    }  # fmt: skip


def _state(name: str, port: Port, after: Port | None, first: Port | None) -> dict[str, Any]:
    """A state with what it is before and after the first step."""
    if port["dtype"] not in STATE_TYPES or not port["dims"] or port["dims"][0] is not None:
        raise refuse(f"{name!r} is not of {', '.join(STATE_TYPES)} with any number of rows")
    for other in (after, first):
        if other is not None and not _alike(port, other):
            raise refuse(f"{name!r} is {port} where another graph or the next step has {other}")
    if after is None and first is None:
        raise refuse(f"nothing ever makes {name!r}")
    return {**port, "first": "zeros" if first is None else "prefill", "next": after and _next(name)}


def _alike(port: Port, other: Port) -> bool:
    """Whether one may be put in for the other: sides that both know are equal."""
    pairs = zip(port["dims"], other["dims"])
    return (
        port["dtype"] == other["dtype"]
        and len(port["dims"]) == len(other["dims"])
        and all(mine == its or None in (mine, its) for mine, its in pairs)
        and other["dims"][0] is None
    )


def _next(state: str) -> str:
    return state.replace("state", "next")


def _check_logits(port: Port, program: Generate) -> None:
    if port["dtype"] != "float32" or port["dims"] not in ([None, program.vocabulary], [None, None]):
        raise refuse(
            f"its output 'logits' is not float32 of any number of rows and {program.vocabulary:,} tokens"
        )


@contextmanager
def _place(graph: str) -> Generator[None]:
    """A fault is told of this graph's member."""
    try:
        yield
    except BundleError as fault:
        fault.where = f"{graph}.onnx" if fault.where == PLACE else fault.where
        raise
