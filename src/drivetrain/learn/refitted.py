"""A learner whose model is fitted again to more rows, when it has been measured, and kept in its run as a graph."""

from __future__ import annotations

from drivetrain import files
from drivetrain.data.dataset import Dataset
from drivetrain.data.refit import whole
from drivetrain.learn.base import BaseLearner
from drivetrain.learn.graph_model import GraphModel, read_graph
from drivetrain.learn.without_epochs import WithoutEpochs

REFITTED = "refitted.onnx"
"""In a run's folder: the graph of the model that was fitted again."""


class Refitted(WithoutEpochs):
    """A subclass calls `ship` with the graph of what was fitted again (see `BaseLearner.shipped`)."""

    @property
    def shipped(self) -> BaseLearner:
        if self._shipped is None and self._run is not None and (self._run.folder / REFITTED).is_file():
            self._ship(whole(self.data), read_graph(self._run.folder / REFITTED))
        return super().shipped

    def ship(self, data: Dataset, graph: bytes) -> None:
        """Keep the graph of the model that was fitted again, to the rows of `data` (see `data.refit.whole`)."""
        self._ship(data, graph)
        if self._run is not None:
            files.write_bytes(self._run.folder / REFITTED, graph)

    def _ship(self, data: Dataset, graph: bytes) -> None:
        self._shipped = GraphModel(data, graph, self.settings, self.description())
