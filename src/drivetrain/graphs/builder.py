"""An ONNX graph written node by node: the shapes and names are those of a bundle (FORMAT.md, section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from drivetrain.bundle.operators import IR_WRITTEN, WRITTEN
from drivetrain.bundle.tensors import made_names, vectors_tensor
from drivetrain.codecs import Signature

LARGEST_EXPONENT = 88.0
"""Of e, in float32."""

Port = tuple[str, int, Sequence[int | str]]
"""Name, ONNX's number of the type, and sides: of what is called by a name there may be any number."""


class Builder:
    """Nodes and initializers, and what the graph calls the fields: `inputs`, by their names in a batch, and `outputs`.

    Every method but `model` and `model_between` adds to the graph, and gives the name of what it has added.
    """

    def __init__(self, signature: Signature) -> None:
        self.signature = signature
        self.inputs, self.outputs = made_names(signature)
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.parts: dict[str, str] = {}
        """Further outputs -> the target that they are for: what the parts of a blend say."""
        self._whole: dict[tuple[int, ...], str] = {}
        self._has_vectors: set[str] = set()

    def constant(self, value: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        from onnx import numpy_helper

        name = self.name("constant")
        self.initializers.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def vectors(self, table: npt.ArrayLike, *inputs: str) -> str:
        """A constant, float32 (values of all the inputs, width): a vector for each value of each input, as the graph calls
        them, by whose name the table is found again in a bundle (FORMAT.md, section 5.5). An input has one of them."""
        from onnx import numpy_helper

        name = vectors_tensor(*inputs)
        if not self._has_vectors.isdisjoint(inputs):
            return self.constant(table)
        self._has_vectors.update(inputs)
        self.initializers.append(numpy_helper.from_array(np.asarray(table, np.float32), name))
        return name

    def whole(self, *values: int) -> str:
        """int64 (n,): axes, sizes, places."""
        if values not in self._whole:
            self._whole[values] = self.constant(values, np.int64)
        return self._whole[values]

    def add(self, operator: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any) -> str:
        """A node with one output, which is called `output` where that is given."""
        from onnx import helper

        output = output or self.name(operator)
        self.nodes.append(helper.make_node(operator, inputs, [output], domain=domain, **attributes))
        return output

    def floats(self, name: str) -> str:
        from onnx import TensorProto

        return self.add("Cast", name, to=TensorProto.FLOAT)

    def column(self, name: str) -> str:
        """(n,) -> (n, 1)."""
        return self.add("Reshape", name, self.whole(-1, 1))

    def natural(self, z: str, output: str = "") -> str:
        """Numbers on the log scale, sign(x) log(1 + |x|) -> x, at most e^88: that fits into 32 bits."""
        limited = self.add("Min", self.add("Abs", z), self.constant(LARGEST_EXPONENT))
        grown = self.add("Sub", self.add("Exp", limited), self.constant(1))
        return self.add("Mul", self.add("Sign", z), grown, output=output)

    def one_hot(self, codes: str, levels: int) -> str:
        """int64 (n, 1) -> float32 (n, levels)."""
        return self.floats(self.add("Equal", codes, self.constant(np.arange(levels), np.int64)))

    def columns(self, name: str, first: int, end: int) -> str:
        """(n, k) -> (n, end - first)."""
        return self.add("Slice", name, self.whole(first), self.whole(end), self.whole(1))

    def beside(self, parts: list[str]) -> str:
        """(n, k, ...) each -> (n, all of them, ...)."""
        return parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=1)

    def model(self, name: str) -> bytes:
        """The serialised model, checked. It has an input for each of the signature, used or not."""
        from onnx import TensorProto

        targets = {output: field for field, output in self.outputs.items()} | self.parts
        return self.model_between(
            name,
            [(tensor, *self.port(field)) for field, tensor in self.inputs.items()],
            [
                (output, TensorProto.FLOAT, ["rows", *self.signature.targets[field].output_shape])
                for output, field in targets.items()
            ],
        )

    def model_between(self, name: str, inputs: Sequence[Port], outputs: Sequence[Port]) -> bytes:
        """The same with these inputs and outputs."""
        from onnx import checker, helper

        given, made = ([helper.make_tensor_value_info(*port) for port in each] for each in (inputs, outputs))
        domains = {"", *(node.domain for node in self.nodes)}
        model = helper.make_model(
            helper.make_graph(self.nodes, name, given, made, self.initializers),
            producer_name="drivetrain",
            ir_version=IR_WRITTEN,
            opset_imports=[helper.make_opsetid(domain, WRITTEN[domain]) for domain in sorted(domains)],
        )
        checker.check_model(model)
        return model.SerializeToString()

    def name(self, what: str) -> str:
        """One that no node nor constant has yet, where it is used before the next is made."""
        return f"{what.lower()}_{len(self.nodes) + len(self.initializers)}"

    def port(self, field: str) -> tuple[int, list[int | str]]:
        """Type and dims of an input."""
        from onnx import TensorProto, helper

        if (codec := self.signature.inputs.get(field)) is None:
            return TensorProto.INT64, ["rows"]  # The lengths of another.
        sides = [f"longest_{self.inputs[field]}" if side is None else side for side in codec.shape]
        return helper.np_dtype_to_tensor_dtype(codec.dtype), ["rows", *sides]
