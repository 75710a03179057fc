"""A learner without epochs: made of its data and its settings, it finds out itself how long it is trained."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from drivetrain.arguments import public
from drivetrain.data.dataset import Dataset
from drivetrain.learn.applies import refuse_pointless
from drivetrain.learn.base import BaseLearner
from drivetrain.learn.settings import Record, settings_without_epochs, telling


class WithoutEpochs(BaseLearner):
    """A subclass has a `name`, its `kind` of settings, and says what it can't learn from.

    Options are those settings, and those of the run (`out`, `force`, `quiet`, `bare`). Raises UsageError for other options
    and data that are not the model's, TrainingError where there is nothing to learn from.
    """

    name: ClassVar[str]
    kind: ClassVar[type[Record]]

    @public
    def __init__(
        self,
        data: Dataset,
        *,
        out: str | Path | None = None,
        force: bool = False,
        quiet: bool = False,
        bare: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(data, out, force, quiet, bare)
        self.model_name = self.name
        self.settings = settings_without_epochs(self.kind, options, self.name)  # type: ignore[assignment]
        refuse_pointless(data, self.name, telling(options))
        self._begin()
        self._refuse_unfit()
        self.notes = [*data.notes, *self._first_notes()]
        self._note_data()

    def _begin(self) -> None:
        """Set what training will fill."""

    @abstractmethod
    def _refuse_unfit(self) -> None:
        """Raise UsageError or TrainingError for data that are not this model's."""

    def _first_notes(self) -> list[str]:
        """What a person should know before it is trained."""
        return []
