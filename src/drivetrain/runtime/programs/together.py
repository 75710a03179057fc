"""Several rows gone on with at once: a graph takes many rows in little more time than one.

Those go together that begin with as many tokens, rows of similar lengths next to each other. What one is padded with is masked
in the graph, so that each gets what it would get alone (OPS.md says how it is chosen).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from drivetrain.bundle.strategies import Beam, Sampling, Strategy
from drivetrain.errors import DrivetrainError
from drivetrain.runtime.programs.choose import draw, largest, likeliest, sampled
from drivetrain.runtime.programs.generate import Decoder, Step, sizes
from drivetrain.types import Array, Batch

AT_ONCE = 128
"""Sequences that a step takes: rows, or the beams of several."""
MOST_PLACES = 2**14
"""Of the inputs of all sequences of a step, padding included: a state has numbers for each."""

Tokens = tuple[int, ...]


def generate_together(
    decoder: Decoder,
    rows: Sequence[Batch],
    strategy: Strategy,
    most: int,
    seeds: Sequence[int] = (),
    done: Callable[[int], None] = lambda count: None,
) -> list[Tokens | DrivetrainError]:
    """For each encoded row what `generate` gives, or the error that it raises. `seeds`, one a row, take the place of that of
    `Sampling`; `done` is told how many rows are finished, whenever some are."""
    found: list[Tokens | DrivetrainError] = [()] * len(rows)
    limits = np.zeros(len(rows), np.int64)
    fit: list[int] = []
    for place, row in enumerate(rows):
        try:
            limits[place] = min(most, decoder.room(row))
            fit.append(place)
        except DrivetrainError as fault:
            found[place] = fault
    done(len(rows) - len(fit))
    width = strategy.width if isinstance(strategy, Beam) else 1
    for some in _batches(decoder, rows, fit, width):
        given = [rows[place] for place in some]
        try:
            made: Sequence[Tokens | DrivetrainError] = _go_on(
                decoder, given, strategy, limits[some], [seeds[place] for place in some] if seeds else ()
            )
        except DrivetrainError as fault:  # Whose fault it is, each tells alone.
            if len(some) > 1:
                own = ([seeds[place]] if seeds else () for place in some)
                made = [
                    one
                    for row, seed in zip(given, own)
                    for one in generate_together(decoder, [row], strategy, most, seed)
                ]
            else:
                made = [fault]
        for place, one in zip(some, made):
            found[place] = one
        done(len(some))
    return found


def generate(decoder: Decoder, encoded: Batch, strategy: Strategy, most: int) -> Tokens:
    """Up to `most` tokens after an encoded row, the one of `stop` that ended it included.

    Raises DataError for a prompt that there can't be, BundleError where a graph doesn't do what it has to.
    """
    (found,) = generate_together(decoder, [encoded], strategy, most)
    if isinstance(found, DrivetrainError):
        raise found
    return found


def _batches(decoder: Decoder, rows: Sequence[Batch], fit: Sequence[int], width: int) -> Iterator[list[int]]:
    """The places of rows that go together, each as `width` sequences."""
    alike = {place: decoder.alike(rows[place]) for place in fit}
    size = {place: max((1, *sizes(rows[place]))) for place in fit}
    batch: list[int] = []
    for place in sorted(fit, key=lambda place: (alike[place], size[place])):
        sequences = (len(batch) + 1) * width
        full = sequences > AT_ONCE or sequences * size[place] > MOST_PLACES
        if batch and (full or alike[place] != alike[batch[0]]):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _go_on(
    decoder: Decoder, rows: Sequence[Batch], strategy: Strategy, limits: Array, seeds: Sequence[int]
) -> list[Tokens]:
    step = decoder.begin(rows)
    if isinstance(strategy, Beam):
        return _beams(decoder, step, strategy, limits)
    return _one_by_one(decoder, step, strategy, limits, seeds or [getattr(strategy, "seed", 0)] * len(rows))


def _one_by_one(
    decoder: Decoder, step: Step, strategy: Strategy, limits: Array, seeds: Sequence[int]
) -> list[Tokens]:
    """One token of each row at a time; rows that have ended are left out."""
    found: list[list[int]] = [[] for _ in limits]
    rows, stops = np.arange(len(limits)), decoder.stops
    for place in range(int(limits.max())):
        logits = decoder.scores(step)
        if isinstance(strategy, Sampling):
            numbers = (draw(seeds[row], place) for row in rows.tolist())
            tokens = np.array([sampled(*given) for given in zip(logits, [strategy] * len(rows), numbers)])
        else:
            tokens = logits.argmax(1)  # Of equals the first.
        for row, token in zip(rows.tolist(), tokens.tolist()):
            found[row].append(token)
        going = ~stops[tokens] & (place + 1 < limits[rows])
        if not going.any():
            break
        left = None if going.all() else np.flatnonzero(going)
        rows, tokens = rows[going], tokens[going]
        step = decoder.next(step, tokens, left)
    return [tuple(tokens) for tokens in found]


@dataclass
class Search:
    """The beam of one row: sequences that go on, each with its score, and those that are finished, each with the value by
    which it is chosen."""

    limit: int
    going: list[Tokens] = field(default_factory=lambda: [()])
    scores: Array = field(default_factory=lambda: np.zeros(1))
    finished: list[tuple[float, Tokens]] = field(default_factory=list[tuple[float, Tokens]])

    def advance(
        self, tokens: Array, logs: Array, strategy: Beam, stops: Array, length: int
    ) -> tuple[Array, Array]:
        """Takes the likeliest continuations of those `tokens` (going, k) that have these log-probabilities. Gives for each
        sequence that goes on which one it continues, and its token."""
        totals = (self.scores[:, None] + logs).reshape(-1)
        best = largest(totals, strategy.width - len(self.finished))
        rows, chosen, scores = best // tokens.shape[1], tokens.reshape(-1)[best], totals[best]
        sequences: list[Tokens] = [
            (*self.going[row], token) for row, token in zip(rows.tolist(), chosen.tolist())
        ]
        ends = stops[chosen] | (length == self.limit)
        for place in np.flatnonzero(ends).tolist():
            self.finished.append((scores[place] / length**strategy.length_penalty, sequences[place]))
        left = np.flatnonzero(~ends)
        self.going, self.scores = [sequences[place] for place in left.tolist()], scores[left]
        return rows[left], chosen[left]

    @property
    def best(self) -> Tokens:
        return max(self.finished, key=lambda one: one[0])[1]


def _beams(decoder: Decoder, step: Step, strategy: Beam, limits: Array) -> list[Tokens]:
    """The best sequence of a search that keeps `width` for each row; a finished one keeps its place, so that each leaves one less
    to go on. (So did the translators of Bahdanau et al., 2015, arXiv:1409.0473.)"""
    searches = [Search(int(limit)) for limit in limits]
    active, stops = searches, decoder.stops
    for length in range(1, int(limits.max()) + 1):
        tokens, logs = likeliest(decoder.scores(step), min(strategy.width, decoder.choices))
        rows: list[Array] = []
        chosen: list[Array] = []
        first = 0
        for search in active:
            mine = slice(first, first + len(search.going))
            before, new = search.advance(tokens[mine], logs[mine], strategy, stops, length)
            rows.append(first + before)
            chosen.append(new)
            first = mine.stop
        active = [search for search in active if search.going]
        if not active:
            break
        step = decoder.next(step, np.concatenate(chosen), np.concatenate(rows))
    return [search.best for search in searches]
