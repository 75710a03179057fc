"""Hooks: eight moments of training at which your code may look or act. Arguments are passed, not fetched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from drivetrain.learn.learner import Learner
    from drivetrain.learn.settings import Phase


class Hook:
    """Override what you need. `learner.stop()` in any of them ends training after the batch, resumably.

    `batch[field]` are the encoded rows of a field, on the device; change them in place or assign others.
    """

    def on_fit_start(self, learner: Learner, phase: Phase) -> None: ...

    def on_epoch_start(self, learner: Learner, epoch: int) -> None: ...

    def on_batch_start(self, learner: Learner, batch: dict[str, Tensor]) -> None: ...

    def on_loss(self, learner: Learner, loss: Tensor) -> None: ...

    def on_batch_end(self, learner: Learner, step: int, loss: float) -> None: ...

    def on_epoch_end(self, learner: Learner, row: dict[str, Any]) -> None: ...

    def on_stop(self, learner: Learner) -> None: ...

    def on_fit_end(self, learner: Learner, phase: Phase) -> None: ...


def overridden(hooks: Sequence[Hook], moment: str) -> list[Callable[..., None]]:
    """The methods that do something at a moment; the loop pays nothing for the others."""
    return [
        getattr(hook, moment) for hook in hooks if getattr(type(hook), moment) is not getattr(Hook, moment)
    ]
