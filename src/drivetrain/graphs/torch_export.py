"""The network as an ONNX graph: encoded arrays in, finished outputs out, any number of rows."""

from __future__ import annotations

import copy
import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from drivetrain.bundle.graph import check_model
from drivetrain.bundle.operators import WRITTEN
from drivetrain.bundle.tensors import made_names
from drivetrain.codecs import Signature
from drivetrain.errors import BundleError, DrivetrainError
from drivetrain.graphs.network import NotWritten, write_network
from drivetrain.types import Array

MOST_REASON = 300
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_OPERATION = re.compile(r"<OpOverload\(op='([^']+)'[^>]*>")
_NO_FUNCTION = re.compile(r"No ONNX function found for ([\w.]*\w)")
_PLACE = re.compile(r'File "[^"\n]*", line ([0-9]+), in (\w+)\n(.+)')


class _Finished(nn.Module):
    """Positional encoded inputs -> a tuple of finished outputs, as the exporter wants it."""

    def __init__(self, network: nn.Module, signature: Signature) -> None:
        super().__init__()
        self.network = network
        self.inputs, self.targets = map(list, made_names(signature))

    def forward(self, *arrays: Tensor) -> tuple[Tensor, ...]:
        outputs = self.network.finish(self.network(dict(zip(self.inputs, arrays))))  # type: ignore[operator]
        return tuple(outputs[name] for name in self.targets)


def export_graph(network: nn.Module, signature: Signature, examples: Mapping[str, Array]) -> bytes:
    """The serialised graph. `examples` are at least two encoded rows for each input, as a batch has them.

    Every example is cloned: one tensor object passed for two inputs would make a wrong graph without a word.
    Raises DrivetrainError when the network has something that ONNX can't say.
    """
    try:
        data = write_network(network, signature)
    except NotWritten:
        data = torch_graph(network, signature, examples)
    try:
        check_model(data)
    except BundleError as fault:
        raise DrivetrainError(
            f"the network makes a graph that no bundle may hold: {fault.error}", where="export",
            fix="Use other operations: no loops, sequences or random numbers, and whole numbers divided by constants alone.",
        ) from fault  # fmt: skip
    return data


def torch_graph(network: nn.Module, signature: Signature, examples: Mapping[str, Array]) -> bytes:
    """The same by torch's exporter, which takes any module."""
    import onnx

    module = _Finished(copy.deepcopy(network).cpu().float().eval(), signature)
    names = made_names(signature)
    arguments, axes = zip(*(_example(name, examples[name][:2], signature) for name in names.inputs))
    with warnings.catch_warnings(), torch.no_grad(), _quiet_exporter():
        warnings.simplefilter("ignore")
        try:
            program = torch.onnx.export(
                module, arguments, dynamo=True, opset_version=WRITTEN[""], verbose=False, optimize=True,
                input_names=[*names.inputs.values()], output_names=[*names.outputs.values()],
                dynamic_shapes=(axes,),
            )  # fmt: skip
        except (torch.onnx.errors.OnnxExporterError, RuntimeError) as fault:
            raise _refused(fault) from fault
    assert program is not None
    model = program.model_proto
    _strip(model)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _refused(fault: BaseException) -> DrivetrainError:
    """What torch's exporter has against a network: its last cause, and the line of the network that it is about. The first
    lines of its errors say how to report them, in colours."""
    told = [_plain(str(fault))]
    while (cause := fault.__cause__) is not None:
        fault = cause
        told.append(_plain(str(fault)))
    lines = [line.strip() for line in told[-1].splitlines() if line.strip()]
    reason = (lines[0] if lines else type(fault).__name__).partition(" Failure message:")[0]
    reason = reason[:MOST_REASON].rstrip(". ")
    places = [match for text in told for match in _PLACE.finditer(text)]
    place = f" (in {places[-1][2]}, line {places[-1][1]}: {places[-1][3].strip()})" if places else ""
    unknown = _NO_FUNCTION.search(told[-1])
    return DrivetrainError(
        f"the network can't be written as an ONNX graph: {reason}{place}",
        where="export",
        fix=f"Do without {unknown[1]}, or say it by operations that ONNX has."
        if unknown
        else "Use operations that ONNX has, no Python branches on values, and no shape that depends on the number of rows.",
    )


def _plain(text: str) -> str:
    """Without colours, and operations by their names."""
    return _OPERATION.sub(r"\1", _COLOUR.sub("", text))


def _example(name: str, rows: Array, signature: Signature) -> tuple[Tensor, dict[int, Any]]:
    """An argument of its own, and its axes that vary. The exporter takes one of length 1 for one that never varies, so a
    padded argument gets more of it."""
    axes = {0: torch.export.Dim("rows")}
    if name in signature.inputs and signature.inputs[name].varies:
        codec = signature.inputs[name]
        padding = np.full((len(rows), 2, *rows.shape[2:]), codec.padding, rows.dtype)
        # Of the full length a table of places would be taken whole, whatever the length.
        rows = np.concatenate([rows, padding], axis=1)[:, : max(2, codec.most_steps - 1)]
        axes[1] = torch.export.Dim(f"longest_{[*signature.inputs].index(name)}")
    return torch.tensor(rows).clone(), axes


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """The exporter logs its progress as warnings, and prints the code of what it gives up; a user has asked for a file, or for
    the reason why there is none."""
    loggers = [logging.getLogger(name) for name in ("torch", "torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with redirect_stderr(StringIO()):
            yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


def _strip(model: Any) -> None:
    """Remove what names local files or people: metadata and doc strings of model, graph, nodes and values."""
    del model.metadata_props[:]
    model.doc_string = ""
    model.producer_name, model.producer_version = "drivetrain", ""
    graph = model.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        if part.metadata_props:
            del part.metadata_props[:]
        part.doc_string = ""
    del graph.value_info[:]
