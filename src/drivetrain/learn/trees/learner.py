"""The learner of gradient-boosted trees: what a network's learner does, where it makes sense for trees.

What it answers with is the graph, run by onnxruntime; that the library that grew them says the same is checked on every
validation row when the graph is made.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drivetrain.arguments import public
from drivetrain.bundle.graph import check_graph
from drivetrain.bundle.tensors import made_names
from drivetrain.data.refit import in_time
from drivetrain.errors import CheckFailed, TrainingError
from drivetrain.files import write_bytes
from drivetrain.learn.base import refuse_plan
from drivetrain.learn.features.base import with_kinds
from drivetrain.learn.graph_model import read_graph
from drivetrain.learn.names import TREES
from drivetrain.learn.refusals import refuse_no_rows, refuse_targets
from drivetrain.learn.runs.folder import Run
from drivetrain.learn.settings import CLASS_WEIGHTS, Record
from drivetrain.learn.trees.growth import LOSSES, MOST_ROUNDS
from drivetrain.learn.trees.history import curve
from drivetrain.learn.trees.model import TreeModel, fit_trees, left_out, nothing_seen
from drivetrain.learn.without_epochs import WithoutEpochs
from drivetrain.ragged import graph_inputs
from drivetrain.runtime import OnnxSession
from drivetrain.types import Array

PARITY = 1e-5
"""How far the graph may be from the library that grew it (see `Goal.apart`)."""
GRAPH = "model.onnx"
MOST_LEAVES = 1024
"""Of a tree: far more than is of use, and a graph of so many can still be written."""


@dataclass(frozen=True)
class TreeSettings(Record):
    """Choices that hold for trees; see `Settings`. `rate` is the share of each tree that is added (learning rate), `leaves` how
    many a tree has at most, `least_rows` those of a leaf, `l2` the ridge's penalty on what leaves say; None is the recipe's own,
    which differs from booster to booster."""

    seed: int = 0
    class_weights: str = "none"
    loss: str = "squared"
    most_rounds: int = MOST_ROUNDS
    rate: float | None = None
    leaves: int | None = None
    least_rows: int | None = None
    l2: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        whole = isinstance(self.seed, int) and 0 <= self.seed < 2**32
        self._require(whole, "seed", "a whole number from 0 to 2**32")
        self._require(
            self.class_weights in CLASS_WEIGHTS, "class_weights", f"one of {', '.join(CLASS_WEIGHTS)}"
        )
        self._require(self.loss in LOSSES, "loss", f"one of {', '.join(LOSSES)} for trees")
        rounds = isinstance(self.most_rounds, int) and self.most_rounds >= 1
        self._require(rounds, "most_rounds", "a whole number from 1")
        self._require(self.rate is None or 0 < self.rate <= 1, "rate", "above 0, at most 1, or None")
        leaves = self.leaves is None or 2 <= self.leaves <= MOST_LEAVES
        self._require(leaves, "leaves", f"a whole number from 2 to {MOST_LEAVES:,}, or None")
        rows = self.least_rows is None or self.least_rows >= 1
        self._require(rows, "least_rows", "a whole number from 1, or None")
        self._require(self.l2 is None or self.l2 >= 0, "l2", "0 or more, or None")

    @classmethod
    def searched(cls, classes: bool) -> dict[str, Any]:
        return {
            "rate": (0.02, 0.2, "log"), "leaves": (4, 64, "log"), "least_rows": (1, 100, "log"), "l2": (0.01, 100.0, "log"),
        }  # fmt: skip


class TreesLearner(WithoutEpochs):
    """Gradient-boosted trees on a table: one ensemble for each target, a category or a number.

    Options are those of `TreeSettings`, and those of the run (`out`, `force`, `quiet`, `bare`). How many
    rounds it takes is found on training rows that are held out. Raises UsageError for an option or a target that trees
    can't have, TrainingError where there is nothing to learn from.
    """

    name, kind = TREES, TreeSettings
    settings: TreeSettings
    epoch_name = "round"
    has_trees = True

    def _begin(self) -> None:
        self.models: dict[str, TreeModel] = {}
        self._graph = b""
        self._session: OnnxSession | None = None
        self._rounds = 0

    def _refuse_unfit(self) -> None:
        data = self.data
        refuse_targets(data, "trees")
        if len(left_out(data.signature)) == len(data.signature.inputs):
            raise nothing_seen(data.table.name)
        refuse_no_rows(data)

    def _first_notes(self) -> list[str]:
        names = left_out(self.data.signature)
        return [f"trees see nothing of {with_kinds(self.data.signature, names)}"] if names else []

    # --- training -----------------------------------------------------------------------------------------

    @public
    def fit(self, *plan: Any, **named: Any) -> dict[str, Any]:
        """Grow the trees, make their graph, and give the result (see `finish`).

        Raises CheckFailed where the graph doesn't say what the library does that grew them.
        """
        refuse_plan(self, plan, named)
        self._start_run()
        self._outputs.clear()
        self._write_config(model={"name": TREES, "module": ""}, augment={}, phases=[])
        started = time.perf_counter()
        signature, train = self.data.signature, self.training_batch()
        with self.progress("Growing trees", len(signature.targets)) as advance:
            for name in signature.targets:
                self.models[name] = fit_trees(
                    signature, train, name, in_time=in_time(self.data), **self.settings.to_json()
                )
                advance(1)
        seconds = time.perf_counter() - started
        self._rounds = max(1, *(model.rounds for model in self.models.values()))
        if self._run is None:
            return self.finish()
        self._make_graph()
        part = self.data.measured_part
        self.history = curve(self.models, train, self.data.part(part).batch(), seconds, self.settings.seed)
        self._run.write_history(self.history)
        write_bytes(self._run.folder / GRAPH, self._graph)
        return self.finish()

    def go_on(self) -> dict[str, Any]:
        """Finish a run: trees that were not grown to the end are grown anew."""
        return self.finish() if self._graph else self.fit()

    @property
    def trained(self) -> bool:
        return bool(self._graph or (self.conclusion is None and self.models))

    @property
    def epochs(self) -> int:
        return self._rounds

    def _make_graph(self) -> None:
        from drivetrain.learn.trees.graph import export_trees

        graph = export_trees(self.models, self.data.signature)
        check_graph(graph, self.data.signature)
        session = OnnxSession(graph, made_names(self.data.signature))
        batch = self.data.part(self.data.measured_part).batch()
        answered = session.run(graph_inputs(batch, self.data.signature.inputs))
        for name, model in self.models.items():
            apart = model.goal.apart(answered[name], model.predict(batch))
            if not (apart <= PARITY).all():
                raise CheckFailed(
                    f"onnxruntime's answers for {name!r} are off the trees' own by {apart.max():.2g}.",
                    where=self.data.table.name, fix="Please report this: the graph is not the model.",
                )  # fmt: skip
        self._graph, self._session = graph, session

    # --- after training -----------------------------------------------------------------------------------

    def predict_part(self, part: str) -> dict[str, Array]:
        batch = self.data.part(part).batch()
        return self._answer(batch) if self._session is not None else self.run_arrays(batch)

    def run_arrays(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        """By the library that grew them, where that was here and they were not read from a run."""
        if self.models:
            return {name: model.predict(batch) for name, model in self.models.items()}
        return self._answer(batch)

    def _answer(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        if self._session is None:
            raise TrainingError("these trees are not grown yet.", fix="Call fit first.")
        return self._session.run(graph_inputs(batch, self.data.signature.inputs))

    def graph(self) -> bytes:
        if not self._graph:
            self._make_graph()
        return self._graph

    def description(self) -> str:
        return (
            f"gradient-boosted trees, {self._rounds:,} rounds" if self.trained else "gradient-boosted trees"
        )

    def _restore(self, run: Run) -> None:
        """Its graph is read, nothing is grown again."""
        path = run.folder / GRAPH
        if path.is_file():
            graph = read_graph(path)
            check_graph(graph, self.data.signature)
            self._graph, self._session = graph, OnnxSession(graph, made_names(self.data.signature))
            self.history = run.read_history()
            self._rounds = self.history[-1]["epoch"] if self.history else 0
