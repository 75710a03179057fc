"""A penalised regression as an ONNX graph: encoded arrays in, finished outputs out, any number of rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from drivetrain.codecs import Signature
from drivetrain.graphs.builder import Builder
from drivetrain.learn.closed_form.columns import FARTHEST, RegressionColumns
from drivetrain.learn.closed_form.ngram_model import Goal
from drivetrain.learn.closed_form.ngrams_graph import finish
from drivetrain.learn.trees.graph import write_columns


def export_regression(columns: RegressionColumns, goals: Mapping[str, Goal], signature: Signature) -> bytes:
    """The serialised graph."""
    builder = Builder(signature)
    features = _features(builder, columns)
    for name, goal in goals.items():
        weights, bias = goal.linear()
        scores = builder.add("MatMul", features, builder.constant(weights))
        scores = builder.add("Add", scores, builder.constant(bias))
        finish(builder, scores, goal, builder.outputs[name])
    return builder.model("regression")


def _features(builder: Builder, columns: RegressionColumns) -> str:
    """What `columns.features` computes."""
    parts: list[str] = []
    if columns.raw:
        raw = builder.beside([write_columns(builder, part) for part in columns.raw])
        absent = builder.add("IsNaN", raw)
        parts.append(_scaled(builder, columns, raw, absent))
        if len(columns.gaps):
            gaps = builder.add(
                "Gather", builder.floats(absent), builder.constant(columns.gaps, np.int64), axis=1
            )
            parts.append(gaps)
        for place, count in columns.values:
            column = builder.columns(raw, place, place + 1)
            parts.append(builder.floats(builder.add("Equal", column, builder.constant(np.arange(count)))))
    for name, codes in columns.levels:
        column = builder.column(builder.inputs[name])
        parts.append(builder.floats(builder.add("Equal", column, builder.constant(codes, np.int64))))
    return builder.beside(parts)


def _scaled(builder: Builder, columns: RegressionColumns, raw: str, absent: str) -> str:
    z = raw
    if columns.logged.any():
        size = builder.add("Log", builder.add("Add", builder.add("Abs", raw), builder.constant(1)))
        logged = builder.add("Mul", builder.add("Sign", raw), size)
        z = builder.add("Where", builder.constant(columns.logged, np.bool_), logged, raw)
    z = builder.add(
        "Div", builder.add("Sub", z, builder.constant(columns.mean)), builder.constant(columns.spread)
    )
    z = builder.add("Clip", z, builder.constant(-FARTHEST), builder.constant(FARTHEST))
    return builder.add("Where", absent, builder.constant(0), z)
