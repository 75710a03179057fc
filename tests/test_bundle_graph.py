"""The graph is checked on its bytes, before onnxruntime sees them."""

from __future__ import annotations

import contextlib
import random

import bundle_examples as examples
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from drivetrain.bundle.graph import check_graph, check_model
from drivetrain.bundle.operators import OPERATORS
from drivetrain.bundle.protobuf import parse
from drivetrain.codecs import Signature
from drivetrain.codecs.image import Image
from drivetrain.errors import BundleError


def test_the_interface_is_read_from_the_bytes():
    assert check_graph(examples.image_graph(), examples.PICTURES) == {
        "inputs": {"image": {"tensor": "input_0", "dtype": "uint8", "dims": [None, 8, 8, 3]}},
        "outputs": {"label": {"tensor": "output_0", "dtype": "float32", "dims": [None, 3]}},
    }


def test_the_parser_agrees_with_onnx():
    """Names, shapes and bytes as the onnx package reads them."""
    data = examples.house_graph()
    ours, theirs = parse(data)["graph"], onnx.load_from_string(data).graph
    assert [node["op_type"] for node in ours["node"]] == [node.op_type for node in theirs.node]
    assert [node["input"] for node in ours["node"]] == [list(node.input) for node in theirs.node]
    for tensor, other in zip(ours["initializer"], theirs.initializer):
        assert (tensor["name"], tensor.get("dims", [])) == (other.name, list(other.dims))
        assert bytes(tensor["raw_data"]) == other.raw_data


def test_every_allowed_operator_is_standard():
    standard = {schema.name for schema in onnx.defs.get_all_schemas_with_history() if schema.domain == ""}
    assert OPERATORS[""] <= standard


def external(tensor):
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def in_attribute(proto):
    tensor = numpy_helper.from_array(np.zeros(3, np.float32))
    external(tensor)
    proto.graph.node.insert(0, helper.make_node("Constant", [], ["c"], value=tensor))


def branch(*nodes, initializers=()):
    out = helper.make_tensor_value_info("b", TensorProto.FLOAT, None)
    return helper.make_graph(list(nodes), "branch", [], [out], list(initializers))


def conditional(inner):
    other = branch(helper.make_node("Identity", ["flat"], ["b"]))
    held = numpy_helper.from_array(np.array(True), "yes")
    return [helper.make_node("If", ["yes"], ["r"], then_branch=inner, else_branch=other)], held


def in_subgraph(proto):
    tensor = numpy_helper.from_array(np.zeros(3, np.float32), "w")
    external(tensor)
    nodes, held = conditional(branch(helper.make_node("Identity", ["w"], ["b"]), initializers=[tensor]))
    proto.graph.node.extend(nodes)
    proto.graph.initializer.append(held)


def half_external(proto):
    proto.graph.initializer[1].data_location = TensorProto.EXTERNAL


def only_entries(proto):
    proto.graph.initializer[1].external_data.add(key="location", value="weights.bin")


@pytest.mark.parametrize(
    "edit",
    [lambda p: external(p.graph.initializer[1]), in_attribute, in_subgraph, half_external, only_entries],
)
def test_external_data_is_refused_wherever_it_is(edit):
    with pytest.raises(BundleError, match="external data"):
        check_model(examples.edited_graph(edit))


def deep(levels):
    inner = branch(helper.make_node("Identity", ["flat"], ["b"]))
    nodes, held = conditional(inner)
    for _ in range(levels - 1):
        inner = branch(*nodes, helper.make_node("Identity", ["r"], ["b"]))
        nodes, held = conditional(inner)

    def edit(proto):
        proto.graph.node.extend(nodes)
        proto.graph.initializer.append(held)

    return examples.edited_graph(edit)


def test_subgraphs_are_allowed_to_a_depth():
    assert check_model(deep(4))["outputs"].keys() == {"output_0"}
    with pytest.raises(BundleError, match="nested"):
        check_model(deep(5))
    with pytest.raises(BundleError, match="nested"):
        check_model(deep(20))


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (helper.make_node("RandomNormal", [], ["x"], shape=[2]), "operator RandomNormal"),
        (helper.make_node("Relux", ["flat"], ["x"]), "operator Relux"),
        (
            helper.make_node("FusedGemm", ["flat"], ["x"], domain="com.microsoft"),
            "operator com.microsoft.FusedGemm",
        ),
        (
            helper.make_node("PyOp", ["flat"], ["x"], domain="ai.onnx.contrib"),
            "operator ai.onnx.contrib.PyOp",
        ),
    ],
)
def test_operators_and_domains_outside_the_tables_are_refused(node, message):
    with pytest.raises(BundleError, match=message):
        check_model(examples.edited_graph(lambda proto: proto.graph.node.append(node)))


def test_an_operator_hidden_in_a_subgraph_is_refused():
    nodes, held = conditional(branch(helper.make_node("RandomNormal", [], ["b"], shape=[2])))

    def edit(proto):
        proto.graph.node.extend(nodes)
        proto.graph.initializer.append(held)

    with pytest.raises(BundleError, match="RandomNormal"):
        check_model(examples.edited_graph(edit))


@pytest.mark.parametrize(("domain", "version"), [("com.microsoft", 1), ("", 12), ("", 99), ("", 20)])
def test_opsets_outside_the_table_are_refused(domain, version):
    """The last one names the standard domain a second time."""
    with pytest.raises(BundleError, match=r"opset|domain"):
        check_model(
            examples.edited_graph(lambda proto: proto.opset_import.add(domain=domain, version=version))
        )


def huge(proto):
    proto.graph.initializer[1].ClearField("raw_data")
    proto.graph.initializer[1].dims[:] = [1 << 28]


def longer(proto):
    proto.graph.initializer[1].dims[0] = 193


def negative(proto):
    proto.graph.initializer[1].dims[0] = -192


def two_fields(proto):
    proto.graph.initializer[1].float_data.append(1.0)


def wrong_field(proto):
    proto.graph.initializer[1].ClearField("raw_data")
    proto.graph.initializer[1].int64_data.extend([0] * (192 * 3))


@pytest.mark.parametrize("edit", [huge, longer, negative, two_fields, wrong_field])
def test_a_tensor_that_claims_another_size_is_refused(edit):
    with pytest.raises(BundleError, match="the tensor 'weight'"):
        check_model(examples.edited_graph(edit))


def test_typed_data_is_counted():
    def typed(count):
        def edit(proto):
            tensor = helper.make_tensor("t", TensorProto.INT64, [3], [1, -1, 2**40])
            tensor.dims[0] = count
            proto.graph.initializer.append(tensor)

        return examples.edited_graph(edit)

    assert check_model(typed(3))["inputs"].keys() == {"input_0"}
    with pytest.raises(BundleError, match="claims 4 elements"):
        check_model(typed(4))


def made(operator, sizes, inputs):
    def edit(proto):
        proto.graph.initializer.append(numpy_helper.from_array(np.array(sizes, np.int64), "sizes"))
        proto.graph.node.append(helper.make_node(operator, inputs, ["made"]))

    return examples.edited_graph(edit)


@pytest.mark.parametrize(
    ("operator", "sizes", "inputs"),
    [
        ("ConstantOfShape", [9000, 9000], ["sizes"]),
        ("ConstantOfShape", [1 << 40], ["sizes"]),
        ("Expand", [1, 1 << 20, 1 << 20], ["flat", "sizes"]),
        ("Tile", [1, 1 << 30], ["flat", "sizes"]),
        ("Resize", [1, 3, 1 << 16, 1 << 16], ["image", "", "", "sizes"]),
        ("Pad", [0, 1 << 30, 0, 0], ["flat", "sizes"]),
        ("Range", 1 << 33, ["zero", "sizes", "one"]),
    ],
)
def test_a_few_bytes_can_not_ask_for_gigabytes(operator, sizes, inputs):
    with pytest.raises(BundleError, match=operator):
        check_model(made(operator, sizes, inputs))


@pytest.mark.parametrize("delta", [1e-9, -1e-9, 0.0])
def test_a_range_in_tiny_steps_is_refused(delta):
    def stepped(size):
        def edit(proto):
            ends = {"start": 0.0, "limit": 1.0, "delta": size}
            held = [
                numpy_helper.from_array(np.array(value, np.float32), name) for name, value in ends.items()
            ]
            proto.graph.initializer.extend(held)
            proto.graph.node.append(helper.make_node("Range", list(ends), ["made"]))

        return examples.edited_graph(edit)

    with pytest.raises(BundleError, match="Range makes something of size"):
        check_model(stepped(delta))
    assert check_model(stepped(0.001))


def test_constants_in_nodes_and_many_small_ones_count_too():
    def constant(proto):
        shape = numpy_helper.from_array(np.array([1 << 33], np.int64))
        proto.graph.node.append(helper.make_node("Constant", [], ["k"], value=shape))
        proto.graph.node.append(helper.make_node("ConstantOfShape", ["k"], ["made"]))

    with pytest.raises(BundleError, match="ConstantOfShape"):
        check_model(examples.edited_graph(constant))

    def many(proto):
        proto.graph.initializer.append(numpy_helper.from_array(np.array([1 << 22], np.int64), "k"))
        proto.graph.node.extend(helper.make_node("ConstantOfShape", ["k"], [f"m{n}"]) for n in range(30))

    with pytest.raises(BundleError, match="ConstantOfShape"):
        check_model(examples.edited_graph(many))
    assert check_model(made("ConstantOfShape", [64, 64], ["sizes"]))


def test_attributes_that_set_sizes_are_bounded():
    node = helper.make_node("MaxPool", ["image"], ["x"], kernel_shape=[1, 1], pads=[0, 0, 1 << 30, 0])
    with pytest.raises(BundleError, match="pads"):
        check_model(examples.edited_graph(lambda proto: proto.graph.node.append(node)))


def functions(proto):
    opset = [helper.make_opsetid("", 20)]
    proto.functions.append(
        helper.make_function("", "F", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], opset)
    )


def training(proto):
    proto.training_info.add()


def sparse(proto):
    proto.graph.sparse_initializer.add()


def devices(proto):
    proto.configuration.add(name="x", num_devices=2)


@pytest.mark.parametrize("edit", [functions, training, sparse, devices])
def test_parts_that_no_bundle_needs_are_refused(edit):
    with pytest.raises(BundleError, match="can't be accepted"):
        check_model(examples.edited_graph(edit))


def test_two_graphs_in_one_model_are_refused():
    """Protobuf merges them; two readers that differ here would see two models."""
    with pytest.raises(BundleError, match="given twice"):
        check_model(
            examples.image_graph() + onnx.ModelProto(graph=onnx.GraphProto(name="other")).SerializeToString()
        )


def test_a_location_that_wraps_to_external_is_refused():
    """2^32 + 1 is 1, EXTERNAL, for a reader that keeps 32 bits."""
    marked = examples.edited_graph(half_external)
    tag = b"\x70\x01"
    assert marked.count(tag) == 1
    with pytest.raises(BundleError):
        check_model(marked.replace(tag, b"\x70\x81\x80\x80\x80\x10"))


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00", b"\xff" * 20, b"\x0a", b"\x3a\xff\xff\xff\xff\x0f", b"PK\x03\x04", b"\x08\x0a\x3a\x00"],
)
def test_other_bytes_are_refused(data):
    with pytest.raises(BundleError):
        check_model(data)


def test_random_bytes_never_give_another_error():
    chance = random.Random(3)
    graph = examples.house_graph()
    for _ in range(3000):
        with contextlib.suppress(BundleError):
            check_model(chance.randbytes(chance.randrange(60)))
        changed = bytearray(graph)
        for _ in range(chance.randrange(1, 4)):
            place = chance.randrange(len(changed))
            roll = chance.random()
            if roll < 0.6:
                changed[place] = chance.randrange(256)
            elif roll < 0.8:
                del changed[place : place + chance.randrange(1, 9)]
            else:
                changed[place:place] = chance.randbytes(chance.randrange(1, 9))
        with contextlib.suppress(BundleError):
            check_graph(bytes(changed), examples.HOUSES)
    with pytest.raises(BundleError):
        check_graph(graph[:-1], examples.HOUSES)


def test_too_many_parts_and_nodes_are_refused(monkeypatch):
    monkeypatch.setattr("drivetrain.bundle.protobuf.MOST_FIELDS", 50)
    with pytest.raises(BundleError, match="more than 50 parts"):
        check_model(examples.image_graph())
    monkeypatch.undo()
    monkeypatch.setattr("drivetrain.bundle.graph.MOST_NODES", 3)
    with pytest.raises(BundleError, match="more than 3 nodes"):
        check_model(examples.image_graph())


def port(dtype=TensorProto.UINT8, dims=("n", 8, 8, 3), name="input_0"):
    def edit(proto):
        proto.graph.input[0].CopyFrom(helper.make_tensor_value_info(name, dtype, dims))

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (port(dtype=TensorProto.FLOAT), "float32 and the signature says uint8"),
        (port(dims=("n", 9, 8, 3)), "shape"),
        (port(dims=("n", 8, 8)), "shape"),
        (port(dims=(1, 8, 8, 3)), "fixed number of rows"),
        (port(name="picture"), "picture"),
        (port(dims=None), "known rank"),
        (lambda proto: proto.graph.input.append(proto.graph.input[0]), "'input_0'"),
        (lambda proto: proto.graph.output.append(proto.graph.input[0]), "outputs are"),
        (lambda proto: proto.graph.input.add(name="weight").CopyFrom(port_of_weight()), "value of its own"),
    ],
)
def test_a_graph_that_does_not_fit_the_signature_is_refused(edit, message):
    with pytest.raises(BundleError, match=message):
        check_graph(examples.edited_graph(edit), examples.PICTURES)


def port_of_weight():
    return helper.make_tensor_value_info("weight", TensorProto.FLOAT, [192, 3])


def test_a_codec_without_its_state_is_named():
    signature = Signature({"image": Image()}, examples.PICTURES.targets)
    with pytest.raises(BundleError, match="no size yet"):
        check_graph(examples.image_graph(), signature)
