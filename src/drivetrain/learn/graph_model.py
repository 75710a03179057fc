"""A model that is its graph: what answers for it is onnxruntime, as it will wherever the bundle goes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from drivetrain.bundle.graph import check_graph
from drivetrain.bundle.tensors import made_names
from drivetrain.data.dataset import Dataset
from drivetrain.files import file_error
from drivetrain.learn.base import BaseLearner
from drivetrain.learn.settings import Record
from drivetrain.ragged import graph_inputs
from drivetrain.runtime import OnnxSession
from drivetrain.types import Array


def read_graph(path: Path) -> bytes:
    """A graph that a run has kept. Raises FileError."""
    try:
        return path.read_bytes()
    except OSError as fault:
        raise file_error(fault, path) from fault


class GraphModel(BaseLearner):
    """The graph of a model that was fitted to `data`, or to a dataset with the same codecs. Raises BundleError for a graph
    that no bundle may hold."""

    def __init__(self, data: Dataset, graph: bytes, settings: Record, words: str = "") -> None:
        super().__init__(data, None, False, True, bare=True)
        check_graph(graph, data.signature)
        self.settings = settings  # type: ignore[assignment]
        self.model_name, self._words, self._graph = "graph", words, graph
        self._session = OnnxSession(graph, made_names(data.signature))

    def predict_part(self, part: str) -> dict[str, Array]:
        return self.run_arrays(self.data.part(part).batch())

    def run_arrays(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        return self._session.run(graph_inputs(batch, self.data.signature.inputs))

    def graph(self) -> bytes:
        return self._graph

    @property
    def trained(self) -> bool:
        return True

    def description(self) -> str:
        return self._words
