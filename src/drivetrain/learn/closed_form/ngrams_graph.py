"""A linear model of n-grams as an ONNX graph: encoded texts in, finished outputs out, any number of rows."""

from __future__ import annotations

import numpy as np

from drivetrain.codecs import Signature
from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.grams import MOST_TIMES
from drivetrain.graphs.builder import Builder
from drivetrain.learn.closed_form.ngram_model import Goal, NgramModel, Vocabulary, term_weights

AT_ONCE = 4
"""Scores: their weights are gathered for each n-gram of each row, which takes memory."""
LEAST = 1e-12
"""That a length is taken for; no text without n-grams is divided by 0."""


def export_ngrams(model: NgramModel, signature: Signature) -> bytes:
    """The serialised graph."""
    builder = Builder(signature)
    weighed = [_weighed(builder, vocabulary) for vocabulary in model.vocabularies]
    starts = np.cumsum([0, *(vocabulary.count for vocabulary in model.vocabularies)])
    for name, goal in model.goals.items():
        weights, bias = goal.linear()
        parts = [
            _scores(builder, which, values, np.concatenate([np.zeros_like(weights[:1]), weights[start:end]]))
            for (which, values), start, end in zip(weighed, starts, starts[1:])
        ]
        scores = builder.constant(bias)
        for part in parts:
            scores = builder.add("Add", part, scores)
        finish(builder, scores, goal, builder.outputs[name])
    return builder.model("ngrams")


def _weighed(builder: Builder, vocabulary: Vocabulary) -> tuple[str, str]:
    """Which n-gram each of a row is (n, most_grams), and what it weighs there (n, 1, most_grams)."""
    edges = (builder.whole(edge) for edge in (vocabulary.start, 2**31, 1))
    codes = builder.add("Slice", builder.inputs[vocabulary.field], *edges)
    buckets = 1 << vocabulary.bits
    bucket = builder.add("BitwiseAnd", codes, builder.constant(buckets - 1, np.int32))
    times = builder.add("Div", codes, builder.constant(buckets, np.int32))
    which = builder.add("Gather", builder.constant(vocabulary.dense, np.int32), bucket)
    values = builder.add(
        "Mul",
        builder.add("Gather", builder.constant(vocabulary.idf), which),
        builder.add("Gather", builder.constant(term_weights(np.arange(MOST_TIMES + 1))), times),
    )
    of_words = builder.add("Less", bucket, builder.constant(buckets // 2, np.int32))
    squares, zero = builder.add("Mul", values, values), builder.constant(0.0)
    axis, least = builder.whole(1), builder.constant(LEAST)
    lengths = [
        builder.add("Sqrt", builder.add("Max", builder.add("ReduceSum", part, axis, keepdims=1), least))
        for part in (
            builder.add("Where", of_words, squares, zero),
            builder.add("Where", of_words, zero, squares),
        )
    ]
    values = builder.add("Div", values, builder.add("Where", of_words, *lengths))
    return which, builder.add("Unsqueeze", values, axis)


def _scores(builder: Builder, which: str, values: str, weights: np.ndarray) -> str:
    """The sum of the weights (n-grams + 1, scores) of a row's n-grams, times what each weighs: (n, scores)."""
    parts = [
        builder.add(
            "MatMul", values,
            builder.add("Gather", builder.constant(weights[:, start : start + AT_ONCE]), which),
        )
        for start in range(0, weights.shape[1], AT_ONCE)
    ]  # fmt: skip
    sums = parts[0] if len(parts) == 1 else builder.add("Concat", *parts, axis=2)
    return builder.add("Reshape", sums, builder.whole(-1, weights.shape[1]))


def finish(builder: Builder, scores: str, goal: Goal, output: str) -> None:
    """Probabilities, or the number in natural units."""
    if isinstance(goal.codec, Category):
        builder.add("Softmax", scores, output=output, axis=-1)
        return
    assert isinstance(goal.codec, Number)
    scaled = builder.add("Reshape", scores, builder.whole(-1))
    scaled = builder.add("Clip", scaled, builder.constant(goal.low), builder.constant(goal.high))
    z = builder.add("Mul", scaled, builder.constant(goal.spread))
    z = builder.add("Add", z, builder.constant(goal.center), output="" if goal.codec.log else output)
    if goal.codec.log:
        builder.natural(z, output)
