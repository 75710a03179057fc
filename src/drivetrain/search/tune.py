"""Searching for settings: trials that learn from one another, each a run, kept so that the search can go on.

tune.json     what was asked for: data, metric, space, seed
study.jsonl   what Optuna knows of the trials, as JSON lines: no sampler's state, for each trial's is made of its number
runs/NNN/     a run for each trial; only the best one keeps its checkpoints
best          leads to the run of the best trial
result.json   what `Tuning.to_json` says
"""

from __future__ import annotations

import copy
import math
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from drivetrain.arguments import public
from drivetrain.data.augment.base import Changes
from drivetrain.data.augment.pictures import Augment
from drivetrain.data.dataset import Dataset
from drivetrain.errors import FileError, TrainingError, UsageError, nearest
from drivetrain.files import from_json, sha256, to_json, write_text
from drivetrain.learn.applies import refuse_pointless
from drivetrain.learn.base import BaseLearner
from drivetrain.learn.by_name import make_learner, resume
from drivetrain.learn.distributed import processes
from drivetrain.learn.epochs import lengths, usual_epochs
from drivetrain.learn.hooks import Hook
from drivetrain.learn.learner import Learner
from drivetrain.learn.names import NETWORK, is_network, is_several, network_of
from drivetrain.learn.refusals import refuse_written
from drivetrain.learn.runs.folder import next_folder
from drivetrain.learn.settings import FROZEN_EPOCHS, telling
from drivetrain.learn.trees.learner import GRAPH
from drivetrain.metrics import names
from drivetrain.report import words
from drivetrain.search.result import Tuning
from drivetrain.search.space import (
    NAMES,
    PLAN,
    Space,
    can_be_searched,
    default_space,
    names_of,
    read_space,
    refuse_fixed,
    refuse_values,
    searched_models,
    suggest,
)

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import Trial

FORMAT = 1
WARM_UP, TENTHS = 3, 10
"""No trial is stopped before so many tenths of its plan; it is looked at after each tenth."""


@public
def tune(
    data: Dataset | Callable[[], Dataset],
    trials: int,
    metric: str | None = None,
    space: Mapping[str, Any] | None = None,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    *,
    seconds: float | None = None,
    keep_all: bool = False,
    quiet: bool = False,
    **fixed: Any,
) -> Tuning:
    """Train `trials` models with other settings each and keep the best by `metric` on the validation rows.

    The first trials have the default settings, of each kind of model one, the likeliest first; the next ones are drawn by
    Optuna's tree-structured Parzen estimator (Bergstra et al. 2011), up to the tenth at random. First the model is drawn,
    then only what it has. One network whose valid loss is worse than the median of the others', at
    the same tenth of its plan, is stopped (median rule; Golovin et al. 2017, Google Vizier). Not Hyperband: its
    budgets are for many trials of one length, and the epochs are searched here.

    `space` says what is searched: `{"lr": (1e-4, 1e-2, "log"), "epochs": (5, 20), "model": ["mlp", "linear"]}`. Without it:
      tables     model trees, mlp or regression; where an input is text ngrams, trees, mlp or linear
      networks   weight_decay 1e-4 to 0.3, or thrice the model's own if that is more (log), dropout 0 to 0.5
        columns  lr 3e-4 to 3e-2 (log), epochs 5 to 60 (log; 25 from 10,000 rows, 2 to 10 beyond 200,000), batch_size half
                 to four times the default, label_smoothing 0 to 0.2 where a category is the target
        pictures lr 3e-4 to 2e-2 (log; with pretrained weights 2e-5 to 2e-3), epochs 4 to 12, augment_strength 0 to 2
      trees      rate 0.02 to 0.2, leaves 4 to 64, least_rows (of a leaf) 1 to 100, l2 0.01 to 100 (all log)
      ngrams     penalty 1e-4 to 1 (log), rarity 0 to 1, power 0 to 1 where a category is the target
      regression penalty 0.01 to 10,000 (log)
    `fixed` are settings for all trials (model, lr, epochs and those of the models); they are not searched, and of a table
    only models that have them are.

    The same call with the same `out` goes on until there are `trials` of them; one that was stopped in its middle goes
    on from its last epoch, or is fitted anew where it has none. `seconds` after which no new trial begins. Raises
    UsageError for what can't be meant, FileError for a folder of something else, TrainingError where no trial can be
    finished; KeyboardInterrupt leaves what is done.
    """
    if isinstance(trials, bool) or not isinstance(trials, int) or trials < 1:
        raise UsageError(f"trials must be a whole number from 1, not {trials!r}.", where="trials")
    if seconds is not None and not seconds > 0:
        raise UsageError(f"the time must be a number of seconds above 0, not {seconds!r}.", where="seconds")
    if processes.count() > 1:
        raise UsageError("a search runs in one process.", where="torchrun", fix="Leave torchrun out.")
    dataset = data if isinstance(data, Dataset) else data()
    search = Search(dataset, metric, space, seed, fixed, quiet)
    folder = Path(out) if out is not None else next_folder(f"{dataset.table.name}-tune")
    with search.open(folder, keep_all):
        search.run(trials, seconds)
        return search.finish()


class Search:
    """One search in its folder: what is asked of each trial, and what came of it."""

    folder: Path
    study: Study
    keep_all: bool

    def __init__(
        self,
        data: Dataset,
        metric: str | None,
        space: Mapping[str, Any] | None,
        seed: int,
        fixed: dict[str, Any],
        quiet: bool,
    ) -> None:
        self.data, self.seed, self.fixed, self.quiet = data, seed, fixed, quiet
        known = {"augment", "device", *NAMES}
        for name in fixed:
            if name not in known:
                raise UsageError(f"a search has no option {name!r}.", where=name, fix=nearest(name, known))
        read = None if space is None else read_space(space)
        refuse_written(data, "a search")
        self.models = searched_models(data, fixed, read)
        self._refuse(space or {})
        learners = self._probes("model" in fixed or (read is not None and "model" in read))
        self.models = tuple(learners)
        probe = next(filter(_is_network, learners.values()), None) or self._learner(
            network_of(data), {}, None
        )
        if probe.data.measured_part != "valid":
            raise UsageError(
                "there are no validation rows to choose by.", where=data.table.name, fix="Give a share: --valid 0.2."
            )  # fmt: skip
        usual = map(names.deciding, data.signature.targets.values())
        self.metric = names.chosen(metric, list(probe.validate("valid")), usual)
        self.higher = names.metric(self.metric).higher
        self.defaults = {model: self._defaults(learner) for model, learner in learners.items()}
        if read is None:
            read = default_space(data, self.models, probe.network.pretrained, probe.settings)
        self.space: Space = {
            name: part
            for name, part in read.items()
            if name not in fixed and not (name == "augment_strength" and "augment" in fixed)
        }
        if not self.space:
            raise UsageError("there is nothing to search.", where="space", fix="Fix fewer settings.")
        refuse_values(self.space, self.models)
        self.strong = _strong(probe)

    def _refuse(self, space: Mapping[str, Any]) -> None:
        """Raises UsageError for settings that mean nothing for the data or for all of the models."""
        given = [*telling(self.fixed), *space]
        for name in given:
            having = [model for model in self.models if is_network(model) or name in names_of(model)]
            refuse_pointless(self.data, (having or self.models)[0], [name])
        refuse_fixed(self.fixed, self.models)

    def _probes(self, named: bool) -> dict[Any, BaseLearner]:
        """A learner of each model, untrained. One that can't have what was fixed, such as its loss, is left out of the search
        unless it was named."""
        found: dict[Any, BaseLearner] = {}
        for model in self.models:
            try:
                found[model] = self._learner(model, {}, None)
            except UsageError:
                if named or (model == self.models[-1] and not found):
                    raise
        return found

    def _defaults(self, probe: BaseLearner) -> dict[str, Any]:
        """What a training has where nobody said: the settings of the first trial of a model."""
        if not _is_network(probe):
            return {**probe.settings.to_json(), "model": probe.model_name}
        strength = 0.0 if probe.augment == probe.augmentation.kind.none() else 1.0
        rate = probe.default_rate(fine_tuned=True)
        epochs = usual_epochs(self.data)
        plan = {"lr": rate, "epochs": epochs, "frozen_epochs": FROZEN_EPOCHS, "augment_strength": strength}
        return {**probe.settings.to_json(), **plan, "model": probe.model_name}

    # --- the folder ---------------------------------------------------------------------------------------

    @contextmanager
    def open(self, folder: Path, keep_all: bool) -> Iterator[None]:
        """Take up the search of this folder, or begin it. Raises FileError where the folder is something else."""
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.folder, self.keep_all = folder, keep_all
        asked = self._asked()
        if (folder / "tune.json").is_file():
            self._compare(from_json((folder / "tune.json").read_bytes(), where=folder / "tune.json"), asked)
        elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise FileError(
                "there is something else here already.", where=folder, fix="Choose another --out."
            )
        else:
            write_text(folder / "tune.json", to_json(asked, indent=2) + "\n")
        with _locked(folder):
            storage = JournalStorage(JournalFileBackend(str(folder / "study.jsonl")))
            self.study = optuna.create_study(storage=storage, study_name="tune", load_if_exists=True)
            self.study.pruner = optuna.pruners.MedianPruner(5, WARM_UP, n_min_trials=3)
            if not self.study.get_trials(deepcopy=False):
                for settings, attributes in self._first():
                    self.study.enqueue_trial(settings, user_attrs=attributes)
            yield

    def _first(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """The settings of the first trials, and what is kept with them: whether they are a model's defaults, and which
        settings are left alone since the model finds them itself. Then a network's again, trained for longer."""
        first: list[tuple[dict[str, Any], dict[str, Any]]] = []
        longer: list[tuple[dict[str, Any], dict[str, Any]]] = []
        for model in self.models:
            own = {name: self.space[name] for name in ("model", *names_of(model)) if name in self.space}
            known = {name: self.defaults[model].get(name) for name in own}
            held = {name: known[name] for name, part in own.items() if part.holds(known[name])}
            left = [name for name, value in known.items() if value is None and name not in held]
            first.append((held, {"default": True, "left": left}))
            if model == NETWORK and len(self.models) > 1 and "epochs" in own:
                longer.append(({**held, "epochs": lengths(self.data)[-1]}, {"left": left}))
        return first + longer

    def _asked(self) -> dict[str, Any]:
        rows = [np.asarray(rows).tobytes() for rows in self.data.split.parts().values()]
        signature = to_json(self.data.signature.to_json()).encode()
        shown = {
            name: value if isinstance(value, bool | int | float | str | None) else repr(value)
            for name, value in self.fixed.items()
        }
        return {
            "format": FORMAT,
            "data": sha256(b"".join([signature, *rows])),
            "metric": self.metric,
            "seed": self.seed,
            "space": {name: part.to_json() for name, part in self.space.items()},
            "fixed": shown,
        }

    def _compare(self, before: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
        for name, value in asked.items():
            if before.get(name) != value:
                raise UsageError(
                    f"the search in this folder was begun with another {name}.", where=self.folder,
                    fix="Ask for the same again, or choose another --out.",
                )  # fmt: skip

    # --- the trials ---------------------------------------------------------------------------------------

    def run(self, trials: int, seconds: float | None) -> None:
        """Train until so many trials are over, or no new one may begin."""
        began = time.monotonic()
        while len(self._over()) < trials:
            if seconds is not None and time.monotonic() - began >= seconds and self.best() is not None:
                break
            self._one(self._next(), trials)

    def _over(self) -> list[Any]:
        return [trial for trial in self.study.get_trials(deepcopy=False) if trial.state.is_finished()]

    def _next(self) -> Trial:
        """The trial that was stopped in its middle, else a new one."""
        import optuna

        for trial in self.study.get_trials(deepcopy=False):
            if trial.state == optuna.trial.TrialState.RUNNING:
                return optuna.trial.Trial(self.study, trial._trial_id)
        # A sampler for each trial, made of its number: a search that was stopped goes on as if it had not been.
        number = len(self._over())
        self.study.sampler = optuna.samplers.TPESampler(seed=(self.seed * 1_000_003 + number) % 2**32)
        return self.study.ask()

    def _one(self, trial: Trial, trials: int) -> None:
        """Train one trial and tell the study what came of it."""
        from optuna.trial import TrialState

        settings = suggest(trial, self.space, self.models[0], trial.user_attrs.get("left", ()))
        run = self.folder / "runs" / f"{trial.number + 1:03d}"
        watch = Watch(trial)
        began = time.monotonic()
        try:
            result = self._train({**self.fixed, **settings}, run, watch)
        except TrainingError as fault:
            trial.set_user_attr("failed", fault.error)
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            if watch.pruned:
                self.study.tell(trial, state=TrialState.PRUNED)
            elif not result:
                raise KeyboardInterrupt
            else:
                self._tell(trial, result)
        self._tidy()
        self._say(trial.number, trials, time.monotonic() - began)

    def _tell(self, trial: Trial, result: Mapping[str, Any]) -> None:
        from optuna.trial import TrialState

        found = result["metrics"]["valid"][self.metric]
        trial.set_user_attr("epochs", result["epochs"])
        trial.set_user_attr("found", found)
        if found["value"] is None:
            trial.set_user_attr("failed", f"its {self.metric} is undefined")
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, -found["value"] if self.higher else found["value"])

    def _learner(self, model: Any, settings: Mapping[str, Any], run: Path | None, *hooks: Hook) -> Any:
        """The learner of a model, with what it has of the settings."""
        given = {**self.fixed, **settings}
        options = {name: given[name] for name in given if name in names_of(model) and name not in PLAN}
        if is_network(model):
            options |= {
                "hooks": hooks,
                **{name: given[name] for name in ("augment", "device") if name in given},
            }
            if "augment_strength" in given:
                options["augment"] = self.strong.scaled(given["augment_strength"])
        model = copy.deepcopy(model)  # A module of one's own is new for each trial.
        return make_learner(
            copy.copy(self.data), model, out=run, force=True, quiet=True, seed=self.seed, **options
        )

    def _train(self, settings: Mapping[str, Any], run: Path, watch: Watch) -> dict[str, Any]:
        """The result of a run; {} where it was stopped."""
        model = settings.get("model", self.models[0])
        if (run / "config.toml").is_file():
            learner = self._resume(run, **({"hooks": [watch]} if is_network(model) else {}))
            learner.brief = True
            return learner.go_on()
        learner = self._learner(model, settings, run, watch)
        learner.brief = True
        if not is_network(model):
            return learner.fit()
        defaults = self.defaults[model]
        plan = {name: settings.get(name, defaults[name]) for name in ("lr", "epochs", "frozen_epochs")}
        return learner.fine_tune(plan["epochs"], plan["lr"], frozen_epochs=plan["frozen_epochs"])

    def _resume(self, run: Path, **options: Any) -> Any:
        model = self.fixed.get("model")
        own = None if model is None or isinstance(model, str) else copy.deepcopy(model)
        return resume(run, copy.copy(self.data), own, quiet=True, **options)

    def best(self) -> Any:
        """The finished trial with the best value, the first of equals; None without one."""
        done = [trial for trial in self._over() if trial.value is not None and trial.state.name == "COMPLETE"]
        return min(done, key=lambda trial: (trial.value, trial.number), default=None)

    def _tidy(self) -> None:
        """Weights of the best trial only; `best` leads to it."""
        best = self.best()
        if not self.keep_all:
            for trial in self._over():
                if best is None or trial.number != best.number:
                    shutil.rmtree(self._run_of(trial) / "checkpoints", ignore_errors=True)
                    (self._run_of(trial) / GRAPH).unlink(missing_ok=True)
        if best is not None:
            link = self.folder / "best"
            with suppress(OSError):  # Where there are no links, the result names it.
                link.unlink(missing_ok=True)
                link.symlink_to(self._run_of(best).relative_to(self.folder), target_is_directory=True)

    def _run_of(self, trial: Any) -> Path:
        return self.folder / "runs" / f"{trial.number + 1:03d}"

    def _say(self, number: int, trials: int, took: float) -> None:
        row, best = self._row(self.study.get_trials(deepcopy=False)[number]), self.best()
        if self.quiet:
            return
        told = row["state"]
        if row["value"] is not None:
            told = f"{words.metric(self.metric).name} {words.value_text(self.metric, row['value'])}"
        ahead = "" if best is None else f", best {words.value_text(self.metric, self._row(best)['value'])}"
        print(
            f"trial {number + 1} of {trials}: {told}{ahead} ({took:.1f} s)",
            file=sys.stderr, flush=True,
        )  # fmt: skip

    # --- the end ------------------------------------------------------------------------------------------

    def _row(self, trial: Any) -> dict[str, Any]:
        """A trial as JSON."""
        found = trial.user_attrs.get("found") or {}
        states = {"COMPLETE": "finished", "PRUNED": "stopped early"}
        state = "failed" if "failed" in trial.user_attrs else states.get(trial.state.name, "not finished")
        return {
            "trial": trial.number + 1,
            "state": state,
            "value": found.get("value"),
            "low": found.get("low"),
            "high": found.get("high"),
            "settings": dict(trial.params),
            "default": trial.user_attrs.get("default", False),
            "run": str(self._run_of(trial)),
            **({"why": trial.user_attrs["failed"]} if state == "failed" else {}),
        }

    def finish(self) -> Tuning:
        """Compare the best run with baselines, write its report, and say what was found."""
        best = self.best()
        begun = [trial for trial in self.study.get_trials(deepcopy=False) if trial.state.name != "WAITING"]
        rows = [self._row(trial) for trial in begun]
        if best is None:
            why = next((row["why"] for row in rows if "why" in row), "all were stopped")
            raise TrainingError(
                f"no trial could be finished: {why}", where=self.folder, fix="Narrow the space."
            )
        run = self._run_of(best)
        learner = self._resume(run)
        result = learner.last_result() or {}
        if not (run / "report.html").is_file():
            result = learner.go_on()
        test = None
        if len(self.data.rows("test")):
            test = learner.validate("test")[self.metric].to_json()
        tuning = Tuning(
            self.folder, self.metric, self.higher, rows, {**self._row(best), "metric": self.metric, "test": test},
            self._importance(best), result, lambda: self._resume(run), self._advice(run),
        )  # fmt: skip
        write_text(self.folder / "result.json", to_json(tuning.to_json(), indent=2) + "\n")
        return tuning

    def _importance(self, best: Any) -> dict[str, float]:
        """Of the best one's model alone: other models have other settings."""
        import optuna

        model = best.params.get("model")
        alike = [
            trial
            for trial in self._over()
            if trial.state.name == "COMPLETE" and trial.params.get("model") == model
        ]
        most = max(len(trial.params) for trial in alike)
        alike = [
            trial for trial in alike if len(trial.params) == most
        ]  # Not those that left a default alone.
        if len(alike) < Tuning.FEWEST:
            return {}
        study = optuna.create_study()
        study.add_trials(alike)
        with suppress(ValueError, RuntimeError):
            found = optuna.importance.get_param_importances(study)
            return {name: share for name, share in found.items() if name != "model" and math.isfinite(share)}
        return {}

    def _advice(self, run: Path) -> list[str]:
        """What may be better than the best trial, and can't be searched."""
        default = self.data.default_model
        if is_several(default):
            return [
                "drivetrain train without --model blends several models and fits them again to all rows but the test's, which "
                f"may be better than any trial: drivetrain compare {shlex.quote(str(self.folder / 'best'))} RUN"
            ]
        if not can_be_searched(default):
            return [
                f"the default model of {self.data.things} is {default}, which has no settings: compare it with this one"
            ]
        return []


class Watch(Hook):
    """Tells the study of the valid loss, by tenths of the plan, and stops a trial that the others are ahead of."""

    def __init__(self, trial: Trial) -> None:
        self.trial, self.pruned = trial, False
        known = trial.study.get_trials(deepcopy=False)[trial.number].intermediate_values
        self.told = max(known, default=0)

    def on_epoch_end(self, learner: Learner, row: dict[str, Any]) -> None:
        done = len(learner.history) * TENTHS // sum(phase.epochs for phase in learner.plan)
        for tenth in range(self.told + 1, done + 1):
            self.trial.report(row["valid_loss"], tenth)
        self.told = max(self.told, done)
        if done < TENTHS and self.trial.should_prune():
            self.pruned = True
            learner.stop()


def _strong(probe: Any) -> Changes:
    """The changes that a strength of 1 stands for."""
    pictures = probe.augmentation.kind is Augment and not probe.augmentation.photos
    return Augment.digits() if pictures else probe.augmentation.kind.usual(photos=True)


def _is_network(learner: BaseLearner) -> TypeGuard[Learner]:
    return isinstance(learner, Learner)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Nobody else searches in this folder meanwhile. Raises FileError where somebody does."""
    try:
        import fcntl
    except ModuleNotFoundError:  # not POSIX
        yield
        return
    with open(folder / ".lock", "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FileError(
                "another process searches in this folder.", where=folder, fix="Wait for it."
            ) from None
        yield
