"""What a bundle that generates must not be, and is refused for in words: at once where it can be seen, else when it is run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import generating as models
import numpy as np
import onnx
import pytest
from bundle_examples import altered, house_bundle, house_graph, image_bundle, member
from onnx import TensorProto, helper

from drivetrain.bundle import bundle_bytes, open_bundle_bytes
from drivetrain.bundle.golden import GoldenCase
from drivetrain.bundle.manifest import FORMAT
from drivetrain.bundle.npy import to_npy
from drivetrain.bundle.program import Generate
from drivetrain.codecs import Signature
from drivetrain.codecs.number import Number
from drivetrain.codecs.tokens import Tokens
from drivetrain.errors import BundleError, DataError, DrivetrainError, UsageError
from drivetrain.files import from_json, to_json
from drivetrain.runtime import Generator
from drivetrain.runtime.programs import verified

WRITER = models.writer_bundle()
PROGRAM = {"name": "generate", "vocabulary": 11, "longest": 24, "stop": [2], "start": None}


def manifest(data: bytes) -> dict[str, Any]:
    return from_json(member(data, "manifest.json"))


PROGRAMS: dict[str, tuple[Any, str]] = {
    "unknown": ({"name": "dream"}, "'dream' is none"),
    "not named": ({}, "None is none"),
    "named by a list": ({"name": ["generate"]}, "is none that"),
    "a path": ({"name": "../generate"}, "is none that"),
    "a field too few": ({key: PROGRAM[key] for key in PROGRAM if key != "stop"}, "fields of 'generate'"),
    "a field too many": ({**PROGRAM, "run": "rm"}, "fields of 'generate'"),
    "single with fields": ({"name": "single", "longest": 3}, "fields of 'single'"),
    "single without its graph": ({"name": "single"}, "doesn't list this member"),
    "no end": ({**PROGRAM, "longest": None}, "longest sequence"),
    "an end that is no end": ({**PROGRAM, "longest": 2**16 + 1}, "longest sequence"),
    "huge": ({**PROGRAM, "longest": 10**30}, "longest sequence"),
    "no length": ({**PROGRAM, "longest": 0}, "longest sequence"),
    "a broken length": ({**PROGRAM, "longest": 24.0}, "longest sequence"),
    "no words": ({**PROGRAM, "vocabulary": 0}, "vocabulary"),
    "all words": ({**PROGRAM, "vocabulary": 2**40}, "vocabulary"),
    "other words": ({**PROGRAM, "vocabulary": 12}, "logits"),
    "true words": ({**PROGRAM, "vocabulary": True}, "vocabulary"),
    "a stop beyond the words": ({**PROGRAM, "stop": [11]}, "no token"),
    "a stop below them": ({**PROGRAM, "stop": [-1]}, "no token"),
    "a stop twice": ({**PROGRAM, "stop": [2, 2]}, "twice"),
    "a stop that is true": ({**PROGRAM, "stop": [True]}, "no token"),
    "a stop in a text": ({**PROGRAM, "stop": "2"}, "no list"),
    "a stop in an object": ({**PROGRAM, "stop": [{}]}, "no token"),
    "a start beyond the words": ({**PROGRAM, "start": 11}, "no token"),
}


@pytest.mark.parametrize(("program", "words"), PROGRAMS.values(), ids=PROGRAMS)
def test_programs_that_are_none(program: Any, words: str) -> None:
    with pytest.raises(BundleError, match=words):
        open_bundle_bytes(altered(WRITER, {}, {"program": program}))


def test_manifests_that_are_none() -> None:
    for changes in (
        {"program": [PROGRAM]},
        {"graphs": [1]},
        {"graph": {}},
        {"format": 4},
        {"format": 4, "graph": manifest(WRITER)["graphs"]["step"]},
    ):
        with pytest.raises(BundleError, match=r"fields of its format|missing|graph"):
            open_bundle_bytes(altered(WRITER, {}, changes))
    with pytest.raises(BundleError, match=f"of format {FORMAT + 1}; this drivetrain reads up to {FORMAT}"):
        open_bundle_bytes(altered(WRITER, {}, {"format": FORMAT + 1}))
    graphs = manifest(WRITER)["graphs"]
    for key, value in (("first", "prefill"), ("next", None), ("next", "next_1"), ("dims", [None, None, 9])):
        lied = from_json(to_json(graphs))
        lied["step"]["state"]["state_0"][key] = value
        with pytest.raises(BundleError, match="other inputs and outputs"):
            open_bundle_bytes(altered(WRITER, {}, {"graphs": lied}))
    for lied in ({}, {"step": {}}, {**graphs, "prefill": graphs["step"]}):
        with pytest.raises(BundleError, match="other inputs and outputs"):
            open_bundle_bytes(altered(WRITER, {}, {"graphs": lied}))


def test_graphs_that_the_program_does_not_have() -> None:
    step = models.writer_step()
    for name, body, where in (
        ("step.onnx", None, "step"),
        ("model.onnx", step, "model"),
        ("prefill.onnx", step, "prefill"),
    ):
        with pytest.raises(BundleError) as caught:
            open_bundle_bytes(altered(WRITER, {name: body}))
        assert f"{where}.onnx" in caught.value.where
    with pytest.raises(BundleError, match="no such graph"):
        open_bundle_bytes(altered(house_bundle(), {"step.onnx": house_graph()}))
    with pytest.raises(BundleError, match="not a member"):
        open_bundle_bytes(altered(WRITER, {"other.onnx": step}))
    with pytest.raises(
        BundleError, match=r"step\.onnx"
    ):  # As strict as with any graph, and the member is named.
        open_bundle_bytes(
            altered(WRITER, {"step.onnx": edited(step, lambda model: model.training_info.add())})
        )
    with pytest.raises(BundleError, match=r"step\.onnx"):
        open_bundle_bytes(altered(WRITER, {"step.onnx": step[:-7]}))


def test_fields_that_are_no_tokens() -> None:
    number = Number(center=0.0, spread=1.0)
    for signature in (
        Signature({"prompt": number}, {"text": Tokens(11)}),
        Signature({"prompt": Tokens(11)}, {"text": number}),
        Signature({"prompt": Tokens(11), "more": Tokens(11)}, {"text": Tokens(11)}),
        Signature({"prompt": Tokens(11)}, {"text": Tokens(11), "more": Tokens(11)}),
    ):
        spec = to_json(signature.to_json()).encode()
        names = {
            "read": signature.inputs,
            "encoded": signature.inputs,
            "output": signature.targets,
            "answer": signature.targets,
        }
        tolerances = {stage: dict.fromkeys(fields, 0) for stage, fields in names.items()}
        with pytest.raises(BundleError, match="one field of tokens"):
            open_bundle_bytes(altered(WRITER, {"signature.json": spec}, {"tolerances": tolerances}))
    with pytest.raises(BundleError, match="signature"):  # And a graph that is run once says none.
        open_bundle_bytes(altered(image_bundle(), {"signature.json": spec}))


def test_cases_of_a_single_program_are_none_of_one_that_generates():
    case = open_bundle_bytes(WRITER).cases[0]
    plain = GoldenCase(case.name, case.kind, case.raw, case.read, case.encoded, case.output, case.answer)
    arguments = models.arguments(models.WRITER, {"step": models.writer_step()}, models.WriterInTraining())
    with pytest.raises(UsageError, match="has no generations"):
        bundle_bytes(**{**arguments, "cases": [plain]})


def edited(graph: bytes, edit: Callable[[Any], Any]) -> bytes:
    model = onnx.load_from_string(graph)
    edit(model)
    return model.SerializeToString()


def retyped(side: str, name: str, dtype: int, dims: list[Any]) -> Callable[[Any], None]:
    def edit(model: Any) -> None:
        (port,) = [port for port in getattr(model.graph, side) if port.name == name]
        port.CopyFrom(helper.make_tensor_value_info(name, dtype, dims))

    return edit


def more(side: str, name: str, dims: list[Any]) -> Callable[[Any], None]:
    return lambda model: getattr(model.graph, side).append(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
    )


def without(name: str) -> Callable[[Any], None]:
    def edit(model: Any) -> None:
        kept = [port for port in model.graph.output if port.name != name]
        del model.graph.output[:]
        model.graph.output.extend(kept)

    return edit


STEPS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "no logits": (without("logits"), "no output 'logits'"),
    "logits of other words": (retyped("output", "logits", TensorProto.FLOAT, ["rows", 12]), "logits"),
    "logits of every token": (retyped("output", "logits", TensorProto.FLOAT, ["rows", "n", 11]), "logits"),
    "whole logits": (retyped("output", "logits", TensorProto.INT64, ["rows", 11]), "logits"),
    "logits of one row": (retyped("output", "logits", TensorProto.FLOAT, [1, 11]), "logits"),
    "tokens of one row": (retyped("input", "tokens", TensorProto.INT64, [1, "n"]), "tokens"),
    "two tokens at a time": (retyped("input", "tokens", TensorProto.INT64, ["rows", 2]), "tokens"),
    "small tokens": (retyped("input", "tokens", TensorProto.INT32, ["rows", "n"]), "tokens"),
    "a state of one row": (retyped("input", "state_0", TensorProto.FLOAT, [1, "n", 8]), "any number of rows"),
    "a state of no axis": (retyped("input", "state_0", TensorProto.FLOAT, []), "any number of rows"),
    "a state of words": (retyped("input", "state_0", TensorProto.UINT8, ["rows", "n", 8]), "is not of float32"),
    "another state next": (retyped("output", "next_0", TensorProto.FLOAT, ["rows", "n", 9]), "next step"),
    "another type next": (retyped("output", "next_0", TensorProto.DOUBLE, ["rows", "n", 8]), "next step"),
    "another number of axes next": (retyped("output", "next_0", TensorProto.FLOAT, ["rows", 8]), "next step"),
    "next of one row": (retyped("output", "next_0", TensorProto.FLOAT, [3, "n", 8]), "next step"),
    "a state that nothing makes": (without("next_0"), "nothing ever makes"),
    "a huge state": (retyped("input", "state_0", TensorProto.FLOAT, ["rows", 2**40, 8]), "elements"),
    "an input more": (more("input", "state_7", ["rows"]), "state_0"),
    "an input of another name": (more("input", "input_0", ["rows"]), "state_0"),
    "a name that looks alike": (more("input", "state_02", ["rows"]), "state_0"),
    "an output more": (more("output", "next_2", ["rows"]), "no state"),
    "an output of another name": (more("output", "k", ["rows", "n", 8]), "no state"),
}  # fmt: skip


@pytest.mark.parametrize(("edit", "words"), STEPS.values(), ids=STEPS)
def test_steps_that_are_none(edit: Callable[[Any], Any], words: str) -> None:
    step = edited(models.writer_step(), edit)
    with pytest.raises(BundleError, match=words) as caught:
        open_bundle_bytes(altered(WRITER, {"step.onnx": step}))
    assert "step.onnx" in caught.value.where


def test_prefills_that_are_none() -> None:
    prefill = models.translator_prefill()
    for edit, words in (
        (more("output", "state_2", ["rows", 6]), "no state of the step"),
        (without("state_1"), "nothing ever makes 'state_1'"),
        (retyped("output", "state_0", TensorProto.FLOAT, ["rows", 7]), "another graph"),
        (retyped("output", "state_0", TensorProto.FLOAT, [1, 6]), "another graph"),
        (more("output", "logits", ["rows", 12]), "logits"),
        (retyped("input", "input_0", TensorProto.INT32, ["rows", "n"]), "signature says int64"),
        (more("input", "input_1", ["rows"]), "the signature's are"),
    ):
        with pytest.raises(BundleError, match=words):
            open_bundle_bytes(altered(models.translator_bundle(), {"prefill.onnx": edited(prefill, edit)}))


def golden(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """cases.json after a change of its first case."""
    record = from_json(member(WRITER, "golden/cases.json"))
    change(record["cases"][0])
    return to_json(record).encode()


GREEDY = {"name": "greedy"}
SAMPLING = {"name": "sampling", "temperature": 1.0, "top_k": 0, "top_p": 1.0, "seed": 0}
GENERATIONS: dict[str, tuple[Any, str]] = {
    "none": ([], "1 to 16 generations"),
    "no list": ({}, "1 to 16 generations"),
    "too many": ([{"strategy": GREEDY, "most": 3, "tokens": [1]}] * 17, "1 to 16 generations"),
    "no object": ([3], "no strategy"),
    "no tokens": ([{"strategy": GREEDY, "most": 3, "tokens": []}], "tokens"),
    "more than most": ([{"strategy": GREEDY, "most": 3, "tokens": [1] * 4}], "tokens"),
    "more than there may be": ([{"strategy": GREEDY, "most": 25, "tokens": [1]}], "tokens"),
    "a token that is none": ([{"strategy": GREEDY, "most": 3, "tokens": [11]}], "no token"),
    "a token that is true": ([{"strategy": GREEDY, "most": 3, "tokens": [True]}], "no token"),
    "no strategy": ([{"most": 3, "tokens": [1]}], "no strategy"),
    "another strategy": ([{"strategy": {"name": "luck"}, "most": 3, "tokens": [1]}], "strategy is not one"),
    "a field too many": (
        [{"strategy": {**GREEDY, "seed": 1}, "most": 3, "tokens": [1]}],
        "strategy is not one",
    ),
    "no temperature": (
        [{"strategy": {**SAMPLING, "temperature": 0}, "most": 3, "tokens": [1]}],
        "temperature|strategy is wrong",
    ),
    "a wide beam": (
        [{"strategy": {"name": "beam", "width": 10**9}, "most": 3, "tokens": [1]}],
        "strategy is wrong",
    ),
}


@pytest.mark.parametrize(("generations", "words"), GENERATIONS.values(), ids=GENERATIONS)
def test_generations_that_are_none(generations: Any, words: str) -> None:
    cases = golden(lambda case: case.update(generations=generations))
    with pytest.raises(BundleError, match=words):
        open_bundle_bytes(altered(WRITER, {"golden/cases.json": cases}))


def test_golden_members_that_do_not_fit() -> None:
    logits, state = "golden/0000.logits.npy", "golden/0000.state_0.npy"
    for changes, words in (
        ({logits: None}, "missing"),
        ({logits: to_npy(np.zeros((12, 11), np.float64))}, "shape, dtype"),
        ({logits: to_npy(np.zeros((11, 11), np.float32))}, "shape, dtype"),
        ({logits: to_npy(np.full((12, 11), np.nan, np.float32))}, "shape, dtype"),
        ({state: None}, "other states"),
        ({"golden/0000.state_2.npy": to_npy(np.zeros(3))}, "other states"),
        ({"golden/0009.state_0.npy": to_npy(np.zeros(3))}, "no golden case uses"),
        ({state: to_npy(np.full((12, 8), np.inf, np.float32))}, "finite"),
        ({"golden/output.text.npy": to_npy(np.zeros(3))}, "no golden case uses"),
    ):
        with pytest.raises(BundleError, match=words):
            open_bundle_bytes(altered(WRITER, changes))


def failed(data: bytes) -> dict[str, Any]:
    """The stage that fails in a bundle that opens."""
    stage = verified(open_bundle_bytes(data)).failed
    assert stage is not None
    return dict(stage)


def test_what_no_longer_holds_fails_at_its_stage() -> None:
    other = np.array(models.WEIGHTS["out"]) * 1.01

    def heavier(model: Any) -> None:
        (tensor,) = [each for each in model.graph.initializer if each.name == "out"]
        tensor.CopyFrom(onnx.numpy_helper.from_array(other, "out"))

    step = edited(models.writer_step(), heavier)
    assert failed(altered(WRITER, {"step.onnx": step}))["stage"] == "output"
    written = from_json(member(WRITER, "golden/cases.json"))["cases"][0]["generations"]
    cases = golden(lambda case: case.update(generations=[*written[:-1], {**written[-1], "tokens": [3, 3]}]))
    found = failed(altered(WRITER, {"golden/cases.json": cases}))
    assert found["stage"] == "tokens"
    assert "[3, 3]" in found["message"]
    cases = golden(lambda case: case.update(answer={"text": {"tokens": [1]}}))
    assert failed(altered(WRITER, {"golden/cases.json": cases}))["stage"] == "answer"
    cases = golden(lambda case: case["read"].update(prompt={"value": [6]}))
    assert failed(altered(WRITER, {"golden/cases.json": cases}))["stage"] == "read"
    state = to_npy(np.zeros((16, 8), np.float32))
    assert "state_1" in failed(altered(WRITER, {"golden/0000.state_1.npy": state}))["message"]


def test_rows_that_look_at_each_other_are_found() -> None:
    """Alone all is well; beside another row each keys' mean is taken over both."""

    def mixed(model: Any) -> None:
        nodes = list(model.graph.node)
        (query,) = [each for each in nodes if each.output[0] == "q"]
        query.output[0] = "own"
        place = nodes.index(query) + 1
        nodes.insert(place, helper.make_node("ReduceMean", ["own", "first"], ["q"], keepdims=1))
        del model.graph.node[:]
        model.graph.node.extend(nodes)

    found = failed(altered(WRITER, {"step.onnx": edited(models.writer_step(), mixed)}))
    assert found["stage"] == "output"
    assert "in company" in found["message"]


def wired(*nodes: Any, **held: Any) -> Callable[[Any], None]:
    """Replace the node that makes `next_0`."""

    def edit(model: Any) -> None:
        kept = list(model.graph.node)
        (place,) = [place for place, each in enumerate(kept) if "next_0" in each.output]
        kept[place].output[0] = "grown"
        del model.graph.node[:]
        for each in kept:
            each.input[:] = ["grown" if name == "next_0" else name for name in each.input]
        model.graph.node.extend([*kept, *nodes])
        model.graph.initializer.extend(
            [onnx.numpy_helper.from_array(array, name) for name, array in held.items()]
        )

    return edit


BROKEN: dict[str, tuple[Callable[[Any], None], str]] = {
    "a state that doubles": (
        wired(helper.make_node("Concat", ["grown", "grown"], ["next_0"], axis=1)), "grows from",
    ),
    "a state of more rows": (
        wired(helper.make_node("Concat", ["grown", "grown"], ["next_0"], axis=0)), "has to be float32 \\[1,",
    ),
    "a state of another width": (
        wired(helper.make_node("Concat", ["grown", "grown"], ["next_0"], axis=2)), "has to be float32",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("edit", "words"), BROKEN.values(), ids=BROKEN)
def test_states_that_break_their_word_are_an_error(edit: Callable[[Any], None], words: str) -> None:
    def loose(model: Any) -> None:
        edit(model)
        retyped("input", "state_0", TensorProto.FLOAT, ["rows", "past", models.WIDTH])(model)
        retyped("output", "next_0", TensorProto.FLOAT, ["rows", "total", "width"])(model)

    graphs = manifest(WRITER)["graphs"]
    data = altered(WRITER, {"step.onnx": edited(models.writer_step(), loose)}, {"graphs": graphs})
    found = failed(data)
    assert found["stage"] == "output"
    with pytest.raises(BundleError, match=words):
        Generator(open_bundle_bytes(data), verify=False, trusted=True).generate([5])


def test_logits_that_are_no_numbers_are_an_error() -> None:
    def broken(model: Any) -> None:
        model.graph.node[-1].output[0] = "numbers"
        model.graph.node.append(helper.make_node("Div", ["numbers", "nought"], ["logits"]))
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(0), "nought"))

    data = altered(WRITER, {"step.onnx": edited(models.writer_step(), broken)})
    with pytest.raises(BundleError, match="not all finite"):
        Generator(open_bundle_bytes(data), verify=False, trusted=True).generate([5])


def test_a_generator_goes_on_after_a_prompt_that_it_refuses() -> None:
    generator = Generator(open_bundle_bytes(WRITER), trusted=True)
    for prompt in ([], [11], [-1], [1.5], [True], "5", None, [5] * 24, [[5]], {"text": [5]}, {}):
        with pytest.raises(DataError):
            generator.generate(prompt)
    assert len(generator.generate(np.array([5] * 23)).tokens) == 1


def test_a_bundle_that_nothing_proves_is_not_written() -> None:
    """Logits that are all alike but for chance decide nothing."""

    def flat(graph: str, batch: Any) -> dict[str, Any]:
        made = models.WriterInTraining.__call__(run, graph, batch)
        return {**made, "logits": made["logits"] * 0 + np.linspace(1, 1 + 1e-6, 11, dtype=np.float32)}

    run = models.WriterInTraining()
    with pytest.raises(DrivetrainError, match="sure of its tokens"):
        bundle_bytes(**models.arguments(models.WRITER, {"step": models.writer_step()}, flat))


def test_a_writer_is_told_what_a_reader_would_refuse() -> None:
    usual = models.arguments(models.WRITER, {"step": models.writer_step()}, models.WriterInTraining())
    for changes, words in (
        ({"graph": {}}, "needs this graph"),
        ({"graph": models.writer_step()}, "needs this graph"),
        ({"program": None}, "needs this graph"),
        ({"program": Generate(vocabulary=12, longest=24)}, "logits"),
        ({"graph": {"step": models.writer_step(), "more": b""}}, "no such graph"),
    ):
        with pytest.raises(BundleError, match=words):
            bundle_bytes(**{**usual, **changes})
