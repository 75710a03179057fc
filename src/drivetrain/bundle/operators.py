"""What a graph in a bundle may be made of. Tables, so that an addition is one word and one test.

Left out on purpose: operators that draw random numbers (no golden case could hold), that decode files, that
work on text (that is a codec's work), losses, and everything outside the ONNX standard. Of its machine learning
operators there are the trees alone.
"""

from __future__ import annotations

from typing import NamedTuple

IR_VERSIONS = range(4, 14)
TREES = "ai.onnx.ml"
DOMAINS: dict[str, range] = {"": range(13, 26), TREES: range(1, 5)}
"""Domain -> opset versions. `ai.onnx` is the same domain as the empty name."""

_STANDARD = """
Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast
CastLike Ceil Celu Clip Cos Cosh Div Elu Equal Erf Exp Floor Gelu Greater GreaterOrEqual HardSigmoid
HardSwish Identity IsInf IsNaN LeakyRelu Less LessOrEqual Log Max Mean Min Mish Mod Mul Neg Not Or PRelu Pow
Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Sub Sum Swish Tan Tanh
ThresholdedRelu Where Xor

ArgMax ArgMin CumProd CumSum Hardmax LogSoftmax ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax
ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Softmax TopK

Attention AveragePool BatchNormalization Conv ConvInteger ConvTranspose DeformConv Det Dropout Einsum GRU Gemm
GlobalAveragePool GlobalLpPool GlobalMaxPool GroupNormalization InstanceNormalization LRN LSTM
LayerNormalization LpNormalization LpPool MatMul MatMulInteger MaxPool MaxRoiPool MaxUnpool
MeanVarianceNormalization RMSNormalization RNN RoiAlign RotaryEmbedding

DequantizeLinear DynamicQuantizeLinear QLinearConv QLinearMatMul QuantizeLinear

AffineGrid CenterCropPad Col2Im Compress Concat Constant ConstantOfShape DepthToSpace Expand EyeLike Flatten
Gather GatherElements GatherND GridSample NonMaxSuppression NonZero OneHot Pad Range Reshape Resize
ReverseSequence Scatter ScatterElements ScatterND Shape Size Slice SpaceToDepth Split Squeeze TensorScatter
Tile Transpose Trilu Unique Unsqueeze

BlackmanWindow DFT HammingWindow HannWindow MelWeightMatrix STFT

ConcatFromSequence If Loop Scan SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert
SequenceLength SplitToSequence
"""
"""By paragraph: each number alone, along an axis, layers, quantized, shape and place, signals, control
flow."""

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


class Growth(NamedTuple):
    """An input that sets how much an operator makes: its position, and whether the product of its numbers
    does."""

    position: int
    product: bool


GROWTH: dict[str, tuple[Growth, ...]] = {
    "BlackmanWindow": (Growth(0, False),),
    "CenterCropPad": (Growth(1, True),),
    "Col2Im": (Growth(1, True),),
    "ConstantOfShape": (Growth(0, True),),
    "DFT": (Growth(1, False),),
    "Expand": (Growth(1, True),),
    "HammingWindow": (Growth(0, False),),
    "HannWindow": (Growth(0, False),),
    "OneHot": (Growth(1, False),),
    "Pad": (Growth(1, False),),
    "Range": (Growth(1, False),),
    "Resize": (Growth(2, True), Growth(3, True)),
    "Tile": (Growth(1, True),),
}
