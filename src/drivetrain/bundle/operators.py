"""What a graph in a bundle may be made of. Tables, so that an addition is one word and one test.

Left out on purpose: operators that draw random numbers (no golden case could hold), that decode files, that
work on text (that is a codec's work), losses, loops, sequences, quantized arithmetic, and everything outside the ONNX
standard. Of its machine learning operators there are the trees alone.
"""

from __future__ import annotations

from typing import NamedTuple

IR_VERSIONS = range(4, 14)
TREES = "ai.onnx.ml"
DOMAINS: dict[str, range] = {"": range(13, 26), TREES: range(1, 5)}
"""Domain -> opset versions. `ai.onnx` is the same domain as the empty name."""
IR_WRITTEN, WRITTEN = 10, {"": 20, TREES: 3}
"""What our exporters write of these: the IR version, and the opset of each domain."""

_STANDARD = """
Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast
CastLike Ceil Celu Clip Cos Cosh Div Elu Equal Erf Exp Floor Gelu Greater GreaterOrEqual HardSigmoid
HardSwish Identity IsInf IsNaN LeakyRelu Less LessOrEqual Log Max Mean Min Mish Mod Mul Neg Not Or PRelu Pow
Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Sub Sum Swish Tan Tanh
ThresholdedRelu Where Xor

ArgMax ArgMin CumProd CumSum Hardmax LogSoftmax ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax
ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Softmax TopK

AveragePool BatchNormalization Conv ConvTranspose Det Dropout Einsum GRU Gemm GlobalAveragePool GlobalMaxPool
GroupNormalization InstanceNormalization LRN LSTM LayerNormalization LpNormalization LpPool MatMul MaxPool
MeanVarianceNormalization RMSNormalization RNN

Col2Im Concat Constant ConstantOfShape DepthToSpace Expand EyeLike Flatten Gather GatherElements GatherND
GridSample NonZero OneHot Pad Range Reshape Resize ScatterElements ScatterND Shape Size Slice SpaceToDepth Split
Squeeze Tile Transpose Trilu Unsqueeze

DFT STFT

If
"""
"""By paragraph: each number alone, along an axis, layers, shape and place, signals, control flow. Our exporters write most
of them, and each is tried at its edges in the tests."""

OPERATORS: dict[str, frozenset[str]] = {
    "": frozenset(_STANDARD.split()),
    TREES: frozenset({"TreeEnsembleRegressor"}),
}

MOST_MADE = 2**26
"""Elements that the operators of a graph with constant sizes may make together (256 MiB as float32)..."""
MOST_MADE_PER_BYTE = 16
"""...and for each byte of the graph this many more, because a large model may well fill a large mask."""
MOST_EACH = 2**24
"""The largest constant for a size that is a single number: a padding, a depth, a window."""
MOST_STEP = 2**16
"""The largest number in an attribute that sets a size."""
SIZE_ATTRIBUTES = ("dilations", "kernel_shape", "output_padding", "output_shape", "pads", "strides")

POSITIVE_ATTRIBUTES = (
    "blocksize", "dilations", "group", "hidden_size", "kernel_shape", "num_groups", "num_outputs", "size", "strides",
)  # fmt: skip
"""By these onnxruntime divides."""
POSITIVE = {"OneHot": (1,), "STFT": (1, 3)}
"""Inputs that have to be constants from 1, where they are given."""
SIZES: dict[str, tuple[int, ...]] = {
    "Col2Im": (1, 2),
    "ConstantOfShape": (0,),
    "Expand": (1,),
    "Pad": (1, 3),
    "Reshape": (1,),
    "Resize": (1, 2, 3),
    "Slice": (1, 2, 3, 4),
    "Squeeze": (1,),
    "Tile": (1,),
    "TopK": (1,),
    "Unsqueeze": (1,),
}
"""Inputs that are sizes or axes: a few numbers at most."""
FLOAT, INT32, INT64, BOOL = 1, 6, 7, 9
"""Data types, by ONNX's numbers."""
OUTPUT_TYPES: dict[str, int | str | None] = {
    **dict.fromkeys(
        ("And", "Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual", "Not", "Or", "Xor"), -BOOL
    ),
    **dict.fromkeys(("ArgMax", "ArgMin", "NonZero", "Shape", "Size"), -INT64),
    "Cast": "to",
    "CastLike": 1,
    "ConstantOfShape": "value",
    "EyeLike": "dtype",
    "If": None,
    "OneHot": 2,
    "Where": 1,
}  # fmt: skip
"""What type an operator gives: the number of the input whose type it is (of those that aren't named here the first), the
attribute that says it, a data type below 0, or None where nothing is known."""


class Growth(NamedTuple):
    """An input that sets how much an operator makes: its position, and whether the product of its numbers
    does."""

    position: int
    product: bool


GROWTH: dict[str, tuple[Growth, ...]] = {
    "Col2Im": (Growth(1, True),),
    "ConstantOfShape": (Growth(0, True),),
    "DFT": (Growth(1, False),),
    "Expand": (Growth(1, True),),
    "OneHot": (Growth(1, False),),
    "Pad": (Growth(1, False),),
    "Range": (Growth(1, False),),
    "Resize": (Growth(2, True), Growth(3, True)),
    "Tile": (Growth(1, True),),
}
