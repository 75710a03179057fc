"""What a trained model on a dataset can do, whatever trained it: validate, explain, answer, keep its run, export."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from drivetrain import files
from drivetrain.arguments import public
from drivetrain.bundle.golden import encoded_batch
from drivetrain.codecs import Quantity, Signature
from drivetrain.data.conclusion import Conclusion
from drivetrain.data.dataset import Dataset, Part
from drivetrain.data.recipe import from_recipe
from drivetrain.data.wholes import measure_with_wholes
from drivetrain.errors import DataError, TrainingError, UsageError
from drivetrain.learn.baselines.missing import missing_baselines
from drivetrain.learn.distributed import processes
from drivetrain.learn.golden import golden_samples
from drivetrain.learn.names import network_of
from drivetrain.learn.outputs import Outputs, stream
from drivetrain.learn.runs.folder import Run, next_folder
from drivetrain.learn.settings import Settings
from drivetrain.metrics import (
    Estimate,
    Statistic,
    grouped,
    has_metrics,
    is_large,
    losses,
    statistics,
)
from drivetrain.metrics.estimate import Floats
from drivetrain.progress import progress
from drivetrain.runtime.rows import Reader, answers
from drivetrain.types import Answer, Array, Failure, Sample

if TYPE_CHECKING:
    from drivetrain.learn.baselines.supervised import Baseline
    from drivetrain.learn.features.base import Sums


def run_and_data(run: str | Path, data: Dataset | None) -> tuple[Run, dict[str, Any], Dataset]:
    """A run that is there, its config, and its data where they are not given. Raises UsageError where they must be."""
    opened = Run.open(run)
    config = opened.read_config()
    if data is None:
        if "recipe" not in config["data"]:
            why = config["data"].get("lacks", "")
            raise UsageError(
                f"this run was made in Python: give its data again{f' ({why})' if why else ''}.",
                where=run,
                fix="Use Learner.resume(run, data).",
            )
        data = from_recipe(config["data"]["recipe"], run)
    return opened, config, data


def without_intervals(signature: Signature) -> Signature:
    """The signature as it was before `fit_intervals`."""
    targets = {
        name: codec.without_interval() if isinstance(codec, Quantity) else codec
        for name, codec in signature.targets.items()
    }
    return Signature(signature.inputs, targets)


def not_trained() -> TrainingError:
    """The error of a model that is asked for what only training gives."""
    return TrainingError("this model is not trained yet.", fix="Call fit or fine_tune first.")


def refuse_plan(learner: BaseLearner, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    """Raises UsageError for what only the `fit` of a network takes: many a person has written fit(5) for a table."""
    if given or named:
        shown = ", ".join([*map(repr, given), *(f"{name}={value!r}" for name, value in named.items())])
        raise UsageError(
            f"{learner.model_name} finds out itself how long it is trained: fit() takes nothing.", where="fit",
            fix=f'Call fit(), or train a network: learner("{network_of(learner.data)}").fit({shown}).',
        )  # fmt: skip


class BaseLearner(ABC):
    """A model of a dataset. A subclass trains it, and gives its outputs and its graph.

    `history` has one row per epoch (of trees, one for some rounds), `notes` what a person should know, `result` what
    `finish` gave. A `bare` one is trained for its answers alone: it keeps no run, and has no result and no report.
    """

    data: Dataset
    settings: Settings
    model_name: str
    """As the registry names it; "" for a module of the user's own."""
    quiet: bool
    history: list[dict[str, Any]]
    notes: list[str]
    epoch_name: ClassVar[str] = "epoch"
    """What a row of the history is one of."""
    history_of: str = ""
    """The part of the model that the history is of, where it is not the whole."""
    has_trees: ClassVar[bool] = False
    """Whether boosted trees are in it, whose rounds are chosen: they are no baseline of it then."""

    def __init__(
        self, data: Dataset, out: str | Path | None, force: bool, quiet: bool, bare: bool = False
    ) -> None:
        self.data, self.quiet = data, quiet or bare
        self.conclusion = None if bare else data.conclusion
        self.history = []
        self.notes = []
        self.notes_told: set[str] = set()
        """Notes that a person has seen already."""
        self.result: dict[str, Any] | None = None
        self.brief = False
        """Finish with metrics alone, without baselines and report: what a search wants of its trials."""
        self._outputs: dict[str, Outputs] = {}
        self._truths: dict[str, dict[str, Array]] = {}
        self._out, self._force = out, force
        self._run: Run | None = None
        self._shipped: BaseLearner | None = None

    def __repr__(self) -> str:
        return f"Learner of {self.data.table.name}: {self.description()}"

    # --- what a subclass gives ----------------------------------------------------------------------------

    @abstractmethod
    def description(self) -> str:
        """The model in a few words: name and size."""

    @abstractmethod
    def predict_part(self, part: str) -> dict[str, Array]:
        """Outputs, as the exported graph gives them, of a part's usable rows: target -> (n, *output_shape)."""

    @abstractmethod
    def run_arrays(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        """The same from encoded arrays to arrays: what golden cases are made with."""

    @abstractmethod
    def graph(self) -> bytes:
        """The serialised ONNX graph: encoded inputs in, finished outputs out, any number of rows."""

    @property
    def trained(self) -> bool:
        """Whether there is something to export."""
        return bool(self.history)

    @property
    def can_answer(self) -> bool:
        """Whether its answers come of training: here, or of a module of the user's own perhaps elsewhere."""
        return self.trained or not self.model_name

    @property
    def epochs(self) -> int:
        """How often the training rows were gone through; of trees, the rounds of boosting."""
        return len(self.history)

    @property
    def seconds(self) -> float:
        """How long the training took."""
        return sum(row["seconds"] for row in self.history)

    @property
    def unmeasured(self) -> str:
        """Why its answers can't be held against the targets, in words; "" where they can."""
        return ""

    @property
    def companions(self) -> list[Baseline]:
        """Other models that were fitted along with it, beside which it stands too."""
        return []

    def chosen_settings(self) -> dict[str, Any]:
        """The settings that were chosen in training, with which it need not be chosen again: by its own names."""
        return {}

    def calibrate_as(self, other: BaseLearner) -> None:
        """Take over what was measured of the same model, fitted to fewer rows, on rows that this one has learned from."""
        del other

    def told(self, against: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Notes on how the model stands against simple methods."""
        del against
        return []

    def more(self) -> dict[str, Any]:
        """What the result tells of this kind of model alone, JSON values."""
        return {}

    def sums(self, target: str) -> Sums | None:
        """Of a model whose scores for a target are sums: what of. None of others."""
        del target

    def learned_vectors(self) -> dict[str, Array]:
        """Input -> float32 (values, width): the vectors that it has learned of words and classes, where they are at hand."""
        return {}

    @property
    def parts(self) -> list[dict[str, Any]]:
        """Of a blend: `{"name", "weights": {target: weight}}` of each model in its graph, in the graph's order."""
        return []

    def members(self) -> dict[str, bytes]:
        """Optional members of the bundle (FORMAT.md)."""
        return {}

    def recipe(self) -> dict[str, Any] | None:
        """All that was chosen of a model in closed form, as JSON: with it a bundle can be solved anew of more data. None where a
        model has no such."""
        return None

    def golden_samples(self) -> list[tuple[str, Any, Sample]]:
        """(name, kind, sample) of the golden cases: rows of the measured part, and nasty values."""
        part, targets = self.data.measured_part, self.data.signature.targets
        measured = [] if self.unmeasured else [name for name, codec in targets.items() if has_metrics(codec)]
        alike = [np.zeros(len(self.data.part(part)))]
        return golden_samples(self.data, [self.losses(part, name) for name in measured] or alike)

    def choices(self) -> dict[str, dict[str, Any]]:
        """What was chosen, by heading, for the report."""
        return {
            "training": {name: value for name, value in self.settings.to_json().items() if value is not None}
        }

    def training_part(self) -> Part:
        """The training rows, encoded as they are trained on."""
        return self.data.part("train")

    def training_batch(self) -> dict[str, Array]:
        """The encoded training rows, as they were trained on."""
        return self.training_part().batch()

    # --- after training -----------------------------------------------------------------------------------

    def finish(self) -> dict[str, Any]:
        """`{"run", "task", "metrics": {"valid": ...}, "baselines", "epochs", "seconds"}` of the trained model.

        What this takes is bounded by what the training took; what there was no time for is told. {} of a bare one."""
        if self.conclusion is None:
            return {}
        self.result = self.conclusion.finish(self)
        return self.result

    def outputs(self, part: str = "valid") -> tuple[Outputs, dict[str, Array]]:
        """(outputs as the exported graph gives them, true values) of a part's usable rows, in order. Large outputs are not
        among them (see `learn/outputs.py`): of those there are `statistics` and `losses`.

        Computed once after each training."""
        if part not in self._truths:
            self._truths[part] = self.data.truths(part)
        if part not in self._outputs:
            self._outputs[part] = self._predict(part, self._truths[part])
        return self._outputs[part], self._truths[part]

    def _predict(self, part: str, truths: dict[str, Array]) -> Outputs:
        if not any(map(is_large, self.data.signature.targets.values())):
            return Outputs(self.predict_part(part))
        with self.progress("Predicting", len(self.data.part(part))) as advance:
            return stream(self.data, part, truths, self.run_arrays, advance)

    def statistics(self, part: str, target: str) -> dict[str, Statistic]:
        """The metrics of a target on a part's usable rows, as what can be resampled."""
        outputs, encoded = self.outputs(part)
        if (scores := outputs.scores.get(target)) is not None:
            found = scores.statistics
        else:
            found = statistics(self.data.signature.targets[target], outputs[target], encoded[target])
        return grouped(found, self.data.together(part))

    def losses(self, part: str, target: str) -> Floats:
        """(n,) how wrong each of a part's usable rows is."""
        outputs, encoded = self.outputs(part)
        if (scores := outputs.scores.get(target)) is not None:
            return scores.losses
        return losses(self.data.signature.targets[target], outputs[target], encoded[target])

    @public
    def validate(self, part: str = "valid") -> dict[str, Estimate]:
        """Metrics of a part with intervals; with several targets the names are "target.metric". None of a target whose
        kind has no metrics."""
        self._refuse_unmeasured("validate")
        found = {name: self._metrics(part, name) for name in self.data.signature.targets}
        if len(found) == 1:
            ((name, only),) = found.items()
            outputs = self.outputs(part)[0]
            return {**only, **(self.data.task.metrics(outputs[name]) if name in outputs else {})}
        return {f"{name}.{metric}": value for name, part in found.items() for metric, value in part.items()}

    def _metrics(self, part: str, target: str) -> dict[str, Estimate]:
        codec, (outputs, encoded) = self.data.signature.targets[target], self.outputs(part)
        if not has_metrics(codec):
            return {}
        if (scores := outputs.scores.get(target)) is not None:
            return scores.measure(groups=self.data.together(part))
        return measure_with_wholes(codec, outputs[target], encoded[target], groups=self.data.together(part))

    def fine_tune(self, *args: Any, **options: Any) -> dict[str, Any]:
        """Only a network can be."""
        raise UsageError(
            f"{self.model_name} is no network to fine-tune.", where="fine_tune", fix="Call fit()."
        )

    def predict(self, raw: Any) -> Answer:
        """The answer for one raw value (or a mapping of them), through this model. Raises DataError, and
        TrainingError where it was never trained."""
        self._refuse_untrained()
        if self.shipped is not self:
            return self.shipped.predict(raw)
        signature = self.data.signature
        row = Reader(signature.inputs).row(raw)
        if row.encoded is None:
            raise row.error or DataError("this can't be read.", where=row.input)
        (found,) = answers(signature.targets, [row], self.run_arrays(encoded_batch(signature, [row.encoded])))
        if isinstance(found, Failure):
            raise found.error
        return found

    @public
    def interpret(self, part: str = "valid", target: str | None = None) -> Any:
        """Where it goes wrong, on one target (the first unless named): a `Classification` or a `Regression`. Raises
        TrainingError where it was never trained."""
        self._refuse_untrained()
        self._refuse_unmeasured("interpret")
        return self._above("interpret").interpret(self, part, target)

    @public
    def export(self, path: str | Path, force: bool = False) -> Path:
        """Write a bundle and verify it with the runtime. Raises CheckFailed if the two disagree."""
        return self._above("export").export(self, path, force)

    def _above(self, verb: str) -> Conclusion:
        if self.data.conclusion is None:
            raise UsageError(
                "this dataset is for training alone.",
                where=verb,
                fix="Make it with a task, or with DataBlock.",
            )
        return self.data.conclusion

    def _refuse_untrained(self) -> None:
        if not self.can_answer:
            raise not_trained()

    def _refuse_unmeasured(self, verb: str) -> None:
        if self.unmeasured:
            raise UsageError(f"{self.unmeasured}.", where=verb)

    def progress(self, what: str, total: int) -> AbstractContextManager[Any]:
        return progress(what, total, quiet=self.quiet)

    # --- fitted again -------------------------------------------------------------------------------------

    @property
    def shipped(self) -> BaseLearner:
        """What answers after training and goes into a bundle. Its answers have the ranges that were measured here.

        That is this model itself, or the one that was fitted again to all rows but the test's when this one had been
        measured: the valid rows tell how good it is, and then it learns from them too."""
        if self._shipped is None:
            return self
        signature = self._shipped.data.signature
        measured = {
            name: self.data.signature.targets[name] if isinstance(codec, Quantity) else codec
            for name, codec in signature.targets.items()
        }
        self._shipped.data.signature = Signature(signature.inputs, measured)
        return self._shipped

    # --- the run ------------------------------------------------------------------------------------------

    @property
    def run(self) -> Path | None:
        """The run folder, once training has started."""
        return None if self._run is None else self._run.folder

    @property
    def kept_run(self) -> Run | None:
        """What is kept of this training, where anything is."""
        return self._run

    def last_result(self) -> dict[str, Any] | None:
        """The result that the run has kept, if it was finished."""
        return None if self._run is None else self._run.read_result()

    def tell_notes(self) -> None:
        """Say on standard error what a person should know and was not told yet."""
        for note in self.notes:
            if note not in self.notes_told and not self.quiet:
                print(f"note: {note}", file=sys.stderr)
            self.notes_told.add(note)

    def _start_run(self) -> None:
        self.tell_notes()
        if self._run is None and self.conclusion is not None:
            self._run = Run.create(self._out or next_folder(self.data.table.name), self._force)

    def _write_config(self, **more: Any) -> None:
        """What was asked for: data, model, settings, and what the subclass adds."""
        if self._run is None:
            return
        self._run.write_config({
            "task": self.data.task.name,
            "data": {"recipe": self.data.recipe, "lacks": self.data.lacks or None, "content": self._content()},
            "settings": self.settings.to_json(),
            **more,
        })  # fmt: skip

    @classmethod
    def resume(cls, run: str | Path, data: Dataset | None = None, **options: Any) -> Self:
        """The learner of a run, as far as it had come; `go_on()` does the rest. Raises TrainingError when the data are not
        those of the run."""
        opened, config, data = run_and_data(run, data)
        make: Any = cls  # A subclass is made of its settings by name.
        learner = make(data, **config["settings"], **options)
        learner._take_up(opened, config)
        learner._restore(opened)
        return learner

    def _restore(self, run: Run) -> None:
        """Read what a run has kept of the model."""
        raise NotImplementedError

    def _take_up(self, run: Run, config: Mapping[str, Any]) -> None:
        """Go on in a run, whose data may have moved. Raises TrainingError where they are not these."""
        recorded = config["data"]
        was, now = ((recipe or {}).get("source", "") for recipe in (recorded.get("recipe"), self.data.recipe))
        if "content" not in recorded:
            raise TrainingError(
                "an older drivetrain made this run: it can't be known whether these are its data.",
                where=run.folder, fix="Train anew in another folder.",
            )  # fmt: skip
        if recorded["content"] != self._content():
            raise TrainingError(
                "the data are not those that this run was started with" + (f", on {was}." if was else "."),
                where=run.folder, fix="Put them back as they were, or train anew in another folder.",
            )  # fmt: skip
        self._run = run
        if was and now and was != now and processes.is_first():
            run.write_config({**config, "data": {**recorded, "recipe": self.data.recipe}})

    def _content(self) -> str:
        """What the data are, as one short text: codecs, split, and what is trained and validated on."""
        signature = files.to_json(without_intervals(self.data.signature).to_json())
        rows = [np.asarray(rows).tobytes() for rows in self.data.split.parts().values()]
        parts = [self.training_part(), *([self.data.part("valid")] if len(self.data.rows("valid")) else [])]
        return files.sha256(b"".join([signature.encode(), *rows, *(part.digest.encode() for part in parts)]))

    def _note_data(self) -> None:
        """Note what rows can't be used, and what the model will not stand beside."""
        if len(self.data.rows("valid")):
            self.data.part("valid")
        if self.data.bad:
            first = "; ".join(str(fault) for fault in list(self.data.bad.values())[:3])
            more = "" if len(self.data.bad) <= 3 else " ..."
            many = (
                "1 item can't be used and is"
                if len(self.data.bad) == 1
                else f"{len(self.data.bad):,} items can't be used and are"
            )
            self.notes.append(f"{many} left out: {first}{more}")
        if self.unmeasured:
            self.notes.append(self.unmeasured)
        elif self.conclusion is not None and not self.data.task.own_baselines:
            self.notes += missing_baselines((self.data.plain or self.data).signature)
