"""From a prompt to what a model writes after it: read, encode, choose one token after the other, decode."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import tee
from typing import Any

import numpy as np

from drivetrain.arguments import public
from drivetrain.bundle.generations import written
from drivetrain.bundle.program import Generate
from drivetrain.bundle.reader import Bundle
from drivetrain.bundle.strategies import MOST_SEED, Beam, Greedy, Sampling, Strategy
from drivetrain.errors import DrivetrainError, UsageError
from drivetrain.runtime.programs.generate import open_decoder, stream
from drivetrain.runtime.programs.together import generate, generate_together
from drivetrain.runtime.rows import describe, encode, sample_of
from drivetrain.runtime.vetting import open_vetted
from drivetrain.types import Array, Batch, Failure


@dataclass(frozen=True, slots=True)
class Generated:
    """What was written after one prompt.

    `tokens` are what was chosen, without the token to stop at, if that ended it (`stopped`; else there was no room for more).
    `answer` is what the codec of the target makes of them, `notes` say what of the prompt was not read,
    and `lost` the same in the words that many prompts share, as `Unusual` has them.
    """

    input: str
    tokens: tuple[int, ...]
    stopped: bool
    answer: dict[str, Any]
    notes: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """`{"input", "tokens", "stopped", ...}` with the parts of the answer, and `notes` where there are some."""
        found = {"input": self.input, "tokens": list(self.tokens), "stopped": self.stopped, **self.answer}
        return {**found, "notes": list(self.notes)} if self.notes else found


@dataclass(frozen=True, slots=True)
class Piece:
    """A token that was chosen, and what it adds to the text. One to stop at (`stops`) ends it, and adds nothing."""

    token: int
    text: str
    stops: bool = False


class Generator:
    """Writes with a bundle whose program is `generate`.

    It is opened, vetted and verified as by `Predictor`, which is for all other bundles. A prompt is a mapping from input names to
    raw values, or, where there is one input, its raw value alone: whatever its codec reads.
    """

    @public
    def __init__(
        self,
        bundle: Bundle | str | os.PathLike[str],
        verify: bool = True,
        *,
        threads: int | None = None,
        trusted: bool = False,
    ) -> None:
        opened, self.program = open_vetted(
            bundle, Generate, "this bundle answers at once and generates nothing.",
            "Use drivetrain.runtime.Predictor, in a terminal drivetrain predict.", verify=verify, trusted=trusted,
        )  # fmt: skip
        self.signature, self.manifest, self.card = opened.signature, opened.manifest, opened.card
        self.hash, self.name = opened.hash, opened.name
        self._decoder = open_decoder(opened, threads)

    def __repr__(self) -> str:
        return f"<Generator {self.name}: {', '.join(self.signature.inputs)} -> {next(iter(self.signature.targets))}>"

    @public
    def generate(self, prompt: Any, strategy: Strategy | None = None, *, most: int = 256) -> Generated:
        """What `strategy` (Greedy, Sampling or Beam; by default Greedy) writes after a prompt, `most` tokens at most. Raises
        DataError for a prompt that can't be read or leaves no room."""
        _check(most)
        try:
            encoded = self._encoded(prompt)
            tokens = generate(self._decoder, encoded, strategy or Greedy(), most)
        except DrivetrainError as fault:
            raise fault.at(describe(prompt)) from fault
        return self._generated(prompt, encoded, tokens)

    @public
    def stream(self, prompt: Any, strategy: Strategy | None = None, *, most: int = 256) -> Iterator[Piece]:
        """The same, token by token as they are chosen: `for piece in generator.stream("ROMEO:"): print(piece.text, end="")`.
        With Beam all come at the end. Raises what `generate` does, when the first is asked for."""
        name, (codec,) = describe(prompt), self.signature.targets.values()
        _check(most)
        try:
            chosen = self._chosen(self._encoded(prompt), strategy or Greedy(), most)
            tokens, again = tee(chosen)
            for token, text in zip(tokens, codec.texts(again)):
                stops = token in self.program.stop
                yield Piece(token, "" if stops else text, stops)
        except DrivetrainError as fault:
            raise fault.at(name) from fault

    @public
    def generate_many(
        self,
        prompts: Iterable[Any],
        strategy: Strategy | None = None,
        *,
        most: int = 256,
        done: Callable[[int], None] = lambda count: None,
    ) -> list[Generated | Failure]:
        """What is written after each prompt by itself, or why nothing is; several at once, which changes no answer. With sampling
        the k-th, from 0, has the seed + k: so equal prompts get different answers, each of which `generate` gives again. `done` is
        told how many more are finished, whenever some are."""
        _check(most)
        strategy = strategy or Greedy()
        given = list(prompts)
        found: dict[int, Generated | Failure] = {}
        rows: dict[int, dict[str, Array]] = {}
        for place, prompt in enumerate(given):
            try:
                rows[place] = self._encoded(prompt)
            except UsageError:
                raise
            except DrivetrainError as fault:
                found[place] = Failure(describe(prompt), fault)
        done(len(found))
        first = strategy.seed if isinstance(strategy, Sampling) else 0
        seeds = [(first + place) & MOST_SEED for place in rows]
        made = generate_together(self._decoder, list(rows.values()), strategy, most, seeds, done)
        for (place, row), tokens in zip(rows.items(), made):
            found[place] = (
                Failure(describe(given[place]), tokens)
                if isinstance(tokens, DrivetrainError)
                else self._generated(given[place], row, tokens)
            )
        return [found[place] for place in range(len(given))]

    def costs(self, tokens: Array) -> Array:
        """What each token but the first of each row costs, float64 (rows, n - 1): -log of the share that the model gave it after
        those before it. `tokens` is int64 (rows, n), of a model that begins with a text alone."""
        ((name, _),) = self.signature.inputs.items()
        step = self._decoder.begin([{name: row} for row in tokens[:, :1]])
        found = np.zeros((len(tokens), tokens.shape[1] - 1))
        for place in range(1, tokens.shape[1]):
            scores = step.logits.astype(np.float64)
            scores -= scores.max(axis=1, keepdims=True)
            came = np.take_along_axis(scores, tokens[:, place, None], axis=1)[:, 0]
            found[:, place - 1] = np.log(np.exp(scores).sum(axis=1)) - came
            if place + 1 < tokens.shape[1]:
                step = self._decoder.next(step, tokens[:, place])
        return found

    @public
    def translate(
        self,
        texts: Sequence[str],
        strategy: Strategy | None = None,
        *,
        done: Callable[[int], None] = lambda count: None,
    ) -> list[str]:
        """What is written for each text, in their order: `generator.translate(["a dog"], Beam(4))`. By default the likeliest token
        each time; a search (Beam) takes some three times as long, and finds better texts. It ends where the model ends it,
        or where there is no room for more. An empty text stays one. Raises DataError for a text that can't be read."""
        if isinstance(texts, str):
            raise UsageError("these are texts, one or more.", where="texts", fix="Give a list: [text].")
        there = [place for place, text in enumerate(texts) if text.strip()]
        done(len(texts) - len(there))
        found = [""] * len(texts)
        asked = [texts[place] for place in there]
        made = self.generate_many(asked, strategy, most=self.program.longest, done=done)
        for place, each in zip(there, made):
            if isinstance(each, Failure):
                raise each.error
            found[place] = str(each.answer.get("text", ""))
        return found

    __call__ = translate

    def _chosen(self, encoded: dict[str, Array], strategy: Strategy, most: int) -> Iterator[int]:
        if isinstance(strategy, Beam):
            yield from generate(self._decoder, encoded, strategy, most)
        else:
            yield from stream(self._decoder, encoded, strategy, most)

    def _generated(self, prompt: Any, encoded: Batch, tokens: tuple[int, ...]) -> Generated:
        own = written(tokens, self.program)
        (codec,) = self.signature.targets.values()
        sample = sample_of(prompt, self.signature.inputs)
        lost = [each.lost(sample[field], encoded[field]) for field, each in self.signature.inputs.items()]
        told = tuple("; ".join(each.values()) for each in lost if each)
        return Generated(
            describe(prompt), tuple(own.tolist()), len(own) < len(tokens), codec.decode(own), told,
            tuple(reason for each in lost for reason in each),
        )  # fmt: skip

    def _encoded(self, prompt: Any) -> dict[str, Array]:
        sample = sample_of(prompt, self.signature.inputs)
        return {field: encode(codec, sample[field]) for field, codec in self.signature.inputs.items()}


def _check(most: int) -> None:
    if most < 1:
        raise UsageError(f"{most} tokens are nothing to write.", where="most", fix="Give 1 or more.")
