"""Hooks: eight moments of training at which your code may look or act. Arguments are passed, not fetched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from drivetrain.errors import UsageError, nearest

if TYPE_CHECKING:
    from torch import Tensor

    from drivetrain.learn.learner import Learner
    from drivetrain.learn.settings import Phase


class Hook:
    """Override what you need. `learner.stop()` in any of them ends training after the batch, resumably.

    `batch[field]` are the encoded rows of a field, on the device; change them in place or assign others. Where a batch
    makes several updates (`learn/objectives`), `on_loss` comes before each, and `on_batch_end` has the last one's loss.
    """

    def on_fit_start(self, learner: Learner, phase: Phase) -> None: ...

    def on_epoch_start(self, learner: Learner, epoch: int) -> None: ...

    def on_batch_start(self, learner: Learner, batch: dict[str, Tensor]) -> None: ...

    def on_loss(self, learner: Learner, loss: Tensor) -> None: ...

    def on_batch_end(self, learner: Learner, step: int, loss: float) -> None: ...

    def on_epoch_end(self, learner: Learner, row: dict[str, Any]) -> None: ...

    def on_stop(self, learner: Learner) -> None: ...

    def on_fit_end(self, learner: Learner, phase: Phase) -> None: ...


def checked(hooks: Sequence[Hook]) -> list[Hook]:
    """The hooks as a list. Raises UsageError for what is no hook, and for a method at a moment that there is not."""
    moments = [name for name in vars(Hook) if name.startswith("on_")]
    if not isinstance(hooks, (list, tuple)) or not all(isinstance(hook, Hook) for hook in hooks):
        raise UsageError(
            "hooks must be a list of objects, each of a class derived from drivetrain.Hook.",
            where="hooks", fix="Give for instance hooks=[Watch()], with brackets around and behind.",
        )  # fmt: skip
    for hook in hooks:
        for name in dir(hook):
            if name.startswith("on_") and name not in moments:
                raise UsageError(
                    f"{type(hook).__name__} has a method {name}, and there is no such moment.",
                    where="hooks", fix=nearest(name, moments) or f"The moments are {', '.join(moments)}.",
                )  # fmt: skip
    return list(hooks)


def overridden(hooks: Sequence[Hook], moment: str) -> list[Callable[..., None]]:
    """The methods that do something at a moment; the loop pays nothing for the others."""
    return [
        getattr(hook, moment) for hook in hooks if getattr(type(hook), moment) is not getattr(Hook, moment)
    ]
