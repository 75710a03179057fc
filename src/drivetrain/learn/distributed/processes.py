"""Training on several processes: those that torchrun has started share every batch and go on as if they were one.

A process takes its stretch of each batch (`Share`), the gradients are added up, so that the step is that of the whole
batch, and every process makes the same one. The first process writes and speaks. With one process all of this is
`Processes` (alone.py); with several `Group`, of process_group.py. What was chosen and why: docs/decisions/distribution.md.

Torch is imported when there are several processes, so that asking costs nothing.
"""

from __future__ import annotations

import atexit
import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from drivetrain import limits
from drivetrain.errors import DrivetrainError, UsageError
from drivetrain.learn.distributed.alone import Processes, from_environment

if TYPE_CHECKING:
    pass

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
