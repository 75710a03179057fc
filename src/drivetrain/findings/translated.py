"""How good what was written is: beside a translator of words alone, by length, and in examples, the best and the worst."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from drivetrain.figures import number
from drivetrain.findings.result import told_apart
from drivetrain.learn.baselines.word_by_word import WordByWord
from drivetrain.metrics import Statistic, difference
from drivetrain.metrics.estimate import estimates
from drivetrain.metrics.translation import METRICS, by_text, notes, statistics
from drivetrain.types import Array

WORD_BY_WORD = "word by word"
EXAMPLES = 5
LENGTHS = 4
"""Groups of as many texts each, by how long they are."""
LEAST = 20
"""Texts of a group."""


def beside(
    pairs: tuple[Sequence[str], Sequence[str]], sources: Sequence[str], written: Sequence[str], references: Sequence[str],
    target: str, seed: int = 0,
) -> dict[str, Any]:  # fmt: skip
    """`{"metrics", "baselines", "against", "notes"}` of what was written for some sources, beside what a translator of words alone,
    learned of the training `pairs`, makes of them."""
    ours = statistics(written, references)
    words = WordByWord.fit(*pairs)
    theirs = statistics(words.translate(sources), references)
    apart = {  # Below 0 where ours is better, as of losses.
        key: told_apart(WORD_BY_WORD, target, key, difference(theirs[key], ours[key], seed)) for key in ours
    }
    decides, *others = apart.values()
    otherwise = [each["words"] for each in others if each["better"] is (not decides["better"])]
    return {
        "metrics": estimates(ours, seed),
        "baselines": {WORD_BY_WORD: estimates(theirs, seed)},
        "against": {WORD_BY_WORD: decides},
        "notes": [
            *notes(ours, written, references),
            *(f"another measure says otherwise: it is {words}" for words in otherwise),
            *_too_short(written, references),
            *_of_fewer(words.pairs, len(pairs[0])),
        ],
    }


def _too_short(written: Sequence[str], references: Sequence[str]) -> list[str]:
    """A note where what is written has far fewer words than there should be, or more."""
    length, wanted = _words(written).sum(), _words(references).sum()
    if not wanted or 0.85 < length / wanted < 1.15:
        return []
    few = length < wanted
    return [
        f"what is written has {length / wanted:.2f} times the words of the references: "
        + ("it stops too early" if few else "it does not know when to stop")
    ]


def _of_fewer(some: int, count: int) -> list[str]:
    return [f"{WORD_BY_WORD} was learned of {some:,} of the {count:,} training pairs"] if some < count else []


def _words(texts: Sequence[str]) -> Array:
    return np.array([len(text.split()) for text in texts], np.int64)


def sections(
    sources: Sequence[str], written: Sequence[str], references: Sequence[str], charts: Sequence[Any] = ()
) -> list[dict[str, Any]]:
    """Of the report: examples, figures by length, and pictures of where it looked."""
    scores = by_text(written, references)
    order = np.argsort(scores, kind="stable")
    count = min(EXAMPLES, max(1, len(order) // 2))
    columns = ["chrF", "read", "written", "a person wrote"]
    found: list[dict[str, Any]] = []
    for title, rows in (("Worst", order[:count]), ("Best", order[::-1][:count])):
        found.append({
            "title": f"{title} translations",
            "words": "By the chrF of each text against the one that a person wrote, 0 to 100.",
            "columns": columns,
            "rows": [[number(float(scores[row])), sources[row], written[row], references[row]] for row in rows.tolist()],
        })  # fmt: skip
    if by_length := _by_length(sources, written, references):
        found.append(by_length)
    if charts:
        words = (
            "A row for each token that was written: the stronger a cell's colour, the more the last layer looked at the token "
            "above it, all heads together. The most of each row is ringed."
        )
        found.append(
            {"title": "Where it looked", "words": words, "columns": [], "rows": [], "charts": charts}
        )
    return found


def _by_length(
    sources: Sequence[str], written: Sequence[str], references: Sequence[str]
) -> dict[str, Any] | None:
    """BLEU and chrF of texts of so many words, from the shortest quarter to the longest."""
    sizes, lengths, wanted = map(_words, (sources, written, references))
    if len(sizes) < LENGTHS * LEAST:
        return None
    edges = np.unique(np.quantile(sizes, np.linspace(0, 1, LENGTHS + 1)[1:-1], method="higher"))
    group = np.searchsorted(edges, sizes, side="right")
    made = statistics(written, references)
    rows: list[list[str]] = []
    for each in np.unique(group).tolist():
        inside = group == each
        some = {
            name: Statistic(tuple(term[inside] for term in one.terms), one.of) for name, one in made.items()
        }
        told = [one.estimate() for one in some.values()]
        there = wanted[inside].sum()
        rows.append([
            _range(sizes[inside]), f"{inside.sum():,}",
            *(f"{number(one.value)} ({number(one.low)} to {number(one.high)})" for one in told),
            f"{lengths[inside].sum() / there:.2f}" if there else "",
        ])  # fmt: skip
    measured = [f"{each.name} (95 % interval)" for each in METRICS if each.key in made]
    words = "The last column: how many words were written for each that a person wrote."
    return {
        "title": "By length", "words": words,
        "columns": ["words read", "texts", *measured, "words written"], "rows": rows,
    }  # fmt: skip


def _range(sizes: Array) -> str:
    low, high = int(sizes.min()), int(sizes.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
