"""Small models that write tokens, for the tests of programs: graphs built by hand, and the same sums in numpy as "training".

`writer` is one layer of causal attention with a cache that grows: its step takes the prompt itself. `translator` reads the prompt
with a GRU in a graph of its own, and looks at what that read in each step.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import bundle_examples
import numpy as np
from onnx import TensorProto, helper

from drivetrain.bundle import bundle_bytes
from drivetrain.bundle.program import Generate
from drivetrain.bundle.strategies import Beam, Greedy, Sampling
from drivetrain.codecs import Signature
from drivetrain.codecs.tokens import Tokens
from drivetrain.runtime.programs.proof import make_generated_cases
from drivetrain.types import Array

WORDS, WIDTH, LONGEST = 11, 8, 24
STOP, START = 2, 1
FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64
TOKENS = Signature({"prompt": Tokens(WORDS)}, {"text": Tokens(WORDS)})
WRITER = Generate(vocabulary=WORDS, longest=LONGEST, stop=(STOP,))
TRANSLATOR = Generate(vocabulary=WORDS, longest=LONGEST, stop=(STOP,), start=START)
STRATEGIES = (
    Greedy(), Sampling(seed=3), Sampling(temperature=1.7, top_k=5, seed=2**53 - 1), Sampling(0.7, top_p=0.8, seed=7), Beam(3),
)  # fmt: skip
SHORTER = Beam(3, length_penalty=0.25)
PROMPTS = ([5], [3, 7, 4, 4, 9], [10, 0])


def _random(seed: int, **shapes: tuple[int, ...]) -> dict[str, Array]:
    generator = np.random.default_rng(seed)
    return {name: generator.normal(0, 1, shape).astype(np.float32) for name, shape in shapes.items()}


WEIGHTS = _random(
    1, embed=(WORDS, WIDTH), place=(LONGEST, WIDTH), query=(WIDTH, WIDTH), key=(WIDTH, WIDTH), value=(WIDTH, WIDTH),
    out=(WIDTH, WORDS),
)  # fmt: skip


def node(operator: str, inputs: str, output: str, **attributes: Any) -> Any:
    return helper.make_node(operator, inputs.split(), [output], **attributes)


def integers(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


CONSTANTS = {
    "zero": np.int64(0).reshape(()), "one": np.int64(1).reshape(()), "first": integers(0), "second": integers(1),
    "last": integers(-1), "end": integers(2**31 - 1), "low": np.float32(-1e9).reshape(()), "nought": np.float32(0).reshape(()),
    "root": np.float32(WIDTH**-0.5).reshape(()),
}  # fmt: skip


def model(nodes: list[Any], held: dict[str, Array], inputs: dict[str, Any], outputs: dict[str, Any]) -> bytes:
    """A graph with those initializers that it uses."""
    used = {name for each in nodes for name in each.input}
    return bundle_examples.model(nodes, {name: held[name] for name in held if name in used}, inputs, outputs)


def attention(past: str, state: bool) -> list[Any]:
    """Nodes from `tokens` to `logits`, of the last token where there is a `state`, else of each."""
    return [
        node("Shape", "tokens", "size", start=1),
        node("Squeeze", "size", "count"),
        node("Add", f"{past} count", "total"),
        node("Range", f"{past} total one", "places"),
        node("Range", "zero total one", "columns"),
        node("Gather", "embed tokens", "word"),
        node("Gather", "place places", "where"),
        node("Add", "word where", "x"),
        node("MatMul", "x query", "q"),
        node("MatMul", "x key", "k"),
        node("MatMul", "x value", "v"),
        *(
            [node("Concat", "state_0 k", "next_0", axis=1), node("Concat", "state_1 v", "next_1", axis=1)]
            if state
            else [node("Identity", "k", "next_0"), node("Identity", "v", "next_1")]
        ),
        node("Transpose", "next_0", "turned", perm=[0, 2, 1]),
        node("MatMul", "q turned", "products"),
        node("Mul", "products root", "scores"),
        node("Unsqueeze", "places second", "tall"),
        node("Unsqueeze", "columns first", "wide"),
        node("LessOrEqual", "wide tall", "seen"),
        node("Where", "seen scores low", "masked"),
        node("Softmax", "masked", "shares", axis=-1),
        node("MatMul", "shares next_1", "context"),
        node("Add", "x context", "all"),
        *(
            [node("Slice", "all last end second", "newest"), node("Squeeze", "newest second", "h")]
            if state
            else [node("Identity", "all", "h")]
        ),
        node("MatMul", "h out", "logits"),
    ]


def writer_step() -> bytes:
    state = {f"state_{place}": (FLOAT, ["rows", "past", WIDTH]) for place in range(2)}
    grown = {f"next_{place}": (FLOAT, ["rows", "total", WIDTH]) for place in range(2)}
    past = [node("Shape", "state_0", "length", start=1, end=2), node("Squeeze", "length", "past")]
    return model(
        [*past, *attention("past", state=True)], {**CONSTANTS, **WEIGHTS},
        {"tokens": (INT, ["rows", "n"]), **state}, {"logits": (FLOAT, ["rows", WORDS]), **grown},
    )  # fmt: skip


def writer_whole() -> bytes:
    """All the logits (rows, n, words) of whole sequences at once: no state."""
    return model(
        attention("zero", state=False), {**CONSTANTS, **WEIGHTS},
        {"tokens": (INT, ["rows", "n"])}, {"logits": (FLOAT, ["rows", "n", WORDS])},
    )  # fmt: skip


def writer_forward(tokens: Array) -> tuple[Array, Array, Array]:
    """int64 (n,) -> logits of the token after each, keys and values, float64, all n at once."""
    at = {name: array.astype(np.float64) for name, array in WEIGHTS.items()}
    x = at["embed"][tokens] + at["place"][: len(tokens)]
    keys, values = x @ at["key"], x @ at["value"]
    scores = np.where(np.tri(len(tokens), dtype=bool), x @ at["query"] @ keys.T / WIDTH**0.5, -1e9)
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return (x + powers / powers.sum(axis=1, keepdims=True) @ values) @ at["out"], keys, values


class WriterInTraining:
    """What the training framework does for the graphs: it keeps what it has read, and reads all of it again each time."""

    def __call__(self, graph: str, batch: Mapping[str, Array]) -> dict[str, Array]:
        assert graph == "step"
        rows: list[tuple[Array, Array, Array]] = []
        for tokens, keys in zip(batch["tokens"], batch["state_0"]):
            known = [self.read[key.tobytes()] for key in keys]
            rows.append(self.whole([*known, *tokens.tolist()]))
        logits, keys, values = (np.stack(each).astype(np.float32) for each in zip(*rows))
        return {"logits": logits[:, -1], "next_0": keys, "next_1": values}

    def __init__(self) -> None:
        self.read: dict[bytes, int] = {}

    def whole(self, tokens: list[int]) -> tuple[Array, Array, Array]:
        logits, keys, values = writer_forward(np.array(tokens))
        self.read |= {key.astype(np.float32).tobytes(): token for key, token in zip(keys, tokens)}
        return logits, keys, values


HIDDEN = 6
READER = _random(
    2, embed=(WORDS, WIDTH), W=(1, 3 * HIDDEN, WIDTH), R=(1, 3 * HIDDEN, HIDDEN), B=(1, 6 * HIDDEN)
)
TELLER = _random(
    3,
    embed=(WORDS, WIDTH),
    W=(1, 3 * HIDDEN, WIDTH),
    R=(1, 3 * HIDDEN, HIDDEN),
    B=(1, 6 * HIDDEN),
    out=(2 * HIDDEN, WORDS),
)


def translator_prefill(logits: bool = False) -> bytes:
    """From a prompt all states of a GRU (state_1) and the last one of each row (state_0); perhaps logits that like one token.
    Where a row is padded, its states are 0."""
    nodes = [
        node("Gather", "embed input_0", "x"),
        node("Transpose", "x", "turned", perm=[1, 0, 2]),
        node("Cast", "lengths_0", "steps", to=TensorProto.INT32),
        helper.make_node("GRU", ["turned", "W", "R", "B", "steps"], ["all", "end_"], hidden_size=HIDDEN),
        node("Squeeze", "all second", "states"),
        node("Transpose", "states", "state_1", perm=[1, 0, 2]),
        node("Squeeze", "end_ first", "state_0"),
        *([node("MatMul", "state_0 like", "logits")] if logits else []),
    ]
    outputs: dict[str, Any] = {
        "state_0": (FLOAT, ["rows", HIDDEN]),
        "state_1": (FLOAT, ["rows", "n", HIDDEN]),
    }
    like = np.zeros((HIDDEN, WORDS), np.float32)
    held = {**CONSTANTS, **READER, **({"like": like} if logits else {})}
    if logits:
        outputs["logits"] = (FLOAT, ["rows", WORDS])
    return model(nodes, held, {"input_0": (INT, ["rows", "n"]), "lengths_0": (INT, ["rows"])}, outputs)


def translator_step() -> bytes:
    nodes = [
        node("Gather", "embed tokens", "x"),
        node("Transpose", "x", "turned", perm=[1, 0, 2]),
        node("Unsqueeze", "state_0 first", "before"),
        helper.make_node("GRU", ["turned", "W", "R", "B", "", "before"], ["", "end_"], hidden_size=HIDDEN),
        node("Squeeze", "end_ first", "next_0"),
        node("Unsqueeze", "next_0 second", "asks"),
        node("Transpose", "state_1", "keys", perm=[0, 2, 1]),
        node("MatMul", "asks keys", "all"),
        node("Abs", "state_1", "sizes"),
        node("ReduceMax", "sizes last", "size", keepdims=0),
        node("Unsqueeze", "size second", "looked"),
        node("Equal", "looked nought", "padding"),
        node("Where", "padding low all", "scores"),
        node("Softmax", "scores", "shares", axis=-1),
        node("MatMul", "shares state_1", "context"),
        node("Squeeze", "context second", "found"),
        node("Concat", "next_0 found", "h", axis=1),
        node("MatMul", "h out", "logits"),
    ]
    state = {"state_0": (FLOAT, ["rows", HIDDEN]), "state_1": (FLOAT, ["rows", "n", HIDDEN])}
    return model(
        nodes, {**CONSTANTS, **TELLER}, {"tokens": (INT, ["rows", 1]), **state},
        {"logits": (FLOAT, ["rows", WORDS]), "next_0": (FLOAT, ["rows", HIDDEN])},
    )  # fmt: skip


def gru(weights: Mapping[str, Array], x: Array, h: Array) -> Array:
    """One step of ONNX's GRU: x (width,), h (hidden,), float64."""
    (W,), (R,), (B,) = (weights[name].astype(np.float64) for name in ("W", "R", "B"))
    wz, wr, wh = (W @ x + B[: 3 * HIDDEN]).reshape(3, HIDDEN)
    rz, rr, _ = (R @ h + B[3 * HIDDEN :]).reshape(3, HIDDEN)
    z, r = 1 / (1 + np.exp(-wz - rz)), 1 / (1 + np.exp(-wr - rr))
    new = np.tanh(wh + R[2 * HIDDEN :] @ (r * h) + B[5 * HIDDEN :])
    return (1 - z) * new + z * h


def translator_in_training(graph: str, batch: Mapping[str, Array]) -> dict[str, Array]:
    if graph == "prefill":
        states: list[Array] = []
        h = np.zeros(HIDDEN)
        for token in batch["prompt"][0]:
            h = gru(READER, READER["embed"][token].astype(np.float64), h)
            states.append(h)
        return {"state_0": np.float32([h]), "state_1": np.float32([states])}
    logits: list[Array] = []
    after: list[Array] = []
    for (token,), h, memory in zip(batch["tokens"], batch["state_0"], batch["state_1"].astype(np.float64)):
        h = gru(TELLER, TELLER["embed"][token].astype(np.float64), h.astype(np.float64))
        powers = np.exp(memory @ h)
        logits.append(np.concatenate([h, powers / powers.sum() @ memory]) @ TELLER["out"])
        after.append(h)
    return {"logits": np.float32(logits), "next_0": np.float32(after)}


def arguments(
    program: Generate, graphs: dict[str, bytes], run: Any, strategies: Any = STRATEGIES, **changes: Any
) -> dict[str, Any]:
    """The arguments of `bundle_bytes`."""
    samples = [(f"prompt {place}", "validation", {"prompt": prompt}) for place, prompt in enumerate(PROMPTS)]
    usual = {
        "name": "writer", "task": "writing", "signature": TOKENS, "graph": graphs, "program": program,
        "cases": make_generated_cases(TOKENS, program, graphs, samples, strategies, run, most=12), "profile": {},
        "card": "# Writer\n", "facts": {}, "created": "2026-01-02T03:04:05Z",
    }  # fmt: skip
    return {**usual, **changes}


@cache
def writer_bundle(program: Generate = WRITER) -> bytes:
    return bundle_bytes(**arguments(program, {"step": writer_step()}, WriterInTraining()))


@cache
def translator_bundle() -> bytes:
    graphs = {"step": translator_step(), "prefill": translator_prefill()}
    return bundle_bytes(
        **arguments(TRANSLATOR, graphs, translator_in_training, (*STRATEGIES, SHORTER), name="translator")
    )
