"""The program `generate`: a prompt once, then one token after the other, with the state that each step hands to the next one.

What is chosen is told exactly by OPS.md, so that every runtime writes the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from drivetrain.bundle.golden import encoded_batch
from drivetrain.bundle.manifest import WITHOUT_PADDING, interfaces_of
from drivetrain.bundle.program import PREFILL, STEP, Generate
from drivetrain.bundle.reader import Bundle
from drivetrain.bundle.step_graphs import LOGITS, TOKENS, StepInterface
from drivetrain.bundle.strategies import Greedy, Sampling
from drivetrain.bundle.tensors import Tensors
from drivetrain.codecs import Signature
from drivetrain.errors import BundleError, DataError
from drivetrain.runtime.programs.choose import draw, sampled
from drivetrain.runtime.session import OnnxSession
from drivetrain.types import Array, Batch

State = Mapping[str, Array]
"""Name -> (rows, ...)."""
Run = Callable[[str, Batch], Mapping[str, Array]]
"""Runs a graph by its name: arrays in, arrays out. Inputs of `prefill` go by field, all else by the names of the graph."""


@dataclass(frozen=True, eq=False)
class Step:
    """How far a generation is: float32 logits (rows, vocabulary) of the token to come, and the state behind them."""

    logits: Array
    state: State


class Decoder:
    """The steps of a program. `interfaces` is what the manifest says of its graphs; `run` runs them, or does what they do.

    It begins with encoded rows {input: (...)} that are `alike`. `pads` tells whether its graphs mind the lengths of rows, so that
    those of different ones may be read at once: from format 7 on.
    """

    def __init__(
        self,
        program: Generate,
        signature: Signature,
        interfaces: Mapping[str, StepInterface],
        run: Run,
        pads: bool = True,
    ) -> None:
        self._pads = pads
        self.program, self._signature = program, signature
        self._run, self._step, self._prefill = run, interfaces[STEP], interfaces.get(PREFILL)

    @property
    def stops(self) -> Array:
        """bool (vocabulary,): which tokens end a sequence."""
        return np.isin(np.arange(self.program.vocabulary), self.program.stop)

    @property
    def choices(self) -> int:
        """How many tokens may be chosen."""
        return self.program.vocabulary - len(self.program.never)

    def scores(self, step: Step) -> Array:
        """The logits to choose from (rows, vocabulary): -inf for a token that is never chosen."""
        if not self.program.never:
            return step.logits
        scores = step.logits.copy()
        scores[:, self.program.never] = -np.inf
        return scores

    def room(self, encoded: Batch) -> int:
        """How many tokens may follow a row. Raises DataError where none may."""
        taken = self._first_tokens(encoded).shape[1]
        if taken >= self.program.longest:
            raise DataError(
                f"{taken:,} tokens to begin with leave no room: a sequence has {self.program.longest:,} at most.",
                fix="Give a shorter prompt.",
            )
        return self.program.longest - taken

    def alike(self, encoded: Batch) -> tuple[int, ...]:
        """What is equal for rows that may begin together. Raises DataError for a prompt that there can't be."""
        return self._first_tokens(encoded).shape[1], *(() if self._pads else sizes(encoded))

    def begin(self, rows: Sequence[Batch]) -> Step:
        """The first step of these rows."""
        tokens = np.concatenate([self._first_tokens(row) for row in rows])
        made: Mapping[str, Array] = {}
        if self._prefill is not None:
            made = self._run(PREFILL, encoded_batch(self._signature, rows))
        state: dict[str, Array] = {}
        for name, port in self._step["state"].items():
            shape = (len(rows), *(side or 0 for side in port["dims"][1:]))
            state[name] = (
                _checked(name, made, port, len(rows)) if name in made else np.zeros(shape, port["dtype"])
            )
        if self._prefill is not None and LOGITS in self._prefill["outputs"]:
            return Step(self._logits(made, len(rows)), state)
        return self._feed(tokens, state)

    def next(self, step: Step, tokens: Array, rows: Array | None = None) -> Step:
        """The step after int64 tokens (n,), which follow the step's `rows`, int64 (n,): one may be gone on with several times, or
        not at all. By default each is, in their order."""
        state = step.state
        if rows is not None:
            state = {name: array[rows] for name, array in state.items()}
        return self._feed(tokens[:, None], state)

    def _feed(self, tokens: Array, state: State) -> Step:
        """The step after int64 tokens (rows, n)."""
        size = self._step["inputs"][TOKENS]["dims"][1] or tokens.shape[1]
        made: Mapping[str, Array] = {}
        for start in range(0, tokens.shape[1], size):
            some = tokens[:, start : start + size]
            made = self._run(STEP, {TOKENS: some, **state})
            state = {name: self._after(name, array, made, some.shape[1]) for name, array in state.items()}
        return Step(self._logits(made, len(tokens)), state)

    def _after(self, name: str, before: Array, made: Mapping[str, Array], tokens: int) -> Array:
        """A state after some tokens. It may have grown by one for each of them, and no more: that doubles in each step would
        soon be too large for any machine."""
        port = self._step["state"][name]
        if port["next"] is None:
            return before
        after = _checked(port["next"], made, port, len(before))
        if any(new > old + tokens for new, old in zip(after.shape, before.shape)):
            raise _broken(
                f"{name!r} grows from {list(before.shape)} to {list(after.shape)} with {tokens} tokens"
            )
        return after

    def _logits(self, made: Mapping[str, Array], rows: int) -> Array:
        port: dict[str, Any] = {"dtype": "float32", "dims": [None, self.program.vocabulary]}
        logits = _checked(LOGITS, made, port, rows)
        if not np.isfinite(logits).all():
            raise _broken("its logits are not all finite numbers")
        return logits

    def _first_tokens(self, encoded: Batch) -> Array:
        """What `step` takes first, int64 (1, n): the start, and a prompt that is no other graph's."""
        start = [] if self.program.start is None else [self.program.start]
        prompt: list[int] = [] if self._prefill is not None else next(iter(encoded.values())).tolist()
        if self._prefill is None and not start + prompt:
            raise DataError("the prompt is empty.", fix="Give some of the text that is to be gone on with.")
        if wrong := [token for token in prompt if not 0 <= token < self.program.vocabulary]:
            raise DataError(f"there is no token {wrong[0]}: this model has {self.program.vocabulary:,}.")
        return np.array([start + prompt], np.int64)


def stream(decoder: Decoder, encoded: Batch, strategy: Greedy | Sampling, most: int) -> Iterator[int]:
    """Up to `most` tokens after an encoded row, the one of `stop` that ended it included, each as soon as it is chosen.

    Raises DataError for a prompt that there can't be, BundleError where a graph doesn't do what it has to.
    """
    most = min(most, decoder.room(encoded))
    step = decoder.begin([encoded])
    for place in range(most):
        logits = decoder.scores(step)[0]
        if isinstance(strategy, Sampling):
            token = sampled(logits, strategy, draw(strategy.seed, place))
        else:
            token = int(logits.argmax())  # Of equals the first.
        yield token
        if token in decoder.program.stop:
            return
        if place + 1 < most:
            step = decoder.next(step, np.array([token], np.int64))


def sizes(encoded: Batch) -> tuple[int, ...]:
    """How long each input of a row is."""
    return tuple(array.shape[0] if array.ndim else 1 for array in encoded.values())


def _checked(name: str, made: Mapping[str, Array], port: Mapping[str, Any], rows: int = 1) -> Array:
    """What a graph has made, when it is of the dtype and the sides that its port says, with so many rows."""
    array = made.get(name)
    sides = [rows, *port["dims"][1:]]
    if (
        array is None
        or array.dtype != port["dtype"]
        or array.ndim != len(sides)
        or any(side not in (None, have) for have, side in zip(array.shape, sides))
    ):
        found = "missing" if array is None else f"{array.dtype} {list(array.shape)}"
        raise _broken(f"{name!r} is {found} and has to be {port['dtype']} {sides}")
    return array


def _broken(what: str) -> BundleError:
    return BundleError(f"the program can't go on: {what}.", fix="Export the model again.")


def open_decoder(bundle: Bundle, threads: int | None = None) -> Decoder:
    """The steps of a bundle that generates, run by onnxruntime. Raises BundleError where it refuses a graph."""
    assert isinstance(bundle.program, Generate)
    interfaces = interfaces_of(bundle.manifest)
    sessions: dict[str, OnnxSession] = {}
    for name, graph in bundle.graphs.items():
        outputs = [*interfaces[name]["outputs"], *interfaces[name]["state"]] if name == PREFILL else []
        tensors = Tensors(bundle.tensors.inputs, {output: output for output in outputs}) if outputs else None
        sessions[name] = OnnxSession(graph, tensors, threads=threads, member=f"{name}.onnx")
    return Decoder(
        bundle.program, bundle.signature, interfaces, lambda name, batch: sessions[name].run(batch),
        pads=bundle.manifest["format"] > WITHOUT_PADDING,
    )  # fmt: skip
