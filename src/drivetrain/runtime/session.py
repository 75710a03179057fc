"""A graph run by onnxruntime on the CPU."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from drivetrain.bundle.tensors import Tensors
from drivetrain.cores import usable_cores
from drivetrain.errors import BundleError
from drivetrain.types import Array


class OnnxSession:
    """Runs the bytes of an ONNX graph that `bundle.check_graph` has let through. Safe to use from several
    threads.

    `tensors` says what the graph calls the fields of a bundle, by which `run` then takes and gives arrays; without
    it they go by the graph's own names. `threads` is the number of threads for one run, by default the
    cores that this process may use; `member` is what errors call the graph. Raises BundleError where onnxruntime refuses
    the graph, at once or when it is run.
    """

    def __init__(
        self,
        graph: bytes,
        tensors: Tensors | None = None,
        *,
        threads: int | None = None,
        member: str = "model.onnx",
    ) -> None:
        onnxruntime: Any = importlib.import_module("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or usable_cores()
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # Waiting threads sleep: beside a decoder or a second model, spinning takes the cores that the
        # others need.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._refusals, self._member = _refusals(), member
        try:
            # Folding computes what constants come to while the session is made, however large: that is not for
            # bytes that nobody has verified yet to ask for. The exporter has folded what is worth it.
            self._session: Any = onnxruntime.InferenceSession(
                graph,
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=["ConstantFolding"],
            )
        except self._refusals as fault:
            raise BundleError(f"onnxruntime refuses the graph: {_words(fault)}", where=member) from fault
        # It keeps the graph's bytes, to make itself anew with other providers: a second copy of the weights.
        self._session._model_bytes = None
        self.inputs: list[str] = [port.name for port in self._session.get_inputs()]
        self.outputs: list[str] = [port.name for port in self._session.get_outputs()]
        self._given = {name: name for name in self.inputs} if tensors is None else tensors.inputs
        self._made = {name: name for name in self.outputs} if tensors is None else tensors.outputs

    def run(self, feeds: Mapping[str, Array], also: Sequence[str] = ()) -> dict[str, Array]:
        """One array per input, rows first -> one array per output, rows first, and of those that are `also` asked for by
        the graph's names. Raises BundleError."""
        try:
            named = {self._given.get(field, field): array for field, array in feeds.items()}
            arrays = self._session.run([*self._made.values(), *also], named)
        except self._refusals as fault:
            raise BundleError(f"the graph can't be run: {_words(fault)}", where=self._member) from fault
        return {name: np.asarray(array) for name, array in zip((*self._made, *also), arrays)}


def _refusals() -> tuple[type[Exception], ...]:
    """What onnxruntime raises: classes of its own that have no common base, and a few of Python's."""
    state: Any = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    kinds: list[Any] = [
        kind for kind in cast("dict[str, Any]", vars(state)).values() if isinstance(kind, type)
    ]
    own = [kind for kind in kinds if issubclass(kind, Exception)]
    return (*own, RuntimeError, ValueError, TypeError, MemoryError)


def _words(fault: Exception) -> str:
    return " ".join(str(fault).split())[:300]
