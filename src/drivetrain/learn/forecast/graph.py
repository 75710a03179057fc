"""The graph of a bank of forecasts: what `forecasting.bank.Bank.forecast` computes, node by node."""

from __future__ import annotations

import numpy as np

from drivetrain.bundle.forecasts import FUTURE, PAST
from drivetrain.codecs import Signature
from drivetrain.forecasting.bands import QUIET
from drivetrain.forecasting.bank import Bank, Lines
from drivetrain.forecasting.effects import Effects
from drivetrain.forecasting.shape import Shape, fading
from drivetrain.graphs.builder import LARGEST_EXPONENT, Builder


def bank_graph(bank: Bank, signature: Signature) -> bytes:
    """The serialised model: past (n, context, channels) and, where there is one, future (n, horizon, channels) to (n, horizon,
    1 + levels)."""
    builder = Builder(signature)
    (output,) = builder.outputs.values()
    recipe = bank.recipe
    past = builder.inputs[PAST]
    target = builder.add("Gather", past, builder.constant(0, np.int64), axis=2)
    terms: list[str] = []
    for lines in bank.lines:
        found = _Written(builder, bank, lines).forecast(past, target)
        terms.append(_times(builder, found, lines.share))
    for share, shape in bank.shapes:
        terms.append(_times(builder, _shape(builder, shape, target, recipe.context), share))
    point = terms[0] if len(terms) == 1 else builder.add("Sum", *terms)
    point = builder.add("Reshape", point, builder.whole(-1, recipe.horizon, 1))
    scores = builder.constant(np.array(recipe.scores)[None])
    if recipe.power:
        scores = builder.add(
            "Mul", _spread(builder, target, recipe.context, recipe.steps, recipe.power), scores
        )
    builder.add("Concat", point, builder.add("Add", point, scores), axis=2, output=output)
    return builder.model("bank")


def _times(builder: Builder, found: str, share: float) -> str:
    return found if share == 1 else builder.add("Mul", found, builder.constant(share))


def _spread(builder: Builder, target: str, context: int, steps: int, power: float) -> str:
    """(n, 1, 1): see `bands.spread_of`."""
    moved = builder.add("Sub", builder.columns(target, 1, context), builder.columns(target, 0, context - 1))
    sizes = builder.add("Abs", moved)
    every = builder.add("ReduceMean", sizes, builder.whole(1), keepdims=1)
    last = builder.columns(sizes, max(0, context - 1 - steps), context - 1)
    mean = builder.add("ReduceMean", last, builder.whole(1), keepdims=1)
    wide = builder.add(
        "Max", mean, builder.add("Mul", every, builder.constant(QUIET)), builder.constant(1e-6)
    )
    if power != 1:
        wide = builder.add("Pow", wide, builder.constant(power))
    return builder.add("Reshape", wide, builder.whole(-1, 1, 1))


class _Written:
    """One of a bank's lines as nodes."""

    def __init__(self, builder: Builder, bank: Bank, lines: Lines) -> None:
        self.builder, self.bank, self.lines = builder, bank, lines

    def forecast(self, past: str, target: str) -> str:
        """(n, horizon). The last value is taken off first, and is there again at the end: the columns of the matrix sum to 1, so
        that nothing else changes, and little is lost of numbers that are large beside what they move by."""
        builder, lines, context = self.builder, self.lines, self.bank.recipe.context
        lookback = len(lines.matrix)
        numbers = self.numbers(target)
        rest = builder.columns(numbers, context - lookback, context)
        after = ""
        if lines.effects is not None:
            future = list(self.bank.future)
            window = builder.columns(past, context - lookback, context)
            known = builder.add("Gather", window, builder.constant(future, np.int64), axis=2)
            before = _effects(builder, lines.effects, known, lookback)
            after = _effects(builder, lines.effects, builder.inputs[FUTURE], self.bank.recipe.horizon)
            if lines.scaled:
                size = self.size(numbers)
                before, after = (builder.add("Mul", size, each) for each in (before, after))
            rest = builder.add("Sub", rest, before)
        last = builder.columns(rest, lookback - 1, lookback)
        found = builder.add("MatMul", builder.add("Sub", rest, last), builder.constant(lines.matrix))
        found = builder.add("Add", found, last)
        return self.natural(builder.add("Add", found, after) if after else found)

    def numbers(self, target: str) -> str:
        builder, lines = self.builder, self.lines
        if not lines.way.log:
            return target
        found = builder.add("Max", target, builder.constant(lines.floor))
        if lines.shift:
            found = builder.add("Add", found, builder.constant(lines.shift))
        return builder.add("Log", found)

    def natural(self, found: str) -> str:
        builder, lines = self.builder, self.lines
        if not lines.way.log:
            return found
        ends = (
            builder.constant(lines.low),
            builder.constant(min(lines.high, LARGEST_EXPONENT)),
        )
        found = builder.add("Exp", builder.add("Clip", found, *ends))
        return builder.add("Sub", found, builder.constant(lines.shift)) if lines.shift else found

    def size(self, numbers: str) -> str:
        """(n, 1): see `bank.spread`."""
        builder = self.builder
        mean = builder.add("ReduceMean", numbers, builder.whole(1), keepdims=1)
        apart = builder.add("Sub", numbers, mean)
        square = builder.add("ReduceMean", builder.add("Mul", apart, apart), builder.whole(1), keepdims=1)
        return builder.add("Max", builder.add("Sqrt", square), builder.constant(1e-6))


def _effects(builder: Builder, effects: Effects, known: str, moments: int) -> str:
    """(n, moments) of covariates (n, moments, k)."""
    away = builder.add("Sub", known, builder.constant(effects.center))
    columns = builder.add("Div", away, builder.constant(effects.spread))
    if effects.pairs:
        first, second = (
            builder.add("Gather", columns, builder.constant(side, np.int64), axis=2)
            for side in zip(*effects.pairs)
        )
        columns = builder.add("Concat", columns, builder.add("Mul", first, second), axis=2)
    found = builder.add("MatMul", columns, builder.constant(effects.weights[:, None]))
    return builder.add("Reshape", found, builder.whole(-1, moments))


def _shape(builder: Builder, shape: Shape, target: str, context: int) -> str:
    """(n, horizon): see `forecasting/shape.py`."""
    seasons, season = len(shape.weights), shape.season
    last = builder.columns(target, context - shape.lookback, context)
    rows = builder.add("Reshape", last, builder.whole(-1, seasons, season))
    levels = builder.add("ReduceMean", rows, builder.whole(2), keepdims=1)
    levels = builder.add("Max", levels, builder.constant(1e-9))
    mean = builder.add(
        "MatMul", builder.constant(fading(seasons)[None, None]), builder.add("Div", rows, levels)
    )
    known = builder.add("Log", builder.add("Reshape", levels, builder.whole(-1, seasons)))
    latest = builder.columns(known, seasons - 1, seasons)
    moved = builder.add("MatMul", builder.add("Sub", known, latest), builder.constant(shape.weights))
    coming = builder.add("Exp", builder.add("Add", moved, latest))
    place = np.arange(shape.horizon)
    mean = builder.add("Reshape", mean, builder.whole(-1, season))
    return builder.add(
        "Mul",
        builder.add("Gather", coming, builder.constant(place // season, np.int64), axis=1),
        builder.add("Gather", mean, builder.constant(place % season, np.int64), axis=1),
    )
