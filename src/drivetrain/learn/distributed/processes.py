"""Training on several processes: those that torchrun has started share every batch and go on as if they were one.

A process takes its stretch of each batch (`Share`), the gradients are added up, so that the step is that of the whole
batch, and every process makes the same one. The first process writes and speaks. With one process all of this is
`Processes`, which does nothing; with several `Group` (group.py). What was chosen and why: docs/decisions/distribution.md.

Torch is imported when there are several processes, so that asking costs nothing.
"""

from __future__ import annotations

import atexit
import functools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from drivetrain import limits
from drivetrain.data.share import Share
from drivetrain.errors import DrivetrainError, UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

TIMEOUT = 600.0
"""Seconds that a process waits for the others' part of a sum; `DRIVETRAIN_PROCESS_TIMEOUT` changes it."""

LAST_WORDS = 10.0
"""Seconds, at most, that a process which fails waits for another that has the same to tell."""


def rank() -> int:
    """The number of this process; 0 for the first, and where it is alone."""
    return from_environment("RANK", 0)


def is_first() -> bool:
    """Whether this process is the one that writes and speaks."""
    return rank() == 0 or count() == 1


def count() -> int:
    """How many processes torchrun has started."""
    return from_environment("WORLD_SIZE", 1)


def is_restart() -> bool:
    """Whether torchrun has started the processes again, because one of them was killed or failed."""
    return from_environment("TORCHELASTIC_RESTART_COUNT", 0) > 0


def is_last_try() -> bool:
    """Whether torchrun gives up when a process fails now."""
    restarts = from_environment("TORCHELASTIC_RESTART_COUNT", 0)
    return restarts >= from_environment("TORCHELASTIC_MAX_RESTARTS", 0)


def under_torchrun() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ


@contextmanager
def one_speaker() -> Iterator[None]:
    """Inside, what any process but the first prints goes nowhere."""
    if is_first():
        yield
        return
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


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


@functools.cache
def start() -> Processes:
    """The processes that train together, as torchrun's environment says: joined at the first call, kept afterwards.

    NCCL between GPUs where each process has one of its own, else gloo. Raises UsageError where they can't be joined.
    """
    if count() == 1:
        return Processes()
    import torch
    import torch.distributed as dist

    if not dist.is_available():
        raise UsageError("this build of torch can't train on several processes.", where="torchrun")
    timeout = limits.from_environment("DRIVETRAIN_PROCESS_TIMEOUT", TIMEOUT)
    try:
        store, own, processes = next(iter(dist.rendezvous("env://", timeout=timedelta(seconds=timeout))))
        # torchrun keeps one store over all restarts, with the addresses of processes that are gone.
        restarts = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        store = dist.PrefixStore(f"drivetrain/{restarts}/{processes}", store)
        if not dist.is_initialized():
            cards = torch.cuda.device_count() if dist.is_nccl_available() else 0
            backend = (
                "cpu:gloo,cuda:nccl" if cards >= from_environment("LOCAL_WORLD_SIZE", processes) else "gloo"
            )
            dist.init_process_group(
                backend, store=store, rank=own, world_size=processes, timeout=timedelta(seconds=timeout)
            )
            atexit.register(dist.destroy_process_group)
    except (RuntimeError, ValueError) as fault:
        raise UsageError(
            f"the {count()} processes could not be joined: {str(fault).splitlines()[0]}.", where="torchrun",
            fix="Start them with torchrun, on every machine with the same --rdzv-endpoint.",
        ) from fault  # fmt: skip
    from drivetrain.learn.distributed.process_group import Group

    group = Group(own, processes, store, timeout)
    if torch.cuda.is_available():
        torch.cuda.set_device(group.device())
    return group


def tells(fault: DrivetrainError) -> bool:
    """Whether this process is the one to tell a person of a fault that ends it."""
    joined = _joined()
    if joined.count == 1 and not is_first():
        let_others_speak()  # Whoever comes out of this was the only one with that fault.
    return joined.tells(fault)


def let_others_speak() -> None:
    """Wait for another process to tell before this one fails: torchrun ends all as soon as it sees one fail, in the
    middle of a sentence too."""
    with suppress(KeyboardInterrupt):
        _joined().wait_until_told(LAST_WORDS)


def told() -> None:
    """Let the others fail too, that wait in `let_others_speak`."""
    _joined().told()


def _joined() -> Processes:
    """The processes as far as they have been joined: before that each is alone."""
    return start() if start.cache_info().currsize else Processes()
