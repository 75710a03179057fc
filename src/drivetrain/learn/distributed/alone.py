"""What several processes do together, as one process does it that is alone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from drivetrain.data.share import Share
from drivetrain.errors import DrivetrainError, UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


def from_environment(name: str, otherwise: int) -> int:
    """A whole number that torchrun has set."""
    try:
        return int(os.environ.get(name) or otherwise)
    except ValueError:
        raise UsageError(f"{os.environ[name]!r} is not a whole number.", where=name) from None


class Processes:
    """This process alone: nothing to share, nobody to wait for."""

    rank, count = 0, 1
    apart = True
    """Whether nothing is exchanged for now."""
    shards = False
    """Whether the network that trains now is in shards."""
    idle = False
    """Whether the batch that is trained on has no row for this process."""

    @property
    def first(self) -> bool:
        return self.rank == 0

    def device(self) -> torch.device:
        """Where this process trains by default."""
        import torch

        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def join(self, network: Any, device: torch.device, shard: bool) -> Any:
        """The network on the device, ready to be trained by all: with the first one's weights, and batch norm over
        whole batches."""
        import torch

        return network.to(device, memory_format=torch.channels_last)

    def share(self, rows: int) -> Share | None:
        """This process's part of a batch of so many rows; None: all of it."""
        return None

    def part_of_mean(self, losses: Tensor, share: Share, weights: Tensor | None = None) -> Tensor:
        """Of the losses (n,) of this process's rows, what they add to the mean of the whole batch. `weights` is the
        sum of the weights of these rows, where the mean is a weighted one."""
        raise NotImplementedError

    def totals(self, loss: Tensor, error: Tensor | None) -> tuple[float, float]:
        """The loss and the sum of errors of the whole batch, of which these are a part."""
        return loss.item(), 0.0 if error is None else error.item()

    def agreed(self, wish: bool) -> bool:
        """Whether all stop after this step; a wish is known to all one step later."""
        return wish

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """Each flag, true where it is true in any process."""
        return flags

    def sums(self, *values: float) -> tuple[float, ...]:
        """The values added up over the processes."""
        return values

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Make of each process's gradients those of the whole batch."""

    def sum(self, tensor: Tensor) -> Tensor:
        """The tensor added up over the processes, in place."""
        return tensor

    def joined(self, parts: Sequence[Tensor], shares: Sequence[Share | None]) -> Tensor:
        """Rows that were computed in shares, all of them in order."""
        import torch

        return torch.cat(list(parts))

    def same_weights(self, *modules: nn.Module) -> None:
        """Give every process the first one's weights."""

    def same_fault(self, fault: DrivetrainError, mine: bool) -> DrivetrainError:
        """The fault as the first process that has it for its own tells it."""
        return fault

    def own_chance(self, *numbers: int) -> None:
        """Give torch's generator, which draws dropout, a stream of its own in each process but the first."""

    def from_first(self, act: Callable[[], Any]) -> Any:
        """What `act` gives (JSON) in the first process, for all. The others wait as long as it takes."""
        return act()

    @contextmanager
    def first_on_machine(self) -> Iterator[None]:
        """One process of each machine goes ahead; the others follow, and find what it has kept."""
        yield

    @contextmanager
    def watch(self) -> Iterator[None]:
        """What stops this process inside is told to the others."""
        yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nothing is exchanged inside."""
        yield

    def tells(self, fault: DrivetrainError) -> bool:
        """Whether this process is the one to tell a person of the fault."""
        return True

    def told(self) -> None:
        """Say to the others that a person has been told."""

    def wait_until_told(self, seconds: float) -> None:
        """Wait for another process to have told a person, so long at most."""
        time.sleep(seconds)
