"""`evaluate` of a bundle that writes: how surely it tells each token of a text, by its step graph, without torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from drivetrain.bundle import Bundle
from drivetrain.bundle.facts import is_number, is_whole
from drivetrain.bundle.program import Generate
from drivetrain.codecs import Codec
from drivetrain.codecs.tokens import Tokens
from drivetrain.data.forms.source import TextSource
from drivetrain.errors import DataError, UsageError
from drivetrain.metrics.estimate import Statistic, estimates
from drivetrain.metrics.tokens import of_costs
from drivetrain.progress import progress
from drivetrain.report.words import estimate_text
from drivetrain.runtime import Generator
from drivetrain.test_set_uses import record_opening, sentences
from drivetrain.tokenizer import UNKNOWN
from drivetrain.types import Array

MOST = 2**20
"""Tokens, from the beginning on, that are measured."""
ROWS = 256
CONTEXT = 128
NEAR = 40
"""Characters that a token has at most, nearly always."""
OWN = "the model has learned from this very text, and no end of it was held out: the figures flatter it"
OWN_END = "this is the text that the model was trained on: its end is measured, which the model has not read but was chosen by"


def measured_text(bundle: Bundle, source: str, trusted: bool, quiet: bool) -> dict[str, Any]:
    """The answer of `evaluate`: nats, perplexity and bits a character of a text, in stretches as they were trained; of the very
    text of the training its end. Raises DataError for a text of one token, or none."""
    if not isinstance(bundle.program, Generate) or len(bundle.signature.inputs) != 1:
        raise UsageError(
            "this model writes after no text.", where=bundle.name, fix="Give a bundle of a language model."
        )
    generator = Generator(bundle, trusted=trusted)
    (codec,) = bundle.signature.targets.values()
    if not isinstance(codec, Tokens) or not codec.tokenizer:
        raise UsageError(
            "this model writes numbers, and measures no text.", where=bundle.name, fix="Use its Generator."
        )
    text = TextSource(source)
    known = bundle.facts.get("text")
    digest, edge = text.facts(0).get("sha256"), 0
    own = isinstance(known, dict) and digest is not None and known.get("sha256") == digest
    if own and is_whole(known.get("edge"), 0, max(0, text.characters - 1)):  # type: ignore[union-attr]
        edge = known["edge"]  # type: ignore[index]
    context = _context(bundle)
    before = _tokens(codec, text, max(0, edge - NEAR * context), edge)[-context:]
    tokens = _tokens(codec, text, edge, text.characters)
    if len(tokens) < 2:
        raise DataError(
            "the text is too short: it has one token, or none.", where=source, fix="Give a longer one."
        )
    found = _measured(generator, codec, np.concatenate([before, tokens]), len(before), context, quiet)
    metrics = estimates(found)
    opened = record_opening(f"{digest or text.characters} {edge}", bundle.hash, metrics, is_test=not own)
    note = (OWN_END if edge else OWN) if own else ""
    part = ("valid" if edge else "train") if own else "all"
    return {
        "n": len(tokens) - 1, "metrics": metrics, "part": part, "target": next(iter(bundle.signature.targets)),
        "note": sentences(note, opened.note), "opened": opened.to_json(), "unknown": [], "failed": [], "unusual": [],
        "notes": [*text.notes, *_notes(bundle, tokens)],
    }  # fmt: skip


def _tokens(codec: Tokens, text: TextSource, start: int, end: int) -> Array:
    found: list[Array] = []
    count = 0
    for block in text.blocks(start, end):
        found.append(codec.encode(codec.read(block)))
        count += len(found[-1])
        if count >= MOST:
            break
    return np.concatenate([np.zeros(0, np.int64), *found])[:MOST]


def _context(bundle: Bundle) -> int:
    """How long stretches are: as they were trained, or as the program allows."""
    told = bundle.facts.get("context")
    assert isinstance(bundle.program, Generate)
    return min(bundle.program.longest, told if isinstance(told, int) and is_whole(told, 1) else CONTEXT)


def _measured(
    generator: Generator, codec: Codec, tokens: Array, first: int, context: int, quiet: bool
) -> dict[str, Statistic]:
    """The metrics of stretches from the place `first` on, each token but that there told once; as in training a stretch is told in
    two halves, each after up to half a context of what stands before it (`drivetrain.tasks.written`)."""
    starts = np.arange(first, len(tokens) - 1, context)
    lengths = np.minimum(context, len(tokens) - 1 - starts)
    costs, half = np.zeros((len(starts), context)), (context + 1) // 2
    with progress("Evaluating", 2 * len(starts), quiet=quiet) as advance:
        for begin, most in ((0, half), (half, context - half)):
            before = np.minimum(context - most, starts + begin)
            for size in np.unique(before):
                alike = np.flatnonzero((before == size) & (lengths > begin))
                if not len(alike):  # A text shorter than half a context has no second halves.
                    continue
                for rows in np.split(alike, range(ROWS, len(alike), ROWS)):
                    places = starts[rows, None] + begin - size + np.arange(size + most + 1)
                    found = generator.costs(tokens[np.minimum(places, len(tokens) - 1)])[:, size:]
                    there = np.arange(most) < lengths[rows, None] - begin
                    costs[rows, begin : begin + most] = np.where(there, found, 0.0)
                    advance(len(rows))
    told = np.minimum(starts[:, None] + 1 + np.arange(context), len(tokens) - 1)
    encoded = np.where(np.arange(context) < lengths[:, None], tokens[told], codec.padding)
    return of_costs(codec, costs, encoded.astype(np.int64))


def _notes(bundle: Bundle, tokens: Array) -> list[str]:
    notes = []
    if len(tokens) == MOST:
        notes.append(f"the text is longer: its first {MOST:,} tokens are measured")
    if share := float(np.mean(tokens == UNKNOWN)):
        notes.append(f"{share:.1%} of its tokens are unknown to the model, and all alike to it")
    baselines = bundle.facts.get("baselines")
    for name, found in baselines.items() if isinstance(baselines, dict) else ():
        nats = found.get("nats") if isinstance(found, dict) else None
        if isinstance(nats, dict) and is_number(nats.get("value")):
            notes.append(
                f"beside it on the end of its training text: {name} {estimate_text('nats', nats)} nats a token"
            )
    return notes
