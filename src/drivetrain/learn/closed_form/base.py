"""A learner whose model is solved for in moments: a run keeps no weights, for it is solved anew sooner than they are read."""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import Any

from drivetrain.arguments import public
from drivetrain.data.refit import whole
from drivetrain.learn.base import refuse_plan
from drivetrain.learn.runs.folder import Run
from drivetrain.learn.without_epochs import WithoutEpochs
from drivetrain.types import Array


class Solved(WithoutEpochs):
    """A subclass gives `_solve`. When it has been measured it is solved again with all rows but the test's, and that is what
    answers and goes into a bundle (see `BaseLearner.shipped`)."""

    def _begin(self) -> None:
        self._seconds = 0.0

    @abstractmethod
    def _solve(self) -> None:
        """Fit to the training rows."""

    # --- training -----------------------------------------------------------------------------------------

    @public
    def fit(self, *plan: Any, **named: Any) -> dict[str, Any]:
        """Solve, and give the result (see `finish`)."""
        refuse_plan(self, plan, named)
        self._start_run()
        self._write_config(model={"name": self.name, "module": ""}, augment={}, phases=[])
        return self.go_on()

    def solve(self) -> None:
        """The model of the training rows, and of all but the test's; no run, no result."""
        self._outputs.clear()
        started = time.perf_counter()
        self._solve()
        self._seconds = time.perf_counter() - started
        if self.conclusion is not None and not self.brief and len(self.data.rows("valid")):
            again = type(self)(whole(self.data), bare=True, **self.chosen_settings())
            again._solve()
            self._shipped = again

    def chosen_settings(self) -> dict[str, Any]:
        """The settings, with what was chosen in training."""
        return self.settings.to_json()

    def choices(self) -> dict[str, dict[str, Any]]:
        chosen = {name: value for name, value in self.chosen_settings().items() if value is not None}
        return {"training": chosen}

    def go_on(self) -> dict[str, Any]:
        """A run that was not finished is solved anew."""
        self.solve()
        return self.finish()

    @property
    def epochs(self) -> int:
        return int(self.trained)

    @property
    def seconds(self) -> float:
        return self._seconds

    def predict_part(self, part: str) -> dict[str, Array]:
        return self.run_arrays(self.data.part(part).batch())

    # --- the run ------------------------------------------------------------------------------------------

    def _restore(self, run: Run) -> None:
        if run.read_result() is not None:
            self.solve()
