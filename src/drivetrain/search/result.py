"""What came of a search, and how far its best result is to be believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, ClassVar

from drivetrain.figures import rough
from drivetrain.metrics.names import printed
from drivetrain.report.words import value_text

if TYPE_CHECKING:
    from drivetrain.charts import Chart

CONFIDENCE = 1.96
"""Standard errors from a value to the end of its 95 % interval."""


@dataclass(frozen=True, eq=False)
class Tuning:
    """The trials of a search (JSON rows), the best of them, and what the settings had to do with it.

    `importance` has a share for each setting of the best one's model (PED-ANOVA: Watanabe et al. 2023), and is empty for fewer
    than `FEWEST` finished trials of it. `advice` names what may be better and was not searched. `result` is the best
    run's, with its baselines.
    """

    FEWEST: ClassVar[int] = 10

    folder: Path
    metric: str
    higher: bool
    trials: list[dict[str, Any]]
    best: dict[str, Any]
    importance: dict[str, float]
    result: Mapping[str, Any]
    resume: Callable[[], Any] = field(repr=False)
    advice: Sequence[str] = ()

    def learner(self) -> Any:
        """The learner of the best run."""
        return self.resume()

    def export(self, path: str | Path, force: bool = False) -> Path:
        """Write the best model as a bundle, verified."""
        return self.learner().export(path, force=force)

    @property
    def notes(self) -> list[str]:
        """What a person should know of the best value."""
        return [
            *self._gain(),
            *self._flattery(),
            *self.advice,
            *(str(note) for note in self.result.get("notes", [])),
        ]

    def _value(self, value: float) -> str:
        return value_text(self.metric, value)

    def _gain(self) -> list[str]:
        first = [row for row in self.trials if row.get("default", row["trial"] == 1)]
        if any(row["trial"] == self.best["trial"] for row in first):
            of = f" of {self.best['settings']['model']}" if len(first) > 1 else ""
            return [f"no trial was better than the default settings{of}"]
        told = [(row, self._value(row["value"])) for row in first if row["value"] is not None]
        if len(first) == 1:
            return [f"the default settings, trial {row['trial']}, gave {value}" for row, value in told]
        named = [f"{value} of {row['settings']['model']}" for row, value in told]
        return [f"the default settings gave {', '.join(named)}"] if named else []

    def _flattery(self) -> list[str]:
        """How much better than itself the best of so many looks. Of n equally good trials whose values have the
        standard error s, independent of each other, the best one's is expected E s away from the truth, E being the
        expected maximum of n standard normal numbers (Blom's approximation). Trials are measured on the same rows and
        so are not independent: this is the most that it can be."""
        n = sum(row["state"] == "finished" for row in self.trials)
        low, high, test = self.best["low"], self.best["high"], self.best["test"]
        name = printed(self.metric)
        notes = []
        if n > 1:
            told = f"the best of {n} trials was chosen by the rows that it is measured on, so it looks better than it is"
            if low is not None:
                error = (high - low) / (2 * CONFIDENCE)
                expected = NormalDist().inv_cdf((n - 0.375) / (n + 0.25))
                told += (
                    f": of {n} models that are all as good, one would look better by chance alone, by up to "
                )
                told += rough(expected * error)
            notes.append(told)
        if test is not None:
            notes.append(
                f"on the test rows, which no trial has seen, its {name} is {self._value(test['value'])}"
            )
        elif n > 1:
            notes.append(
                "keep a test set that no trial sees, and measure the best one on it (drivetrain evaluate)"
            )
        return notes

    def to_json(self) -> dict[str, Any]:
        """`{"folder", "metric", "best", "trials", "importance", "notes"}`, JSON values only."""
        return {
            "folder": str(self.folder),
            "metric": self.metric,
            "best": self.best,
            "trials": self.trials,
            "importance": self.importance,
            "notes": self.notes,
        }

    @property
    def history_chart(self) -> Chart:
        """What each trial came to, and the best so far."""
        from drivetrain.charts.tuning import trials

        return trials(self.trials, self.metric, self.higher)

    @property
    def importance_chart(self) -> Chart:
        """Which settings made the difference."""
        from drivetrain.charts.tuning import importances

        like = self.best["settings"].get("model")
        alike = sum(
            row["state"] == "finished"
            and row["settings"].get("model") == like
            and row["settings"].keys() >= self.importance.keys()
            for row in self.trials
        )
        of = f" of {like}" if like is not None else ""
        return importances(self.importance, f"What made the difference (a hint, of {alike} trials{of})")

    def _repr_html_(self) -> str:
        return self.history_chart.to_html() + (self.importance_chart.to_html() if self.importance else "")

    def __repr__(self) -> str:
        finished = sum(row["state"] == "finished" for row in self.trials)
        name, value = printed(self.metric), self._value(self.best["value"])
        lines = [
            f"{len(self.trials)} trials, {finished} finished; the best is trial {self.best['trial']}: {name} {value}"
        ]
        lines += [f"  {setting} = {chosen}" for setting, chosen in self.best["settings"].items()]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])
