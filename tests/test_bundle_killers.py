"""Graphs that end onnxruntime's process: refused by their bytes where that can be seen, else by a child that they end.

What runs in a session here runs in a child process, so that the tests survive it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import bundle_examples as examples
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from drivetrain.bundle import bundle_bytes, make_cases, open_bundle_bytes
from drivetrain.bundle.graph import check_model
from drivetrain.bundle.operators import OPERATORS
from drivetrain.codecs import Signature
from drivetrain.codecs.number import Number
from drivetrain.errors import BundleError
from drivetrain.runtime import Predictor, known, verify_bundle, vetting

Node = helper.make_node
FLOAT = np.float32
PORT = (TensorProto.FLOAT, ["n"])
NUMBER = Number(center=0.0, spread=1.0)
SIGNATURE = Signature({"x": NUMBER}, {"y": NUMBER})


def graph(nodes: list[Any], held: dict[str, Any], opset: int = 20) -> bytes:
    """A graph of one number, to which it adds the sum of the value `q`."""
    end = [
        Node("Cast", ["q"], ["floats"], to=TensorProto.FLOAT),
        Node("ReduceSum", ["floats"], ["sum"], keepdims=0),
        Node("Add", ["input_0", "sum"], ["output_0"]),
    ]
    made = helper.make_graph(
        [*nodes, *end],
        "g",
        [helper.make_tensor_value_info("input_0", *PORT)],
        [helper.make_tensor_value_info("output_0", *PORT)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in held.items()],
    )
    proto = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    return proto.SerializeToString()


def bundle_of(data: bytes) -> bytes:
    cases = make_cases(SIGNATURE, [("one", "validation", {"x": 1})], lambda batch: {"y": batch["x"]})
    return bundle_bytes(**examples.arguments(signature=SIGNATURE, graph=data, cases=cases))


def least(name: str) -> Any:
    return np.array([np.iinfo(name).min], name)


def divided(operator: str, kind: str, by: int, computed: bool) -> tuple[list[Any], dict[str, Any]]:
    code = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    held = {"a": least(kind), "b": np.array([by], kind), "none": np.array([0], kind)}
    if not computed:
        return [Node(operator, ["a", "b"], ["q"])], held
    nodes = [
        Node("Cast", ["input_0"], ["whole"], to=code),
        Node("Mul", ["whole", "none"], ["zero"]),
        Node("Add", ["zero", "b"], ["divisor"]),
        Node(operator, ["a", "divisor"], ["q"]),
    ]
    return nodes, held


def recurrent(operator: str, gates: int, shape: tuple[int, ...]) -> tuple[list[Any], dict[str, Any]]:
    held = {
        "x": np.zeros(shape, FLOAT),
        "w": np.zeros((1, 2 * gates, 3), FLOAT),
        "r": np.zeros((1, 2 * gates, 2), FLOAT),
    }
    return [Node(operator, ["x", "w", "r"], ["q"], hidden_size=2)], held


PICTURE = {"x": np.zeros((1, 2, 4, 4), FLOAT), "w": np.zeros((2, 2, 2, 2), FLOAT)}
SIGNAL = {"s": np.zeros((1, 8, 1), FLOAT), "step": np.int64(2), "length": np.int64(0)}
SEEN: dict[str, tuple[list[Any], dict[str, Any]]] = {
    **{
        f"{operator} {kind} by {by}, {'computed' if computed else 'constant'}": divided(operator, kind, by, computed)
        for operator in ("Div", "Mod") for kind in ("int32", "int64") for by in (-1, 0) for computed in (False, True)
    },
    "GRU of no steps": recurrent("GRU", 3, (0, 1, 3)),
    "RNN of no steps": recurrent("RNN", 1, (0, 1, 3)),
    "GRU of no rows": recurrent("GRU", 3, (2, 0, 3)),
    "LSTM of no steps": recurrent("LSTM", 4, (0, 1, 3)),
    "LSTM of no rows": recurrent("LSTM", 4, (2, 0, 3)),
    "ConvTranspose in no group": ([Node("ConvTranspose", ["x", "w"], ["q"], group=0)], PICTURE),
    "a stride of 0": ([Node("MaxPool", ["x"], ["q"], kernel_shape=[2, 2], strides=[0, 0])], PICTURE),
    "frames of no length": ([Node("STFT", ["s", "step", "", "length"], ["q"])], SIGNAL),
    "frames of a computed length": (
        [Node("Mul", ["length", "length"], ["l"]), Node("STFT", ["s", "step", "", "l"], ["q"])], SIGNAL,
    ),
    "a norm of an empty picture": (
        [Node("InstanceNormalization", ["x", "s", "s"], ["q"])], {"x": np.zeros((1, 2, 0, 4), FLOAT), "s": np.zeros(2, FLOAT)},
    ),
    "a shape of 250,000 sides": (
        [Node("Reshape", ["a", "shape"], ["q"])], {"a": np.zeros(1, FLOAT), "shape": np.ones(250_000, np.int64)},
    ),
    "a constant node of 250,000 sides": (
        [
            Node("Constant", [], ["shape"], value_ints=[1] * 250_000),
            Node("Expand", ["a", "shape"], ["q"]),
        ], {"a": np.zeros(1, FLOAT)},
    ),
    "attention without heads": (
        [Node("Attention", ["a", "a", "a"], ["q"], q_num_heads=0, kv_num_heads=0)], {"a": np.zeros((1, 2, 4), FLOAT)},
    ),
    "a sequence of parts of 0": (
        [Node("SplitToSequence", ["a", "k"], ["s"]), Node("SequenceLength", ["s"], ["q"])],
        {"a": np.zeros(4, FLOAT), "k": np.int64(0)},
    ),
    "one of no classes": (
        [Node("OneHot", ["i", "none", "v"], ["q"])],
        {"i": np.array([1]), "none": np.zeros(0, np.int64), "v": FLOAT([0, 1])},
    ),
    "a loop": ([Node("Loop", ["a"], ["q"], body=helper.make_graph([], "b", [], []))], {"a": np.int64(1)}),
}  # fmt: skip


@pytest.mark.parametrize("name", SEEN)
def test_what_can_be_seen_in_the_bytes_is_refused(name: str) -> None:
    with pytest.raises(BundleError, match="the graph can't be accepted"):
        check_model(graph(*SEEN[name], opset=23 if "attention" in name else 20))


ONE = numpy_helper.from_array(np.array([1]))


def test_a_type_is_followed_to_the_division() -> None:
    """Floats may be divided by anything; what was a float and is a whole number may not."""
    ways = {
        "a float": ([Node("Div", ["input_0", "input_0"], ["q"])], True),
        "a sum of floats": ([Node("Add", ["input_0", "f"], ["a"]), Node("Mod", ["a", "f"], ["q"], fmod=1)], True),
        "a shape": ([Node("Shape", ["input_0"], ["s"]), Node("Div", ["s", "s"], ["q"])], False),
        "a shape by 2": ([Node("Shape", ["input_0"], ["s"]), Node("Div", ["s", "two"], ["q"])], True),
        "a place": ([Node("ArgMax", ["input_0"], ["s"]), Node("Div", ["two", "s"], ["q"])], False),
        "a made one": ([Node("ConstantOfShape", ["two"], ["s"], value=ONE), Node("Div", ["two", "s"], ["q"])], False),
        "a second output": ([Node("TopK", ["input_0", "two"], ["v", "i"]), Node("Div", ["i", "i"], ["q"])], False),
        "a first output": ([Node("TopK", ["input_0", "two"], ["v", "i"]), Node("Div", ["v", "v"], ["q"])], True),
        "a cast": ([Node("Cast", ["input_0"], ["s"], to=6), Node("Mod", ["s", "s"], ["q"])], False),
        "a cast to floats": ([Node("Cast", ["two"], ["s"], to=1), Node("Div", ["s", "s"], ["q"])], True),
        "a chosen one": ([Node("Where", ["yes", "two", "two"], ["s"]), Node("Div", ["s", "s"], ["q"])], False),
        "another's type": ([Node("CastLike", ["input_0", "two"], ["s"]), Node("Div", ["s", "s"], ["q"])], False),
        "a name used again": ([Node("Identity", ["two"], ["f2"]), Node("Div", ["f2", "f2"], ["q"])], False),
        "an unknown name": ([Node("Div", ["who", "who"], ["q"])], False),
    }  # fmt: skip
    held = {"two": np.array([2]), "f": FLOAT(1), "yes": np.array(True)}
    for name, (nodes, allowed) in ways.items():
        if allowed:
            assert check_model(graph(nodes, held)), name
        else:
            with pytest.raises(BundleError, match="divides whole numbers"):
                check_model(graph(nodes, held))


def hidden(shape: list[int]) -> bytes:
    """A GRU of no steps: cut off where the bytes don't show it."""
    nodes = [
        Node("Mul", ["none", "none"], ["end"]),
        Node("Slice", ["x", "none", "end", "none"], ["nothing"]),
        Node("GRU", ["nothing", "w", "r"], ["q"], hidden_size=2),
    ]
    _, held = recurrent("GRU", 3, tuple(shape))
    return graph(nodes, {**held, "none": np.array([0])})


def hungry() -> bytes:
    """Two vectors of 60,000 that become a matrix of 14 GB, once it is run."""
    nodes = [
        Node("Expand", ["one", "tall"], ["a"]), Node("Expand", ["one", "wide"], ["b"]), Node("MatMul", ["a", "b"], ["q"]),
    ]  # fmt: skip
    return graph(
        nodes, {"one": np.ones((1, 1), FLOAT), "tall": np.array([60_000, 1]), "wide": np.array([1, 60_000])}
    )


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_graph_that_ends_the_process_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.bundle"
    path.write_bytes(bundle_of(hidden([2, 1, 3])))
    with pytest.raises(
        BundleError, match=r"was ended by SIGABRT \(signal 6\).*Do not trust this file"
    ) as fault:
        Predictor(path)
    assert fault.value.where == str(path)
    stage = verify_bundle(path).failed
    assert stage is not None
    assert (stage["stage"], "SIGABRT" in stage["message"]) == ("graph", True)
    with pytest.raises(BundleError, match="SIGABRT"):
        Predictor(open_bundle_bytes(path.read_bytes()), verify=False)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory")
def test_a_graph_that_asks_for_all_memory_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.bundle"
    path.write_bytes(bundle_of(hungry()))
    stage = verify_bundle(path).failed
    assert stage is not None
    assert stage["stage"] in ("graph", "output")


def test_a_graph_that_takes_too_long_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.bundle"
    path.write_bytes(examples.house_bundle())
    monkeypatch.setattr(vetting, "MOST_SECONDS", 0.01)
    monkeypatch.setattr(vetting, "is_known", lambda *_: False)
    with pytest.raises(BundleError, match="within 0 s"):
        Predictor(path)
    assert Predictor(path, trusted=True).predict({"area": 1, "town": "Ulm"})


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRIVETRAIN_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_a_bundle_is_tried_once(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    in_child = vetting._in_child
    monkeypatch.setattr(
        vetting, "_in_child", lambda data, where: tried.append(len(data)) or in_child(data, where)
    )
    data = examples.house_bundle()
    for _ in range(2):
        assert Predictor(open_bundle_bytes(data)).predict({"area": 1, "town": "Ulm"}).value == 1012.5
    assert tried == [len(data)]
    assert re.fullmatch(r"[0-9a-f]{64} onnxruntime-\S+\n", (state / known.FILE).read_text())
    Predictor(open_bundle_bytes(examples.image_bundle()), trusted=True)
    assert len(tried) == 1


def test_a_bundle_that_fails_its_cases_is_not_remembered(state: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.bundle"
    other = examples.model(
        list(examples.IMAGE_NODES), {"white": FLOAT(1), "weight": -examples.weights()}, examples.IMAGE_PORT, examples.LABEL_PORT
    )  # fmt: skip
    path.write_bytes(examples.altered(examples.image_bundle(), {"model.onnx": other}))
    report = verify_bundle(path)
    assert report.failed is not None
    assert report.failed["stage"] == "output"
    assert not (state / known.FILE).exists()


@pytest.mark.parametrize(
    "output", [b"", b"{", b"[]", b"{}", b'{"stages": []}', b'{"stages": [{}]}', b'{"stages": 3}', b"x" * 100]
)
def test_a_child_that_babbles_is_no_report(output: bytes) -> None:
    with pytest.raises(BundleError, match="gave no answer"):
        vetting._answer(output, "here")


def test_a_list_that_can_not_be_written_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DRIVETRAIN_STATE", str(tmp_path / "file"))
    known.remember("a" * 64, known.MADE)
    assert not known.is_known("a" * 64, "x")


def test_what_is_known_is_a_hash_and_a_version(state: Path) -> None:
    known.remember("a" * 64, known.MADE)
    known.remember("b" * 64, "onnxruntime-1")
    assert known.is_known("a" * 64, "onnxruntime-2")
    assert known.is_known("b" * 64, "onnxruntime-1")
    assert not known.is_known("b" * 64, "onnxruntime-2")
    assert not known.is_known("a" * 63, "onnxruntime-1")


EDGES = {
    "number": (FLOAT([np.nan, np.inf, -np.inf, 0, -0.0, 3e38, -3e38, 1e-45]), np.zeros(0, FLOAT), FLOAT(2)),
    "matrix": (FLOAT([[np.nan, np.inf], [1, 2]]), np.full((2, 2), 3e38, FLOAT)),
    "picture": (np.full((1, 2, 4, 4), np.inf, FLOAT), np.full((1, 2, 4, 4), np.nan, FLOAT)),
}
LOGIC, WHOLE = (
    ("And", "Or", "Xor", "Not"),
    ("BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor"),
)
_CHILD = """
import sys, numpy as np
sys.path[:] = sys.argv[2:]
from pathlib import Path
from drivetrain.errors import BundleError
from drivetrain.runtime import OnnxSession
for path in sorted(Path(sys.argv[1]).iterdir()):
    print(path.name, flush=True)
    try:
        OnnxSession(path.read_bytes(), threads=1).run({"input_0": np.ones(2, np.float32)})
    except BundleError:
        pass
"""


NUMBERS = (
    "axis", "group", "blocksize", "keepdims", "num_outputs", "size", "p", "hidden_size", "num_groups", "batch_dims", "k",
)  # fmt: skip
LISTS = ("kernel_shape", "pads", "strides", "dilations", "perm", "axes")
MOST_EACH = 12


def edge_nodes() -> list[tuple[list[str], dict[str, Any], dict[str, Any]]]:
    """(inputs, attributes, constants) of a node at the edges of what there is, whatever its operator takes."""
    signs = [
        np.int64([np.iinfo(np.int64).min, -1, 0]),
        np.int32([np.iinfo(np.int32).min, -1, 0]),
        np.zeros(0, np.int64),
    ]
    pictures = [*EDGES["matrix"], *EDGES["picture"]]
    found: list[tuple[list[str], dict[str, Any], dict[str, Any]]] = []
    for values in (*EDGES["number"], *signs):
        found += [(["a"] * count, {}, {"a": values}) for count in (1, 2, 3)]
    for picture in pictures:
        found += [(["p"] * count, {}, {"p": picture}) for count in (1, 2, 3)]
        for values in signs:
            held = {"a": values, "p": picture}
            found += [(inputs.split(), {}, held) for inputs in ("p a", "p a a", "p a p", "a p", "a a p")]
        for name in NUMBERS:
            found += [(["p"], {name: number}, {"p": picture}) for number in (-(2**31), 2**31, 99, -99)]
        for name in LISTS:
            for numbers in ([2**16, 2**16], [-(2**16), 5], [1], [1] * 9, [2, 2], [1, 1, 1, 1]):
                found.append((["p"], {"kernel_shape": [1, 1], name: numbers}, {"p": picture}))
    return found


def edge_graphs() -> dict[str, bytes]:
    """Each allowed operator at edges, others for each, as far as the check lets them through."""
    nodes = edge_nodes()
    found: dict[str, bytes] = {}
    for place, operator in enumerate(sorted(OPERATORS[""])):
        for inputs, attributes, held in nodes[place % 9 :: len(nodes) // MOST_EACH]:
            data = graph([Node(operator, inputs, ["q"], **attributes)], held, 24)
            try:
                check_model(data)
            except BundleError:
                continue
            found[f"{len(found):04} {operator}"] = data
    return found


@pytest.mark.slow
def test_no_allowed_operator_ends_the_process_at_the_edges(tmp_path: Path) -> None:
    """As far as what is refused by its bytes, and what a child finds. In one child: whichever ends it is printed last."""
    found = edge_graphs()
    assert len(found) > 500
    for name, data in found.items():
        (tmp_path / name).write_bytes(data)
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(tmp_path), *sys.path], capture_output=True, text=True, timeout=100, check=False
    )  # fmt: skip
    last = (done.stdout.splitlines() or [""])[-1]
    assert done.returncode == 0, f"{last}: {done.stderr[-500:]}, after {time.monotonic() - started:.0f} s"
    assert last == max(found)


def test_what_the_child_refuses_is_told_with_both_places() -> None:
    with pytest.raises(BundleError, match="no") as fault:
        vetting._answer(b'{"error": "no", "where": "model.onnx", "fix": ""}', "a.bundle")
    assert fault.value.where == "a.bundle, model.onnx"
