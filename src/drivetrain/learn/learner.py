"""The learner: a dataset, a network and how to train it, up to the result, the bundle and the answer."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from drivetrain import files
from drivetrain.data.augment import Augment
from drivetrain.data.dataset import Dataset
from drivetrain.data.loader import PictureAugment, Tensors, shuffled, to_tensors
from drivetrain.errors import TrainingError, UsageError, nearest
from drivetrain.learn import checkpoints, loop
from drivetrain.learn.generators import Generators
from drivetrain.learn.hooks import Hook
from drivetrain.learn.run import Run, next_folder
from drivetrain.learn.settings import Phase, Settings
from drivetrain.learn.stage import Stage
from drivetrain.metrics import Estimate, measure
from drivetrain.models.network import build_network
from drivetrain.models.registry import resolve
from drivetrain.progress import EpochTable, progress
from drivetrain.types import Answer, Array

if TYPE_CHECKING:
    from drivetrain.interpret import Interpretation
    from drivetrain.learn.find_lr import LearningRates

ENLARGE = 8 / 7
"""Photographs are packed this much larger than the model's size for training: 256 for 224."""
SAMPLE = 512
"""Rows that statistics of the pictures are taken from."""
PHOTO_SIDE = 64
"""Pictures from this size up are photographs to the defaults: augmented, transferred to."""


@dataclass(frozen=True)
class Mixed:
    """A batch with pictures mixed in pairs: partner (N,) int64, weight (N,) of the first of each pair."""

    batch: dict[str, Tensor]
    partner: Tensor
    weight: Tensor


def _whole_name(model: str) -> str:
    """The name of a model; a folder or file in full, so that the run can be resumed from anywhere."""
    source = resolve(model)
    return os.path.abspath(source.location) if source.kind in ("folder", "weights") else model


def _spread(rows: int) -> Array:
    """Positions of a sample from first to last: rows lie class by class."""
    return np.unique(np.linspace(0, rows - 1, min(rows, SAMPLE)).astype(np.int64))


class Learner:
    """Trains a network on a dataset and knows how it went.

    `model` is a name (`drivetrain.models.registry`) or a torch module; `augment` a name, an `Augment`, None or
    "auto" (photographs are augmented, small pictures are not); `out` the run folder (by default the next free
    one under runs/). The other options are those of `Settings`; `lr` may be given to `fit`.
    Raises UsageError for an unknown name or option, TrainingError where the model does not fit the data.
    """

    def __init__(
        self,
        data: Dataset,
        model: str | nn.Module | None = None,
        *,
        augment: str | Augment | None = "auto",
        out: str | Path | None = None,
        force: bool = False,
        device: str | torch.device | None = None,
        hooks: Sequence[Hook] = (),
        quiet: bool = False,
        **settings: Any,
    ) -> None:
        self.data = data
        self.model_name = "" if isinstance(model, nn.Module) else _whole_name(model or data.default_model)
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.hooks, self.quiet = list(hooks), quiet
        self.stopping = False
        self.settings = self._settings(settings)
        self.augment = self._augment(augment)
        self.picture_augment = self._picture_augment()
        self.enlarge = ENLARGE if self._crops() else 1.0
        self._tensors: dict[str, Tensors] = {}
        self._outputs: dict[str, dict[str, Array]] = {}
        train = data.part("train", self.enlarge)
        if not len(train):
            raise TrainingError(
                "no training row can be used.",
                where=data.table.name,
                fix="Run 'drivetrain check' to see why.",
            )
        self._check_classes()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.seed)
            self.network = build_network(
                data.signature, train.batch(_spread(len(train))), self.model_name or model,  # type: ignore[arg-type]
                pretrained=self.settings.pretrained, dropout=self.settings.dropout,
                label_smoothing=self.settings.label_smoothing,
            )  # fmt: skip
            torch_state = torch.get_rng_state()
        self.network.to(self.device, memory_format=torch.channels_last)
        self.average = self._make_average()
        self._buffers = self.network.running_statistics()
        self._saved_buffers = [torch.empty_like(buffer) for buffer in self._buffers]
        self.generators = Generators(self.settings.seed, torch_state, self.device)
        self.plan: list[Phase] = []
        self.position = loop.Position()
        self.history: list[dict[str, Any]] = []
        self._optimizer_state: tuple[dict[str, Tensor], dict[str, Any]] | None = None
        self._out, self._force = out, force
        self._run: Run | None = None
        self.result: dict[str, Any] | None = None
        self.notes = [*data.notes, *self.network.notes]
        self._note_bad_rows()

    # --- set-up -------------------------------------------------------------------------------------------

    def _settings(self, options: dict[str, Any]) -> Settings:
        known = [field.name for field in dataclasses.fields(Settings)]
        for name in options:
            if name not in known:
                raise UsageError(f"a learner has no option {name!r}.", where=name, fix=nearest(name, known))
        if options.get("batch_size") is None:
            options["batch_size"] = self._batch_size(len(self.data.rows("train")))
        return Settings(**options)

    def _batch_size(self, rows: int) -> int:
        """Enough steps in an epoch for small data, fewer and fuller ones for large."""
        if rows >= 5000 and not self._photos():
            return 128
        return 16 if rows < 500 else 32 if rows < 2000 else 64

    def _sizes(self) -> dict[str, tuple[int, int]]:
        inputs = self.data.signature.inputs.items()
        return {name: codec.shape[:2] for name, codec in inputs if len(codec.shape) == 3}  # type: ignore[misc]

    def _photos(self) -> bool:
        return any(min(size) >= PHOTO_SIDE for size in self._sizes().values())

    def _augment(self, augment: str | Augment | None) -> Augment:
        if augment is None:
            return Augment.none()
        if isinstance(augment, Augment):
            return augment
        return Augment.from_name(("photos" if self._photos() else "none") if augment == "auto" else augment)

    def _picture_augment(self) -> PictureAugment | None:
        sizes = self._sizes()
        return PictureAugment(self.augment, sizes) if sizes and self.augment != Augment.none() else None

    def _crops(self) -> bool:
        return self.picture_augment is not None and self.augment.zoom > 1 and self._photos()

    def _check_classes(self) -> None:
        for name, codec in self.data.signature.targets.items():
            classes = getattr(codec, "classes", None)
            if classes is not None and len(classes) < 2:
                raise TrainingError(
                    f"there is only one class, {classes[0]!r}: nothing to tell apart.", where=f"{self.data.table.name}, {name}",
                    fix="Give pictures of at least two classes, one folder for each.",
                )  # fmt: skip

    def _make_average(self) -> torch.optim.swa_utils.AveragedModel | None:
        if self.settings.ema is None:
            return None
        decay = torch.optim.swa_utils.get_ema_multi_avg_fn(self.settings.ema)
        return torch.optim.swa_utils.AveragedModel(self.network, multi_avg_fn=decay, use_buffers=True)

    def _note_bad_rows(self) -> None:
        if len(self.data.rows("valid")):
            self.data.part("valid")
        if self.data.bad:
            first = "; ".join(str(fault) for fault in list(self.data.bad.values())[:3])
            more = "" if len(self.data.bad) <= 3 else " ..."
            self.notes.append(f"{len(self.data.bad)} items can't be used and are left out: {first}{more}")

    # --- what the loop uses -------------------------------------------------------------------------------

    def tensors(self, part: str) -> Tensors:
        """A part's encoded rows as tensors, on the device when they fit."""
        if part not in self._tensors:
            enlarge = self.enlarge if part == "train" else 1.0
            self._tensors[part] = to_tensors(self.data.part(part, enlarge), self.device)
        return self._tensors[part]

    def epoch_batches(self, rows: int) -> list[Tensor]:
        """The batches of the current epoch; the same ones again when it is resumed in its middle."""
        self.generators.start_epoch(resumed=self.position.batch > 0)
        norms = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in self.network.modules())
        return shuffled(rows, self.settings.batch_size, self.generators.shuffle, singles=not norms)

    def autocast(self) -> AbstractContextManager[Any]:
        """bfloat16 on a GPU (or where asked for), else nothing."""
        wanted = self.settings.precision
        if wanted == "bfloat16" or (wanted == "auto" and self.device.type == "cuda"):
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def mixes(self, stage: Stage) -> bool:
        return self.augment.mixup > 0 and not stage.phase.frozen and bool(self._sizes())

    def mix(self, batch: dict[str, Tensor]) -> Mixed:
        (name,) = self._sizes()
        images, partner, weight = self.augment.mix(batch[name], self.generators.augment)
        return Mixed({**batch, name: images}, partner, weight)

    def keep_buffers(self) -> None:
        """Remember running statistics: a batch that ends in NaN must not leave its mark on them."""
        if self._buffers:
            torch._foreach_copy_(self._saved_buffers, self._buffers)

    def restore_buffers(self) -> None:
        if self._buffers:
            torch._foreach_copy_(self._buffers, self._saved_buffers)

    def evaluated_network(self) -> nn.Module:
        """The averaged network where one is kept, else the trained one."""
        return self.network if self.average is None else self.average.module

    def progress(self, what: str, total: int) -> AbstractContextManager[Any]:
        return progress(what, total, quiet=self.quiet)

    @contextlib.contextmanager
    def epoch_table(self) -> Iterator[EpochTable]:
        epochs = sum(phase.epochs for phase in self.plan)
        table = EpochTable(epochs, done=len(self.history), quiet=self.quiet)
        try:
            yield table
        finally:
            table.close()

    def error_value(self, mean: float) -> float:
        return next(iter(self.network.heads.values())).error_of_mean(mean)  # type: ignore[operator]

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

    def end_phase(self) -> None:
        if self.settings.early_stopping is not None and self._run is not None:
            best = checkpoints.load(self._run.checkpoints, "best")
            if best is not None:
                self._load_networks(best.tensors)
        self.position = loop.Position(phase=self.position.phase + 1)

    # --- training -----------------------------------------------------------------------------------------

    def fit(self, epochs: int, lr: float | None = None, schedule: str = "one_cycle") -> dict[str, Any]:
        """Train all weights for `epochs` with one schedule whose peak is `lr`. Gives the result (see `finish`)."""
        default = 0.05 if self.settings.optimizer == "sgd" else (5e-4 if self.network.pretrained else 3e-3)
        return self.train([Phase(epochs, default if lr is None else lr, schedule)])

    def fine_tune(
        self,
        epochs: int,
        lr: float | None = None,
        frozen_epochs: int = 4,
        views: int = 1,
        spread: float = 0.1,
    ) -> dict[str, Any]:
        """Transfer: first the heads alone on kept features, then all weights, early stages slowest.

        `lr` is the peak rate of the heads while all weights train; alone they train at thirty times that. `views`
        augmented views are computed for the frozen stage, one after the other in its epochs; `spread` is the
        learning rate of the first stage over that of the heads. From scratch this is `fit`.
        """
        if not self.network.pretrained:
            return self.fit(epochs, lr)
        rate = 1e-4 if lr is None else lr
        frozen = [Phase(frozen_epochs, rate * 30, frozen=True, views=views)] if frozen_epochs else []
        return self.train([*frozen, Phase(epochs, rate, spread=spread)])

    def train(self, phases: Sequence[Phase]) -> dict[str, Any]:
        """Add phases to the plan and train to its end."""
        self._start_run()
        self.plan += phases
        self._write_config()
        return self.go_on()

    def go_on(self) -> dict[str, Any]:
        """Train what is left of the plan, then validate, compare with baselines and write the report.

        Stopped before the end (`stop`), it gives {} and leaves a run to resume. Raises TrainingError for a loss
        that is not a number; KeyboardInterrupt after a Ctrl-C, when the run has been saved.
        """
        self._outputs.clear()
        return self.finish() if loop.run_plan(self) else {}

    def finish(self) -> dict[str, Any]:
        """`{"run", "task", "metrics": {"valid": ...}, "baselines", "epochs", "seconds"}` of the trained network."""
        from drivetrain.learn.outcome import make_result
        from drivetrain.learn.report_content import report_content
        from drivetrain.report.page import write_report

        self.result = make_result(self)
        if self._run is not None:
            self._run.write_result(self.result)
            write_report(self._run.folder / "report.html", report_content(self))
            self._run.close()
        return self.result

    def find_lr(self, **options: Any) -> LearningRates:
        """Try rising learning rates for a moment; `.suggestion`, `.chart`. The learner is left as it was."""
        from drivetrain.learn.find_lr import find_learning_rate

        return find_learning_rate(self, **options)

    # --- after training -----------------------------------------------------------------------------------

    def outputs(self, part: str = "valid") -> tuple[dict[str, Array], dict[str, Array]]:
        """(outputs as the exported graph gives them, encoded targets) of a part's usable rows, in order.

        Computed once after each training."""
        if part not in self._outputs:
            self._outputs[part] = self._predict_part(part)
        encoded = self.data.part(part).batch()
        return self._outputs[part], {name: encoded[name] for name in self.network.heads}

    @torch.inference_mode()
    def _predict_part(self, part: str) -> dict[str, Array]:
        # Training pictures are kept enlarged for augmentation: predictions want the codec's own encoding.
        tensors = to_tensors(self.data.part("train"), self.device) if part == "train" else self.tensors(part)
        found: dict[str, list[Array]] = {name: [] for name in self.network.heads}
        with self.progress("Predicting", len(tensors)) as advance:
            for batch in tensors.in_order(2 * self.settings.batch_size):
                for name, rows in self.predict_batch(batch).items():
                    found[name].append(rows.cpu().numpy())
                advance(len(next(iter(batch.values()))))
        return {
            name: np.concatenate(rows) if rows else np.zeros(0, np.float32) for name, rows in found.items()
        }

    @torch.inference_mode()
    def predict_batch(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Finished outputs of an encoded batch, in float32."""
        network = self.evaluated_network()
        network.eval()
        return network.finish(network(batch))  # type: ignore[operator]

    def run_arrays(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        """The same from arrays to arrays: what golden cases are made with."""
        tensors = {name: torch.tensor(rows, device=self.device) for name, rows in batch.items()}
        return {name: rows.cpu().numpy() for name, rows in self.predict_batch(tensors).items()}

    def validate(self, part: str = "valid") -> dict[str, Estimate]:
        """Metrics of a part with intervals; with several targets the names are "target.metric"."""
        outputs, encoded = self.outputs(part)
        targets = self.data.signature.targets
        found = {name: measure(codec, outputs[name], encoded[name]) for name, codec in targets.items()}
        if len(found) == 1:
            return next(iter(found.values()))
        return {f"{name}.{metric}": value for name, part in found.items() for metric, value in part.items()}

    def predict(self, raw: Any) -> Answer:
        """The answer for one raw value (or a mapping of them), through this network. Raises DataError."""
        inputs = self.data.signature.inputs
        sample = raw if isinstance(raw, Mapping) else dict.fromkeys(inputs, raw)
        batch = {name: codec.encode(codec.read(sample[name]))[None] for name, codec in inputs.items()}
        outputs = self.run_arrays(batch)
        targets = {
            name: codec.decode(outputs[name][0]) for name, codec in self.data.signature.targets.items()
        }
        return Answer("" if isinstance(raw, (bytes, Mapping, np.ndarray)) else str(raw), targets)

    def interpret(self, part: str = "valid") -> Interpretation:
        """Where it goes wrong: confusion, top losses."""
        from drivetrain.interpret import Interpretation

        return Interpretation.of(self, part)

    def export(self, path: str | Path, force: bool = False) -> Path:
        """Write a bundle and verify it with the runtime. Raises CheckFailed if the two disagree."""
        from drivetrain.export.bundle import export_bundle

        return export_bundle(self, path, force=force)

    # --- the run ------------------------------------------------------------------------------------------

    @property
    def run(self) -> Path | None:
        """The run folder, once training has started."""
        return None if self._run is None else self._run.folder

    def last_result(self) -> dict[str, Any] | None:
        """The result that the run has kept, if it was finished."""
        return None if self._run is None else self._run.read_result()

    def _start_run(self) -> None:
        if self._run is None:
            self._run = Run.create(self._out or next_folder(self.data.table.name), self._force)

    def _write_config(self) -> None:
        assert self._run is not None
        self._run.write_config({
            "task": self.data.task,
            "data": {"recipe": self.data.recipe, "fingerprint": self._fingerprint()},
            "model": {"name": self.model_name, "module": "" if self.model_name else repr(self.network)},
            "settings": self.settings.to_json(),
            "augment": self.augment.to_json(),
            "phases": [phase.to_json() for phase in self.plan],
        })  # fmt: skip

    def _fingerprint(self) -> str:
        signature = files.to_json(self.data.signature.to_json())
        parts = [np.asarray(rows).tobytes() for rows in self.data.split.parts().values()]
        return files.sha256(b"".join([signature.encode(), *parts]))

    def record(self, row: dict[str, Any]) -> None:
        if self._run is not None:
            self._run.write_history(self.history)
            self._run.write_events(row, row["epoch"])

    def save_checkpoint(self, stage: Stage) -> None:
        """Everything that training needs to go on bit for bit."""
        if self._run is None:
            return
        tensors = {f"network.{key}": value for key, value in self.network.state_dict().items()}
        if self.average is not None:
            tensors |= {f"average.{key}": value for key, value in self.average.state_dict().items()}
        tensors |= {
            f"generator.{key}": state
            for key, state in self.generators.states(in_epoch=self.position.batch > 0).items()
        }
        state = stage.optimizer.state_dict()["state"]
        for index, values in state.items():
            tensors |= {
                f"optimizer.{index}.{key}": value
                for key, value in values.items()
                if isinstance(value, Tensor)
            }
        position = dataclasses.asdict(self.position)
        progress = {"position": position, "history": self.history}
        number = len(self.history) * 1_000_000 + self.position.batch
        checkpoints.save(self._run.checkpoints, number, tensors, progress)
        if self.settings.early_stopping is not None and self.position.batch == 0 and self._is_best():
            kept = {key: value for key, value in tensors.items() if key.startswith(("network.", "average."))}
            checkpoints.save(self._run.checkpoints, number, kept, {}, name="best")

    def _is_best(self) -> bool:
        losses = [row["valid_loss"] for row in self.history if row["phase"] == self.position.phase + 1]
        return bool(losses) and losses[-1] is not None and losses[-1] == min(losses)

    def _load_networks(self, tensors: Mapping[str, Tensor]) -> None:
        def under(prefix: str) -> dict[str, Tensor]:
            return {
                key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)
            }

        try:
            self.network.load_state_dict(under("network."))
            if self.average is not None:
                self.average.load_state_dict(under("average."))
        except RuntimeError as fault:
            raise TrainingError(
                f"the checkpoint is of another model: {str(fault).splitlines()[0]}", where=self.run,
                fix="Resume with the model that the run was started with.",
            ) from fault  # fmt: skip

    def restore_optimizer(self, stage: Stage) -> None:
        """Give a phase that was resumed in its middle its optimiser's state back."""
        if self._optimizer_state is None:
            return
        tensors, self._optimizer_state = self._optimizer_state[0], None
        state: dict[int, dict[str, Any]] = {}
        for key, value in tensors.items():
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = value
        stage.optimizer.load_state_dict(
            {"state": state, "param_groups": stage.optimizer.state_dict()["param_groups"]}
        )

    def _restore(self, run: Run) -> None:
        """Take up a run's newest whole checkpoint."""
        self._run = run
        found = checkpoints.load(run.checkpoints)
        if found is None:
            return
        self.notes += [
            f"the checkpoint {name} is damaged; going on from the one before" for name in found.skipped
        ]
        self._load_networks(found.tensors)
        self.position = loop.Position(**found.progress["position"])
        self.history = found.progress["history"]
        prefix = "generator."
        states = {
            key.removeprefix(prefix): value for key, value in found.tensors.items() if key.startswith(prefix)
        }
        self.generators.restore(states)
        if self.position.step:
            optimizer = {key: value for key, value in found.tensors.items() if key.startswith("optimizer.")}
            self._optimizer_state = (optimizer, {})

    @classmethod
    def resume(
        cls, run: str | Path, data: Dataset | None = None, model: nn.Module | None = None, **options: Any
    ) -> Learner:
        """The learner of a run, as far as it had come; `go_on()` trains the rest.

        A run made in Python from values in memory, or with a module of your own, needs `data` or `model` again.
        Raises TrainingError when the data are not those of the run.
        """
        from drivetrain import tasks

        opened = Run.open(run)
        config = opened.read_config()
        if data is None:
            if "recipe" not in config["data"]:
                raise UsageError(
                    "this run was made in Python: give its data again.",
                    where=run,
                    fix="Use Learner.resume(run, data).",
                )
            data = tasks.from_recipe(config["data"]["recipe"])
        name = config["model"]["name"]
        if not name and model is None:
            raise UsageError(
                "this run has a network of its own: give it again.",
                where=run,
                fix="Use Learner.resume(run, data, model).",
            )
        augment = Augment.from_json(config["augment"])
        learner = cls(
            data, model if model is not None else name, augment=augment, **config["settings"], **options
        )
        if config["data"]["fingerprint"] != learner._fingerprint():
            raise TrainingError(
                "the data are not those that this run was started with.", where=run,
                fix="Put them back as they were, or train anew in another folder.",
            )  # fmt: skip
        learner.plan = [Phase.from_json(phase) for phase in config["phases"]]
        learner._restore(opened)
        return learner

    def __repr__(self) -> str:
        weights = sum(parameter.numel() for parameter in self.network.parameters())
        return f"Learner of {self.data.table.name}: {self.model_name or type(self.network).__name__}, {weights:,} weights"
