"""The best model that a table gives: several are tried on the same folds, blended, and the blend is fitted again on all
rows but the test's.

1. Each candidate (`candidates.py`) is fitted to the training rows and asked about the valid rows. Where rows are few,
   it is fitted to the other folds too, so that each row of train and valid is asked about once (`data/folds.py`).
2. The candidates' weights in the blend are those of the least loss on these answers (`blending.py`).
3. What the blend says of the valid rows is what is measured: its weights come of the other folds, and where there are
   none, of the other half of the valid rows. Where one candidate is better there by more than chance, it is taken alone.
4. Those that have a weight are fitted again, as they were, to train and valid together. That goes into the bundle, as
   one graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Any

from drivetrain.arguments import public
from drivetrain.bundle.vectors import tables_in
from drivetrain.codecs import Quantity, Signature
from drivetrain.data.dataset import Dataset
from drivetrain.data.folds import folds
from drivetrain.data.refit import whole
from drivetrain.deadline import Deadline
from drivetrain.errors import DrivetrainError, TrainingError
from drivetrain.files import from_json, to_json, write_bytes, write_text
from drivetrain.interface import log_option, time_option
from drivetrain.learn.base import refuse_plan
from drivetrain.learn.baselines.supervised import Baseline
from drivetrain.learn.best.blending import Weights, joined_weights, learned_losses, unseen_blend
from drivetrain.learn.best.candidates import Candidate, candidates
from drivetrain.learn.best.target_scale import log_fits
from drivetrain.learn.best.tried import Tried, answers_of, better_alone, both_sides, tell
from drivetrain.learn.features.base import Sums
from drivetrain.learn.graph_model import GraphModel, read_graph
from drivetrain.learn.names import BEST, MINIROCKET, NGRAMS, REGRESSION
from drivetrain.learn.outputs import Outputs
from drivetrain.learn.refitted import Refitted
from drivetrain.learn.refusals import refuse_large, refuse_no_rows
from drivetrain.learn.runs.folder import Run
from drivetrain.learn.settings import CLASS_WEIGHTS, LOSSES, Record
from drivetrain.learn.trees.learner import GRAPH
from drivetrain.metrics import metrics_of
from drivetrain.types import Array

SECONDS = 600.0
"""To try, to choose and to fit again, where nobody said."""
FEW, MORE_FOLDS = 3_000, 4
"""With fewer rows each is asked about once; with more, the valid rows tell enough."""
TRIED, CHOSEN = "tried", "chosen.json"
"""In a run's folder: the answers of what was tried, and what has which weight."""


@dataclass(frozen=True)
class BestSettings(Record):
    """Choices that hold for all candidates; see `Settings`. `time` is the seconds that there are for all of it."""

    seed: int = 0
    class_weights: str = "none"
    loss: str = "squared"
    time: float = SECONDS

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_number = isinstance(self.seed, int) and 0 <= self.seed < 2**32
        self._require(whole_number, "seed", "a whole number from 0 to 2**32")
        self._require(
            self.class_weights in CLASS_WEIGHTS, "class_weights", f"one of {', '.join(CLASS_WEIGHTS)}"
        )
        self._require(self.loss in LOSSES, "loss", f"one of {', '.join(LOSSES)}")
        self._require(self.time > 0, "time", "a number of seconds above 0")

    @property
    def options(self) -> dict[str, Any]:
        """What the candidates' learners take of them: those that say something."""
        said = {"class_weights": self.class_weights, "loss": self.loss}
        usual = {"class_weights": "none", "loss": "squared"}
        return {"seed": self.seed, **{name: value for name, value in said.items() if value != usual[name]}}


class BestLearner(Refitted):
    """Tries what fits a table, and answers with the blend of it that is best on rows that none has seen.

    Options are `seed`, `class_weights`, `loss`, `time` (seconds) and those of the run (`out`, `force`, `quiet`). Raises UsageError
    for other options and for a target without metrics, TrainingError where nothing can be tried.
    """

    name, kind = BEST, BestSettings
    settings: BestSettings
    has_trees = True

    def _begin(self) -> None:
        self.data = copy(self.data)  # Its codecs may come to be on a log scale.
        for codec in self.data.signature.targets.values():
            metrics_of(codec)  # Raises where there is nothing to choose by.
        self.candidates = candidates(self.data)
        self.tried: list[Tried] = []
        self.dropped: list[Tried] = []
        """Networks of other lengths than the one that goes on."""
        self.weights: dict[str, Weights] = {}
        """Target -> candidate's key -> weight, of what was chosen."""
        self._measured: dict[str, Weights] = {}
        """The same of what was measured: no row has chosen the weights that it is measured with."""
        self.logged: list[str] = []
        """Targets that are learned on a log scale though nobody said so."""
        self._seconds = 0.0
        self._model: GraphModel | None = None
        self._told: list[dict[str, Any]] = []

    def _refuse_unfit(self) -> None:
        refuse_no_rows(self.data)
        refuse_large(self.data, BEST)

    # --- training -----------------------------------------------------------------------------------------

    @public
    def fit(self, *plan: Any, **named: Any) -> dict[str, Any]:
        """Try, choose, fit again on all rows but the test's, and give the result (see `finish`).

        Raises KeyboardInterrupt after a Ctrl-C: what has been tried is kept, and `go_on` does the rest.
        """
        refuse_plan(self, plan, named)
        self._start_run()
        self._write_config(model={"name": BEST, "module": ""}, augment={}, phases=[])
        return self.go_on()

    def go_on(self) -> dict[str, Any]:
        """Do what is left of a run."""
        if self._model is None:
            self._outputs.clear()
            self._find_scales()
            started, deadline = perf_counter(), Deadline(self.settings.time)
            parts = folds(self.data, self._more_folds(), self.settings.seed)
            self._try_all(parts, deadline)
            self._choose(parts)
            self._fit_again()
            self._seconds = perf_counter() - started
            self._keep_chosen()
        return self.finish()

    def _find_scales(self) -> None:
        """Numbers whose errors grow with them are learned as logarithms, where nobody said otherwise."""
        if self.data.may_log:
            with self.progress("Finding the scale", 1) as advance:
                fit = [
                    name
                    for name in self.data.signature.targets
                    if log_fits(self.data, name, self.settings.seed)
                ]
                advance(1)
            self._take_logarithms(fit)

    def _take_logarithms(self, targets: Sequence[str]) -> None:
        data, changed = self.data, {}
        for name in targets:
            codec = data.signature.targets[name]
            assert isinstance(codec, Quantity)
            plain = codec.without_interval().with_fields(log=True, center=None, spread=None)
            changed[name] = plain.fit(data.table[name][data.split.train])
            self.notes.append(
                f"{name!r} is learned on a log scale, for its errors grow with it: {log_option()} keeps it as it is"
            )
        self.logged = list(targets)
        data.signature = Signature(data.signature.inputs, {**data.signature.targets, **changed})

    def _more_folds(self) -> int:
        return MORE_FOLDS if len(self.data.part("train")) <= FEW else 0

    def _try_all(self, parts: Sequence[Dataset], deadline: Deadline) -> None:
        """Fit the candidates to each fold; of a network's numbers of epochs only the best on the first fold goes on.

        One for which there is no time, beside what it takes to fit the others again, is left out and told."""
        late: list[str] = []
        total = len(self.candidates) + (len(parts) - 1) * len({found.model for found in self.candidates})
        with self.progress("Trying models", total) as advance:
            for candidate in self.candidates:
                if self.tried and self._expected(candidate) > deadline.left:
                    late.append(candidate.name)
                    continue
                self._try(Tried(candidate), parts[0], 0)
                advance(1)
            self._keep_one_length(parts[0])
            for number, part in enumerate(parts[1:], 1):
                if sum(each.seconds[0] for each in self.tried) * 2 > deadline.left:
                    late.append(f"{len(parts) - number} of {len(parts)} folds")
                    break
                for each in self.tried:
                    self._try(each, part, number)
                    advance(1)
        if late:
            self.notes.append(
                f"left out for want of time: {'; '.join(late)}. {time_option(2 * self.settings.time)} gives more"
            )

    def _expected(self, candidate: Candidate) -> float:
        """Seconds to try it and to fit it again, with all that was tried before fitted again too; by what those took."""
        again = sum(each.seconds[0] for each in self.tried)
        alike = [each for each in self.tried if each.candidate.model == candidate.model]
        if not alike or candidate.epochs is None:
            return again
        known = alike[-1].candidate.epochs or 1
        return again + 2 * alike[-1].seconds[0] * candidate.epochs / known

    def _try(self, tried: Tried, part: Dataset, number: int) -> None:
        """Fit a candidate to a fold, unless the run has its answers already."""
        folder = None if self._run is None else self._run.folder / TRIED
        if folder is None or not tried.take(folder, number):
            started = perf_counter()
            try:
                fitted = tried.candidate.fit(part, {**self.settings.options, **tried.chosen})
                answers = fitted.outputs("valid")[0]
                graph = b"" if number else fitted.graph()
            except DrivetrainError as fault:
                self.notes.append(f"{tried.candidate.name} could not be tried: {fault.error}")
                self.tried = [each for each in self.tried if each is not tried]
                return
            tried.answers.append(answers)
            tried.seconds.append(perf_counter() - started)
            if not number:
                tried.graph, tried.history, tried.fitted = graph, fitted.history, fitted
                tried.chosen = fitted.chosen_settings()
            if folder is not None:
                tried.keep(folder, number)
        if not number:
            self.tried.append(tried)

    def _keep_one_length(self, part: Dataset) -> None:
        """Of each network keep the one with the least loss: it is the last one of a schedule that tells, not the best
        epoch of a long one."""
        networks = [each for each in self.tried if each.candidate.is_network]
        for model in dict.fromkeys(each.candidate.model for each in networks):
            alike = [each for each in networks if each.candidate.model == model]
            if len(alike) > 1:
                true = part.truths("valid")
                least = min(alike, key=lambda each: self._loss(each.answers[0], true))
                self.dropped += [each for each in alike if each is not least]
        self.tried = [each for each in self.tried if each not in self.dropped]

    def _loss(self, outputs: Mapping[str, Array], true: Mapping[str, Array]) -> float:
        """Mean loss, added up over the targets."""
        return sum(
            float(learned_losses(codec, outputs[name], true[name], self.settings.loss).mean())
            for name, codec in self.data.signature.targets.items()
        )

    # --- choosing -----------------------------------------------------------------------------------------

    def _choose(self, parts: Sequence[Dataset]) -> None:
        """The weights, the graph that was measured, and what it says of the valid rows."""
        if not self.tried:
            raise TrainingError(
                "none of the models could be fitted.", where=self.data.table.name, fix="; ".join(self.notes)
            )
        count = min(len(each.answers) for each in self.tried)
        truths = [part.truths("valid") for part in parts[:count]]
        groups = [part.together("valid") for part in parts[:count]]
        has_valid, measured = parts[0] is self.data, {}
        for target, codec in self.data.signature.targets.items():
            loss, seed = self.settings.loss, self.settings.seed
            answers, true = answers_of(self.tried, target, count), [found[target] for found in truths]
            self.weights[target] = joined_weights(codec, answers, true, loss)
            measured[target] = self.weights[target]
            if has_valid and count > 1:
                later = {key: found[1:] for key, found in answers.items()}
                measured[target] = joined_weights(codec, later, true[1:], loss)
            blend = unseen_blend(codec, answers, true, loss, seed, self.data.in_order)
            if alone := better_alone(codec, answers, true, blend, loss, seed, groups):
                self.weights[target] = measured[target] = {alone: 1.0}
                blend = answers[alone]
                self.notes.append(
                    f"{target!r}: on rows that did not choose its weights a blend was worse than {self._called(alone)} alone, by "
                    "more than chance: that one is taken"
                )
            if any(each.candidate.model in (NGRAMS, MINIROCKET) for each in self.tried):
                self.notes.append(both_sides(codec, target, self.tried, true, self.weights[target]))
            if has_valid:
                self._outputs.setdefault("valid", Outputs({}))[target] = blend[0]
            if not self._told:
                known = [*self.tried, *self.dropped]
                self._told = tell(codec, target, known, true, blend, loss, seed, groups)
        self._measured = measured
        self._tell_weights()
        graph = self._blend({each.candidate.key: each.graph for each in self.tried}, measured, self.data)
        self._model = GraphModel(self.data, graph, self.settings)
        if network := next((each for each in self.tried if each.candidate.is_network), None):
            heard = any(network.candidate.key in found for found in self.weights.values())
            self.history = network.history
            self.history_of = network.candidate.name + ("" if heard else ", which has no say in the answers")

    def _called(self, key: str) -> str:
        return next(each.candidate.name for each in self.tried if each.candidate.key == key)

    def _tell_weights(self) -> None:
        """What each has to say; where one says all there is no blend."""
        if len({key for found in self.weights.values() for key in found}) == 1:
            self._told = [row for row in self._told if row["key"]]
        for row in self._told:
            row["weights"] = {target: found.get(row["key"], 0.0) for target, found in self.weights.items()}

    def _blend(self, graphs: Mapping[str, bytes], weights: Mapping[str, Weights], data: Dataset) -> bytes:
        from drivetrain.graphs.blend import blend

        used = {key for found in weights.values() for key, weight in found.items() if weight}
        places = [row["key"] for row in self._told if row["key"] in used]  # As `parts` has them.
        if len(places) == 1:
            return graphs[places[0]]
        return blend({key: graphs[key] for key in places}, weights, data.signature)

    def _fit_again(self) -> None:
        """Those that have a weight, on all rows but the test's."""
        used = {key for found in self.weights.values() for key in found}
        again = [each for each in self.tried if each.candidate.key in used]
        data = whole(self.data)
        graphs: dict[str, bytes] = {}
        try:
            with self.progress("Fitting again on all rows", len(again)) as advance:
                for each in again:
                    fitted = each.candidate.fit(data, {**self.settings.options, **each.chosen})
                    if each.fitted is not None:
                        fitted.calibrate_as(each.fitted)
                    graphs[each.candidate.key] = fitted.graph()
                    advance(1)
            self.ship(data, self._blend(graphs, self.weights, data))
        except DrivetrainError as fault:
            self.notes.append(
                f"it could not be fitted again to all rows: {fault.error} It answers as it was measured"
            )
            self.weights = self._measured
            self._tell_weights()

    # --- the run ------------------------------------------------------------------------------------------

    def _keep_chosen(self) -> None:
        if self._run is None:
            return
        assert self._model is not None
        self._run.write_history(self.history)
        write_bytes(self._run.folder / GRAPH, self._model.graph())
        about = {
            "weights": self.weights, "tried": self._told, "seconds": self._seconds, "notes": self.notes,
            "logged": self.logged, "history_of": self.history_of,
        }  # fmt: skip
        write_text(self._run.folder / CHOSEN, to_json(about, indent=2) + "\n")

    def _restore(self, run: Run) -> None:
        """What has been tried is not fitted again."""
        path = run.folder / CHOSEN
        if run.read_result() is not None:
            about = from_json(path.read_bytes(), where=path)
            self.weights, self._told, self._seconds = about["weights"], about["tried"], about["seconds"]
            self._take_logarithms(about["logged"])
            self.notes = about["notes"]
            self.history, self.history_of = run.read_history(), about.get("history_of", "")
            self._model = GraphModel(self.data, read_graph(run.folder / GRAPH), self.settings)
            self._outputs[self.data.measured_part] = Outputs(run.read_validation().outputs)

    # --- after training -----------------------------------------------------------------------------------

    @property
    def trained(self) -> bool:
        return self._model is not None

    @property
    def epochs(self) -> int:
        return len(self.history)

    @property
    def seconds(self) -> float:
        return self._seconds

    @cached_property
    def companions(self) -> list[Baseline]:
        """What was tried, as it stands beside the blend on the valid rows; not what the blend is itself."""
        if self.data.measured_part != "valid":
            return []
        several = len(self.weights) > 1
        return [
            Baseline(each.candidate.name + (f" of {name}" if several else ""), name, each.answers[0][name])
            for each in self.tried
            for name in self.data.signature.targets
            if each.candidate.model != REGRESSION  # It stands there as what a sober person would use.
            and (len(self.weights[name]) > 1 or each.candidate.key not in self.weights[name])
        ]

    def sums(self, target: str) -> Sums | None:
        """Where one model says all, and it is a sum."""
        said = [key for key, weight in self._measured.get(target, {}).items() if weight]
        alone = [each.fitted for each in self.tried if said == [each.candidate.key] and each.fitted]
        return alone[0].sums(target) if alone else None

    def more(self) -> dict[str, Any]:
        return {"tried": self._told}

    @property
    def parts(self) -> list[dict[str, Any]]:
        found = [
            {"name": each["name"], "weights": each["weights"]}
            for each in self._told
            if any(each["weights"].values())
        ]
        return found if len(found) > 1 else []

    def predict_part(self, part: str) -> dict[str, Array]:
        return self._answering().predict_part(part)

    def run_arrays(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        return self._answering().run_arrays(batch)

    def learned_vectors(self) -> dict[str, Array]:
        return tables_in([self.graph()], self.data.signature)

    def graph(self) -> bytes:
        return self._answering().graph()

    def _answering(self) -> GraphModel:
        if self._model is None:
            raise TrainingError("this model is not trained yet.", fix="Call fit first.")
        return self._model

    def description(self) -> str:
        if not self.weights:
            return f"best of {', '.join(dict.fromkeys(each.name for each in self.candidates))}"
        by_name = {each["name"]: each["weights"] for each in self._told}
        first = next(iter(self.weights))
        shares = sorted(((found.get(first, 0.0), name) for name, found in by_name.items()), reverse=True)
        used = [(share, name) for share, name in shares if share]
        return used[0][1] if len(used) == 1 else " + ".join(f"{share:.2f} {name}" for share, name in used)
