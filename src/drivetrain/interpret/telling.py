"""The words of a text that an answer hangs on.

Of a model whose score is a sum over n-grams what a word adds is exact: what each n-gram adds is dealt to the letters that it
stands over, white space left out, and a word has what its letters have; with the `rest` that is the score. Of any other model
each word is left out in turn (Li, Monroe and Jurafsky 2016, Understanding Neural Networks through Representation Erasure,
arXiv:1612.08220): a word adds by how much the score falls without it. These don't add up, for words speak together.

A score for a class is its logarithm of probability less the mean of the other classes' ones: of two classes the logarithm of
the odds. That of a number is the number on the scale that it is learned on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from drivetrain.codecs import Codec
from drivetrain.codecs.base import is_missing
from drivetrain.data.show import most_telling
from drivetrain.extensions import facet
from drivetrain.grams import MOST_CHARACTERS
from drivetrain.interpret.sums import Summed, plain, strongest, summed
from drivetrain.ragged import column_in, graph_inputs
from drivetrain.values import as_text

if TYPE_CHECKING:
    from drivetrain.charts import Chart
    from drivetrain.learn.base import BaseLearner

Floats = npt.NDArray[np.float64]

MOST_LEFT_OUT = 64
"""Times that something is left out of a text; of more words neighbours go together."""
STRONGEST, MOST_KEPT = 8, 20_000
SAMPLE, MOST_LETTERS = 1000, 500_000
"""Texts in which the strongest words are looked for, and letters of them together, times classes, at most."""
MOST_CLASSES = 20


@dataclass(frozen=True, eq=False)
class Telling:
    """What each word of `text` adds to the score for `toward`, a class, or to a number (""): `spans` (k) are where words begin
    and end, `adds` float64 (k,). `rest` is the score without them; only where it is `exact` is the sum of all the score."""

    field: str
    target: str
    toward: str
    text: str
    spans: tuple[tuple[int, int], ...]
    adds: Floats
    rest: float
    exact: bool

    @property
    def score(self) -> float:
        return self.rest + float(self.adds.sum())

    def strongest(self, n: int = STRONGEST) -> list[tuple[str, float]]:
        """The words that add or take most, each once with what it adds wherever it stands: in small letters, without the signs
        around it."""
        together: dict[str, float] = defaultdict(float)
        for (begin, end), adds in zip(self.spans, self.adds.tolist()):
            together[plain(self.text[begin:end])] += adds
        ranked = sorted(together.items(), key=lambda pair: -abs(pair[1]))
        return [(word, adds) for word, adds in ranked[:n] if adds]

    def to_json(self) -> dict[str, Any]:
        """JSON values; the words by their places in the text, which is cut after 20,000 letters."""
        told = zip(self.spans, self.adds.tolist())
        return {
            "field": self.field, "toward": self.toward, "text": self.text[:MOST_KEPT], "exact": self.exact,
            "rest": round(self.rest, 6), "words": [[*span, round(adds, 6)] for span, adds in told if span[1] <= MOST_KEPT],
            "strongest": [[word, round(adds, 6)] for word, adds in self.strongest()],
        }  # fmt: skip

    @cached_property
    def chart(self) -> Chart:
        """The text, its words shaded by what they add."""
        from drivetrain.charts.passages import passages, shaded

        return passages([shaded(self.to_json())], title=f"What speaks for {self.toward or self.target}")

    def __repr__(self) -> str:
        told = ", ".join(f"{word} {adds:+.2f}" for word, adds in self.strongest())
        return f"<Telling of {self.target}{f' = {self.toward}' if self.toward else ''}: {told}>"

    def _repr_html_(self) -> str:
        return self.chart._repr_html_()


def texts_in(learner: BaseLearner) -> list[str]:
    """The inputs that are texts whose words can be told, the most telling first."""
    inputs = learner.data.signature.inputs
    return [name for name in most_telling(learner.data) if words_of(inputs[name], "word")]


def words_of(codec: Codec, text: str) -> list[tuple[int, int]]:
    """Where the words of a text begin and end, as `interpret/K.py` of its kind says; none of what is no text."""
    find = getattr(facet("interpret", codec), "words", None)
    return find(codec, text) if find else []


def can_tell(codec: Codec) -> bool:
    """Whether answers of a kind have a score: `interpret/K.py` has `scores`."""
    return hasattr(facet("interpret", codec), "scores")


def tell(
    learner: BaseLearner,
    target: str,
    field: str,
    batch: Mapping[str, Any],
    raw: Sequence[Any],
    towards: Sequence[int | None],
) -> Iterator[Telling]:
    """What the words of `field` add, of encoded rows (n) whose raw texts are `raw` (n), each to the score for the code of a class
    (None: of a number). One after the other: who has no time for more stops."""
    signature = learner.data.signature
    codec, said = signature.inputs[field], signature.targets[target]
    sums = learner.sums(target)
    for place, (value, code) in enumerate(zip(raw, towards)):
        here = np.array([place])
        row = {name: column_in(batch, name)[here] for name in signature.inputs}
        text = text_of(codec, value)
        spans = words_of(codec, text)
        exact = None if sums is None else summed(sums, [code], codec, field, row, [text], [spans])[0]
        found = exact or _left_out(learner, target, field, row, text, spans, code)
        toward = "" if code is None else (said.labels or ())[code]
        yield Telling(
            field,
            target,
            toward,
            text,
            tuple(spans),
            found.adds[:, 0],
            float(found.rest[0]),
            exact is not None,
        )


def text_of(codec: Codec, raw: Any) -> str:
    """The text of a raw value, of a longer one its first 65,536 letters; "" where there is none."""
    return "" if is_missing(raw, codec.no_value) else as_text(raw, "text")[:MOST_CHARACTERS]


def _left_out(
    learner: BaseLearner,
    target: str,
    field: str,
    row: Mapping[str, Any],
    text: str,
    spans: Sequence[tuple[int, int]],
    code: int | None,
) -> Summed:
    """By how much the score falls without each word, and what is left of it beside their sum."""
    size = max(1, -(-len(spans) // MOST_LEFT_OUT))
    groups = [spans[start : start + size] for start in range(0, len(spans), size)]
    variants = [text, *(text[: group[0][0]] + text[group[-1][1] :] for group in groups)]
    signature = learner.data.signature
    encoded, _ = signature.inputs[field].encode_column(np.array(variants, object))
    repeated = np.zeros(len(variants), np.int64)
    batch = {name: column[repeated] for name, column in row.items()} | {field: encoded}
    outputs = learner.run_arrays(graph_inputs(batch, signature.inputs))[target]
    codec = signature.targets[target]
    scores: Floats = facet("interpret", codec).scores(codec, outputs, code)  # type: ignore[union-attr]
    counts = np.array([len(group) for group in groups], np.int64)
    adds = np.repeat((scores[0] - scores[1:]) / counts, counts)
    return Summed(adds[:, None], np.array([scores[0] - adds.sum()]))


# Over many texts.


def strongest_words(
    learner: BaseLearner, part: str, target: str, name: str, n: int = STRONGEST
) -> dict[str, list[dict[str, Any]]]:
    """Of a model that is a sum, by class, or under "more" and "less" of a number, the `n` words that add most where they stand in
    the texts of a part: [{"word", "adds" (the mean over the texts that have it), "texts" (how many these are)}]. {} of others."""
    data = learner.data
    sums, codec = learner.sums(target), data.signature.inputs[name]
    labels = data.signature.targets[target].labels
    if sums is None or (labels is not None and not 1 < len(sums.scored) <= MOST_CLASSES):
        return {}
    codes = [None] if labels is None else [int(code) for code in sums.scored]
    found_part = data.part(part)
    chosen = np.random.default_rng(0).permutation(len(found_part))[:SAMPLE]
    texts = [text_of(codec, value) for value in data.table[name][found_part.rows[chosen]]]
    letters = np.cumsum([len(text) for text in texts]) * len(codes)
    count = max(1, int(np.searchsorted(letters, MOST_LETTERS)))
    chosen, texts = chosen[:count], texts[:count]
    spans = [words_of(codec, text) for text in texts]
    batch = found_part.batch(chosen)
    found = summed(
        sums,
        codes,
        codec,
        name,
        {field: column_in(batch, field) for field in data.signature.inputs},
        texts,
        spans,
    )
    if labels is None:
        found = [None if row is None else Summed(np.hstack([row.adds, -row.adds]), row.rest) for row in found]
    sides = ["more", "less"] if labels is None else [labels[code] for code in sums.scored]
    return {
        side: [{"word": word, "adds": round(adds, 6), "texts": texts} for word, adds, texts in words]
        for side, words in zip(sides, strongest(texts, spans, found, n))
    }
