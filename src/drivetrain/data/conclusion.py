"""What follows a training. It is made above the rooms that train and comes to them with the data, so that none of them
imports what is made of their work."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol


class Conclusion(Protocol):
    """The learner's verbs that reach above `learn`: see `drivetrain.tasks.conclusion`."""

    def finish(self, learner: Any) -> dict[str, Any]:
        """The result of a trained model; its run has it too, with a report."""
        ...

    def finish_beside(self, learner: Any) -> None:
        """What `finish` leaves in a learner, in a process that is not the first."""
        ...

    def interpret(self, learner: Any, part: str, target: str | None) -> Any:
        """Where it goes wrong, on one target."""
        ...

    def export(self, learner: Any, path: str | Path, force: bool) -> Path:
        """A bundle, verified."""
        ...
