"""The learner: a dataset, a network and how to train it, up to the result, the bundle and the answer."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from drivetrain.arguments import public
from drivetrain.data.augment.base import Changes
from drivetrain.data.dataset import Dataset, Part
from drivetrain.data.loader import Tensors, shuffled, to_tensors
from drivetrain.data.share import Share
from drivetrain.errors import UsageError
from drivetrain.extensions import facet
from drivetrain.learn import loop, word_vectors
from drivetrain.learn.applies import refuse_pointless
from drivetrain.learn.as_read import as_read_by
from drivetrain.learn.augmentation import Augmentation, kind_of_changes
from drivetrain.learn.base import BaseLearner, not_trained, run_and_data
from drivetrain.learn.device import device_named
from drivetrain.learn.distributed import processes, sharding
from drivetrain.learn.generators import Generators
from drivetrain.learn.head_options import head_options
from drivetrain.learn.hooks import Hook, checked
from drivetrain.learn.names import network_of, own_learner
from drivetrain.learn.objectives.base import NETWORK, SUPERVISED, Objective, objective_of, objectives
from drivetrain.learn.outputs import Outputs
from drivetrain.learn.refusals import refuse_no_rows, refuse_one_class, refuse_unfit_objective
from drivetrain.learn.runs import state
from drivetrain.learn.settings import (
    FROZEN_EPOCHS,
    HEADS_FASTER,
    OF_FIT,
    Phase,
    Settings,
    telling,
    unknown_option,
)
from drivetrain.learn.threads import LARGE_BATCH, one_thread
from drivetrain.learn.training import Training, averaging
from drivetrain.metrics import is_large
from drivetrain.models.build import build_network
from drivetrain.models.registry import fitting, record_of, refuse_unfit, resolve
from drivetrain.models.vectors import WordVectors
from drivetrain.progress import EpochTable
from drivetrain.ragged import as_batch
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.learn.find_lr import LearningRates

SAMPLE, SAMPLE_OF_COLUMNS = 512, 50_000
"""Rows that statistics are taken from, where an input is large and where none is."""
OWN_OPTIONS = ("objective", "augment", "out", "force", "device", "hooks", "vectors", "quiet", "bare")
"""Options of a learner that are not settings."""


def _whole_name(model: str, data: Dataset) -> str:
    """The name of a model; a folder or file in full, so that the run can be resumed from anywhere."""
    source = resolve(model, fitting(data.signature))
    refuse_unfit(source.name, data.signature)
    return os.path.abspath(source.location) if source.kind in ("folder", "weights") else model


def _spread(rows: int, most: int) -> Array:
    """Positions of a sample from first to last: rows lie class by class."""
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).astype(np.int64))


class Learner(BaseLearner):
    """Trains a network on a dataset and knows how it went.

    `model` is a name (`drivetrain.models.registry`) or a torch module (`drivetrain.models.build` says what it gets, raw too, and
    must give); `objective` what the step minimises (as the task says
    by default), a name or an `Objective` of your own; `augment` a name, an `Augment`, None or "auto" (photographs are
    augmented, small pictures are not, and what a codec names changes of its own for is); `out` the run folder (by default
    the next free one under runs/); a `bare` learner keeps none. `vectors` is a file of pretrained vectors of words in the format
    of GloVe (`drivetrain.models.vectors`), with which tokens that are words begin. The other options are those of
    `Settings`; `lr` may be given to `fit`.
    Raises UsageError for an unknown name or option, TrainingError where the model does not fit the data.
    """

    @public
    def __init__(
        self,
        data: Dataset,
        model: str | nn.Module | None = None,
        *,
        objective: str | Objective | None = None,
        augment: str | Changes | None = "auto",
        out: str | Path | None = None,
        force: bool = False,
        device: str | torch.device | None = None,
        hooks: Sequence[Hook] = (),
        vectors: str | Path | WordVectors | None = None,
        quiet: bool = False,
        bare: bool = False,
        **settings: Any,
    ) -> None:
        self.processes = processes.start()
        name = network_of(data) if model is None else model
        data = as_read_by(name, data)
        super().__init__(data, out, force, quiet or not self.processes.first, bare)
        self.model_name = "" if isinstance(name, nn.Module) else _whole_name(name, data)
        self.device = self.processes.device() if device is None else device_named(device)
        self.hooks = checked(hooks)
        self.stopping = False
        self.objective = objective_of(objective or data.task.objective)
        self.augmentation = Augmentation(data, augment)
        self.settings = self._settings(settings)
        refuse_unfit_objective(self.objective, self.settings)
        augmented = {} if self.augment == self.augmentation.kind.none() else {"augment": augment}
        said = {
            **settings,
            **augmented,
            "vectors": vectors,
            "shard": False,
        }  # A run in shards may go on in one process.
        refuse_pointless(data, self.model_name or model, telling(said))
        self._tensors: dict[str, Tensors] = {}
        with self.processes.first_on_machine():
            train = data.part("train", self.enlarge)
            if len(data.rows("valid")):
                data.part("valid")
        refuse_no_rows(data)
        refuse_one_class(data)
        self.vectors = word_vectors.vectors_for(data, train, vectors)
        sample = train.batch(_spread(len(train), SAMPLE if data.large else SAMPLE_OF_COLUMNS))
        with torch.random.fork_rng(devices=[]):
            # Not torch.manual_seed, which would change the user's generator on a GPU too.
            torch.default_generator.manual_seed(self.settings.seed)
            self.network = build_network(
                data.signature, sample, self.model_name or model,  # type: ignore[arg-type]
                pretrained=self.settings.pretrained, dropout=self.settings.dropout, count=len(train), vectors=self.vectors,
                heads=head_options(data, self.settings, self.enlarge),
            )  # fmt: skip
            torch_state = torch.get_rng_state()
            beside = self.objective.networks_for(data.signature)
        self.network = self.processes.join(self.network, self.device, self.settings.shard)
        self.beside = {
            name: self.processes.join(network, self.device, False) for name, network in beside.items()
        }
        self.average = self._make_average()
        self.generators = Generators(self.settings.seed, torch_state, self.device)
        self.plan: list[Phase] = []
        self.position = loop.Position()
        self.padding: float | None = None
        """Of fields of different lengths: the share of the current epoch's batches that is padding."""
        self.optimizer_state: dict[str, Tensor] | None = None
        self.notes = [*data.notes, *self.network.notes, *(self.vectors.told() if self.vectors else [])]
        self._note_data()

    # --- set-up -------------------------------------------------------------------------------------------

    def _settings(self, options: dict[str, Any]) -> Settings:
        known = [field.name for field in dataclasses.fields(Settings)]
        for name in options:
            if name not in known:
                raise unknown_option(name, [*known, *OWN_OPTIONS], OF_FIT)
        record = record_of(self.model_name)
        if record is not None and record.weight_decay is not None:
            options = {"weight_decay": record.weight_decay, **options}
        options = {**self._usual(), **options}
        if options.get("batch_size") is None:
            options["batch_size"] = self._batch_size(self.data.epoch_rows)
        return Settings(**options)

    def _usual(self) -> dict[str, Any]:
        """The settings that targets want where nobody says others."""
        heads = [facet("models.heads", codec) for codec in self.data.signature.targets.values()]
        found = {name: value for head in heads for name, value in getattr(head, "USUAL", {}).items()}
        if not self.model_name:  # Somebody's own module has no dropout but its own.
            found.pop("dropout", None)
        return found

    def _batch_size(self, rows: int) -> int:
        """Enough steps in an epoch for small data, fewer and fuller ones for large."""
        if not self.data.large:
            # Columns are little work for each row: what counts is the number of steps, some 100 to an epoch.
            return 2 ** int(np.clip(np.log2(max(rows, 1) / 100), 4, 10))
        if rows >= 5000 and not self.augmentation.photos:
            return 128
        return 16 if rows < 500 else 32 if rows < 2000 else 64

    def _make_average(self) -> torch.optim.swa_utils.AveragedModel | None:
        if self.settings.ema is None:
            return None
        return torch.optim.swa_utils.AveragedModel(
            self.network, multi_avg_fn=averaging(self.settings.ema), use_buffers=True
        )

    @property
    def augment(self) -> Changes:
        """The random changes to training rows."""
        return self.augmentation.augment

    @property
    def enlarge(self) -> float:
        """How many times the model's size training pictures are kept."""
        return self.augmentation.enlarge

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        rows = min(self.data.epoch_rows, len(self.data.part("train")))
        return math.ceil(rows / self.settings.batch_size)

    @property
    def unmeasured(self) -> str:
        if self.objective.measured:
            return ""
        return f"nothing is measured: {self.objective.name} has no target to hold the answers against"

    @property
    def networks(self) -> dict[str, nn.Module]:
        """All that train, by the names that the objective's step has for them."""
        return {NETWORK: self.network, **self.beside}

    # --- what the loop uses -------------------------------------------------------------------------------

    def tensors(self, part: str) -> Tensors:
        """A part's encoded rows as tensors, on the device when they fit."""
        if part not in self._tensors:
            enlarge = self.enlarge if part == "train" else 1.0
            self._tensors[part] = self._to_tensors(self.data.part(part, enlarge))
        return self._tensors[part]

    def epoch_tensors(self, epoch: int) -> Tensors:
        """The training rows of an epoch of a phase, from 0."""
        part = self.data.part_of_epoch(self.settings.seed, epoch)
        return self.tensors("train") if part is None else self._to_tensors(part)

    def _to_tensors(self, part: Part) -> Tensors:
        return to_tensors(part, self.device, self.network.joined)

    def more(self) -> dict[str, Any]:
        padding = self.history[-1].get("padding") if self.history else None
        return {**super().more(), **({} if padding is None else {"padding": padding})}

    def epoch_batches(self, tensors: Tensors) -> list[Tensor]:
        """The positions of the batches of the current epoch; the same ones again when it is resumed in its middle."""
        self.generators.start_epoch(resumed=self.position.batch > 0)
        norms = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in self.network.modules())
        size, chance = self.settings.batch_size, self.generators.shuffle
        batches = shuffled(len(tensors), size, chance, singles=not norms, lengths=tensors.lengths)
        self.padding = tensors.padding(batches)
        return batches

    def autocast(self) -> AbstractContextManager[Any]:
        """bfloat16 on a GPU (or where asked for), else nothing."""
        wanted = self.settings.precision
        if wanted == "bfloat16" or (wanted == "auto" and self.device.type == "cuda"):
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def threads(self) -> AbstractContextManager[None]:
        """One thread where batches are small: columns, and not many rows of them."""
        return one_thread(not self.data.large and self.settings.batch_size < LARGE_BATCH)

    def evaluated_network(self) -> nn.Module:
        """The averaged network where one is kept, else the trained one."""
        return self.network if self.average is None else self.average.module

    @contextlib.contextmanager
    def epoch_table(self) -> Iterator[EpochTable]:
        epochs = sum(phase.epochs for phase in self.plan)
        name = next(iter(self.network.heads.values())).error_name
        # A word is told as it is; names of several would make the table too wide.
        error = name if name.isalpha() else "error"
        table = EpochTable(epochs, done=len(self.history), quiet=self.quiet, error=error)
        try:
            yield table
        finally:
            table.close()

    def error_value(self, mean: float) -> float:
        return next(iter(self.network.heads.values())).error_of_mean(mean)

    def stop(self) -> None:
        """End training after the current batch; the run can be resumed."""
        self.stopping = True

    def is_stale(self) -> bool:
        """Early stopping: no better valid loss for so many epochs of this phase."""
        patience = self.settings.early_stopping
        losses = [row["valid_loss"] for row in self.history if row["phase"] == self.position.phase + 1]
        if patience is None or not losses or losses[-1] is None:
            return False
        return len(losses) - 1 - int(np.argmin(losses)) >= patience

    def phase_is_over(self) -> bool:
        """Whether the plan's current phase has all its epochs, or was ended early."""
        phase = self.plan[self.position.phase] if self.position.phase < len(self.plan) else None
        return phase is None or self.position.epoch >= phase.epochs or self.is_stale()

    def is_finished(self) -> bool:
        """Whether the plan has been trained to its end."""
        last = len(self.plan) - 1
        return self.position.phase > last or (self.position.phase == last and self.phase_is_over())

    def last_result(self) -> dict[str, Any] | None:
        """As of any run; None where the newest whole checkpoint is older than the result."""
        return super().last_result() if self.is_finished() else None

    def end_phase(self) -> None:
        if self.settings.early_stopping is not None:
            state.restore_best(self, None if self._run is None else self._run.checkpoints)
        self.position = loop.Position(phase=self.position.phase + 1)

    # --- training -----------------------------------------------------------------------------------------

    @public
    def fit(self, epochs: int, lr: float | None = None, schedule: str = "one_cycle") -> dict[str, Any]:
        """Train all weights for `epochs` with one schedule whose peak is `lr`. Gives the result (see `finish`)."""
        return self.train([Phase(epochs, self.default_rate() if lr is None else lr, schedule)])

    def default_rate(self, fine_tuned: bool = False) -> float:
        """The peak learning rate of `fit` or `fine_tune` where nobody gave one."""
        if self.network.pretrained and fine_tuned:
            return 1e-4
        if self.settings.optimizer == "sgd":
            return 0.05
        record = record_of(self.model_name)
        if record is not None and record.learning_rate is not None:
            return record.learning_rate
        return 5e-4 if self.network.pretrained else 3e-3

    @public
    def fine_tune(
        self,
        epochs: int,
        lr: float | None = None,
        frozen_epochs: int = FROZEN_EPOCHS,
        views: int = 1,
        spread: float = 0.1,
    ) -> dict[str, Any]:
        """Transfer: first the heads alone on kept features, then all weights, early blocks slowest.

        `lr` is the peak rate of the heads while all weights train; alone they train at thirty times that. `views`
        augmented views are computed for the frozen training, one after the other in its epochs; `spread` is the
        learning rate of the first training over that of the heads. With `epochs` 0 the heads alone are trained. From scratch
        this is `fit`.
        """
        if not self.network.pretrained:
            given = (
                ("frozen_epochs", frozen_epochs != FROZEN_EPOCHS),
                ("views", views != 1),
                ("spread", spread != 0.1),
            )
            refuse_pointless(
                self.data, self.model_name or self.network, [name for name, said in given if said]
            )
            return self.fit(epochs, lr)
        rate = self.default_rate(fine_tuned=True) if lr is None else lr
        frozen = frozen_epochs and self.network.keeps_features
        before = [Phase(frozen_epochs, rate * HEADS_FASTER, frozen=True, views=views)] if frozen else []
        after = [] if before and epochs == 0 else [Phase(epochs, rate, spread=spread)]
        return self.train([*before, *after])

    def train(self, phases: Sequence[Phase]) -> dict[str, Any]:
        """Add phases to the plan and train to its end."""
        if any(phase.frozen for phase in phases) and self.objective.name != SUPERVISED:
            raise UsageError(
                f"heads alone are trained by their targets, and {self.objective.name} is an objective of another kind.",
                where="frozen_epochs", fix="Give frozen_epochs=0, or call fit.",
            )  # fmt: skip
        self.plan += phases
        if self.processes.first:
            with self.processes.watch():
                self._start_run()
                self._keep_config()
        return self.go_on()

    def go_on(self) -> dict[str, Any]:
        """Train what is left of the plan, then validate, compare with baselines and write the report.

        Stopped before the end (`stop`), it gives {} and leaves a run to resume. Raises TrainingError for a loss
        that is not a number, or where there is no plan; KeyboardInterrupt after a Ctrl-C, when the run has been saved.
        Of several processes the first one finishes and writes; all have the result.
        """
        if not self.plan:
            raise not_trained()
        self._outputs.clear()
        for head in self._calibrated_heads().values():
            head.uncalibrate()
        with self.processes.watch():
            if not loop.run_plan(self):
                return {}
            self._calibrate()
            if self.processes.count > 1:
                return self._finish_together()
        return self.finish()

    def _calibrated_heads(self) -> dict[str, Any]:
        """The heads whose quantiles are put where those of the valid rows are."""
        heads: Any = self.evaluated_network().heads
        return {name: head for name, head in heads.items() if getattr(head, "calibrates", False)}

    def _calibrate(self) -> None:
        """By the valid rows, whose own answers are then measured by halves (`_predict`)."""
        heads = self._calibrated_heads()
        if heads and len(self.data.rows("valid")):
            outputs, truths = self.predict_part("valid"), self.data.truths("valid")
            for name, head in heads.items():
                head.calibrate(outputs[name], truths[name])

    def _predict(self, part: str, truths: dict[str, Array]) -> Outputs:
        found = super()._predict(part, truths)
        if part == "valid":
            for name, head in self._calibrated_heads().items():
                if name in found:
                    found[name] = head.by_halves(found[name], truths[name])
        return found

    def calibrate_as(self, other: BaseLearner) -> None:
        """Take the calibration of the same model that was trained on fewer rows, and had others to be calibrated by."""
        assert isinstance(other, Learner)
        theirs = other._calibrated_heads()
        for name, head in self._calibrated_heads().items():
            head.take_calibration(theirs[name])

    def _finish_together(self) -> dict[str, Any]:
        part = self.data.measured_part
        if not any(map(is_large, self.data.signature.targets.values())):
            self._outputs[part] = Outputs(self.predict_part(part, self.processes.share))
        if self.settings.shard:
            sharding.unshard(self)
        result = self.result = self.processes.from_first(self.finish)
        if not self.processes.first and self.conclusion is not None:
            self.conclusion.finish_beside(self)
        return result

    def find_lr(self, **options: Any) -> LearningRates:
        """Try rising learning rates for a moment; `.suggestion`, `.chart`. The learner is left as it was."""
        from drivetrain.learn.find_lr import find_learning_rate

        return find_learning_rate(self, **options)

    # --- after training -----------------------------------------------------------------------------------

    @property
    def can_answer(self) -> bool:
        """Also within the first epoch, and with a body that was trained before."""
        return super().can_answer or self.position.step > 0 or self.network.pretrained

    @torch.inference_mode()
    def predict_part(
        self, part: str, share_of: Callable[[int], Share | None] = lambda rows: None
    ) -> dict[str, Array]:
        # Training pictures are kept enlarged for augmentation: predictions want the codec's own encoding.
        tensors = self._to_tensors(self.data.part("train")) if part == "train" else self.tensors(part)
        found: dict[str, list[Tensor]] = {name: [] for name in self.network.heads}
        shares: list[Share | None] = []
        with self.threads(), self.progress("Predicting", len(tensors)) as advance:
            for batch, share in tensors.in_shares(2 * self.settings.batch_size, share_of):
                for name, rows in self.predict_batch(batch).items():
                    found[name].append(rows.cpu())
                shares.append(share)
                advance(len(next(iter(batch.values()))))
        if not shares:
            targets = self.data.signature.targets
            return {name: np.zeros((0, *targets[name].output_shape), np.float32) for name in found}
        joined = torch.cat if shares[0] is None else functools.partial(self.processes.joined, shares=shares)
        return {name: joined(rows).numpy() for name, rows in found.items()}

    @torch.inference_mode()
    def predict_batch(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Finished outputs of an encoded batch, in float32."""
        network = self.evaluated_network()
        network.eval()
        return network.finish(network(batch))  # type: ignore[operator]

    def run_arrays(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        """The same from arrays to arrays: what golden cases are made with."""
        tensors = {name: torch.tensor(rows, device=self.device) for name, rows in as_batch(batch).items()}
        with self.threads():
            return {name: rows.cpu().numpy() for name, rows in self.predict_batch(tensors).items()}

    # --- the run ------------------------------------------------------------------------------------------

    def _keep_config(self) -> None:
        self._write_config(
            model={
                "name": self.model_name,
                "module": "" if self.model_name else repr(self.network),
                "vectors": None if self.vectors is None else self.vectors.to_json(),
            },
            objective=self.objective.name,
            augment=self.augment.to_json(),
            phases=[phase.to_json() for phase in self.plan],
        )

    def record(self, row: dict[str, Any]) -> None:
        if self._run is not None:
            self._run.write_history(self.history)
            if remark := self._run.write_events(row, row["epoch"]):
                self.notes.append(remark)
                self.tell_notes()

    def save_checkpoint(self, training: Training) -> None:
        """Everything that training needs to go on bit for bit."""
        if self._run is not None or self.settings.shard:
            state.save(self, training, None if self._run is None else self._run.checkpoints)

    def restore_optimizers(self, training: Training) -> None:
        """Give a phase that was resumed in its middle its optimisers' state back."""
        if self.optimizer_state is not None:
            state.restore_optimizers(training, self.optimizer_state)
            self.optimizer_state = None

    @classmethod
    @public
    def resume(
        cls, run: str | Path, data: Dataset | None = None, model: nn.Module | None = None, **options: Any
    ) -> Learner:
        """The learner of a run, as far as it had come; `go_on()` trains the rest.

        A run made in Python from values in memory, or with a module or an objective of your own, needs `data`, `model` or
        `objective=` again. Raises TrainingError when the data are not those of the run.
        """
        processes.start().from_first(lambda: None)  # which may still be writing
        opened, config, data = run_and_data(run, data)
        name = config["model"]["name"]
        if (other := own_learner(name)) is not None:
            return other.resume(run, data, **options)
        if not name and model is None:
            raise UsageError(
                "this run has a network of its own: give it again.",
                where=run,
                fix="Use Learner.resume(run, data, model).",
            )
        objective = options.pop("objective", config.get("objective", SUPERVISED))
        if isinstance(objective, str) and objective not in objectives():
            raise UsageError(
                f"this run has an objective of its own, {objective}: give it again.",
                where=run,
                fix="Use Learner.resume(run, data, model, objective=...).",
            )
        augment = kind_of_changes(data).from_json(config["augment"])
        record = config["model"].get("vectors")
        if record is not None:
            options["vectors"] = word_vectors.recorded(record, opened.checkpoints)
        learner = cls(
            data,
            model if model is not None else name,
            objective=objective,
            augment=augment,
            **config["settings"],
            **options,
        )
        word_vectors.refuse_others(learner.vectors, record)
        learner._take_up(opened, config)
        if not learner.processes.first:
            learner._run = None
        learner.plan = [Phase.from_json(phase) for phase in config["phases"]]
        state.restore(learner, opened.checkpoints)
        if learner.trained:
            learner._calibrate()
        return learner

    def description(self) -> str:
        weights = sum(parameter.numel() for parameter in self.network.parameters())
        return f"{os.path.basename(self.model_name) or type(self.network).__name__}, {weights:,} weights"

    def learned_vectors(self) -> dict[str, Array]:
        from drivetrain.bundle.vectors import tables_in
        from drivetrain.graphs.network import NotWritten, write_network

        try:
            return tables_in(
                [write_network(self.evaluated_network(), self.data.signature)], self.data.signature
            )
        except NotWritten:  # Its tables have no names.
            return {}

    def graph(self) -> bytes:
        from drivetrain.graphs.torch_export import export_graph

        part = self.data.part(self.data.measured_part)
        two = as_batch(part.batch(np.arange(2) % len(part)))
        return export_graph(self.evaluated_network(), self.data.signature, two)

    def choices(self) -> dict[str, dict[str, Any]]:
        phases = {f"phase {number}": phase.to_json() for number, phase in enumerate(self.plan, 1)}
        if self.data.augmented:
            return {**super().choices(), "augmentation": self.augment.to_json(), **phases}
        for phase in phases.values():
            del phase["views"]  # Of pictures, as augmentation is.
        return {**super().choices(), **phases}

    def training_part(self) -> Part:
        return self.data.part("train", self.enlarge)
