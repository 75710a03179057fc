"""One of several processes that train together: what they add up, and what they tell one another.

Numbers go through torch.distributed, words through the key-value store that torchrun keeps, as JSON.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from drivetrain.data.share import Share
from drivetrain.errors import DrivetrainError, Interrupted, TrainingError
from drivetrain.files import from_json, sha256, to_json
from drivetrain.learn.distributed.alone import Processes, from_environment
from drivetrain.learn.distributed.batch_norm import share_norms
from drivetrain.learn.distributed.sharding import shard_network

BUCKET = 1 << 20
"""Gradients are sent in buckets of about so many numbers; what is larger goes as it is, without a copy."""
FAILURE = "drivetrain/failure"
"""The key under which the first process that fails says why."""
TOLD = "drivetrain/told"
"""The key that is set when a person has been told why the processes end."""
LOST = ("gloo", "NCCL", "closed by peer", "reset by peer")
"""What torch says when another process is gone."""
LOOK = 0.2
"""Seconds, at most, between two looks for what another process says."""


class ProcessStopped(TrainingError):
    """Another process has stopped, and so this one can't go on."""


class Group(Processes):
    """One of several processes. What a method sums is summed over all of them, which must all call it."""

    apart = False

    def __init__(self, rank: int, count: int, store: Any, timeout: float) -> None:
        self.rank, self.count, self.store, self.timeout = rank, count, store, timeout
        self.machine = from_environment("GROUP_RANK", 0)
        self.local_rank = from_environment("LOCAL_RANK", rank)
        self._said = 0
        self._wish = self._agreed = False

    # --- set-up -------------------------------------------------------------------------------------------

    def device(self) -> torch.device:
        if not torch.cuda.is_available():
            return torch.device("cpu")
        return torch.device("cuda", self.local_rank % torch.cuda.device_count())

    def join(self, network: Any, device: torch.device, shard: bool) -> Any:
        share_norms(network, self)
        self.same_weights(network)
        if not shard:
            return super().join(network, device, shard)
        return shard_network(network, device, keep=self.first)

    # --- a step -------------------------------------------------------------------------------------------

    def share(self, rows: int) -> Share | None:
        share = Share.of(rows, self.rank, self.count)
        self.idle = share.idle
        return share

    def part_of_mean(self, losses: Tensor, share: Share, weights: Tensor | None = None) -> Tensor:
        whole: Tensor | int = share.total
        if weights is not None:
            whole = self.sum(weights.detach() * (len(share) > 0))
        part = losses.sum() / whole * (len(share) > 0)
        # Shards are averaged by torch where all else is added up.
        return part * self.count if self.shards else part

    def totals(self, loss: Tensor, error: Tensor | None) -> tuple[float, float]:
        mine = loss.new_tensor([0.0, 0.0, float(self._wish)], dtype=torch.float64)
        mine[0] = loss.detach() / (self.count if self.shards else 1)
        mine[1] = 0.0 if error is None else error
        value, wrong, wishes = self.sum(mine).tolist()
        self._agreed = wishes > 0
        return value, wrong

    def agreed(self, wish: bool) -> bool:
        self._wish = wish
        return self._agreed

    def any(self, *flags: bool) -> tuple[bool, ...]:
        return tuple(total > 0 for total in self.sums(*map(float, flags)))

    def sums(self, *values: float) -> tuple[float, ...]:
        return tuple(self.sum(torch.tensor(values, dtype=torch.float64)).tolist())

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """In place. Small gradients travel together in buckets, large ones by themselves, all at the same time."""
        if self.shards:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        travelling = []
        for bucket in _buckets(gradients):
            flat = bucket[0] if len(bucket) == 1 else torch.cat([part.reshape(-1) for part in bucket])
            travelling.append((bucket, flat, self._sum_later(flat)))
        for bucket, flat, work in travelling:
            self._wait_for(work)
            if len(bucket) > 1:
                parts = flat.split([part.numel() for part in bucket])
                torch._foreach_copy_(bucket, [part.view(to.shape) for part, to in zip(parts, bucket)])

    def joined(self, parts: Sequence[Tensor], shares: Sequence[Share | None]) -> Tensor:
        known = [share for share in shares if share is not None]
        whole = parts[0].new_zeros((sum(share.total for share in known), *parts[0].shape[1:]))
        start = 0
        for part, share in zip(parts, known):
            if len(share):
                whole[start + share.start : start + share.stop] = part
            start += share.total
        return self.sum(whole)

    def same_weights(self, *modules: nn.Module) -> None:
        for module in modules:
            for tensor in module.state_dict().values():
                if not hasattr(tensor, "full_tensor"):  # no shard of a tensor
                    with self._faults_of_others():
                        dist.broadcast(tensor.detach(), 0)

    def own_chance(self, *numbers: int) -> None:
        if self.rank:
            torch.manual_seed(int(sha256(repr((self.rank, *numbers)).encode())[:15], 16))

    # --- sums, and what may go wrong with them ------------------------------------------------------------

    def sum(self, tensor: Tensor) -> Tensor:
        self._wait_for(self._sum_later(tensor))
        return tensor

    def _sum_later(self, tensor: Tensor) -> Any:
        with self._faults_of_others():
            return dist.all_reduce(tensor, async_op=True)

    def _wait_for(self, work: Any) -> None:
        with self._faults_of_others():
            work.wait()

    @contextmanager
    def _faults_of_others(self) -> Iterator[None]:
        """What torch says when another process is gone, in words."""
        try:
            yield
        except RuntimeError as fault:
            raise self._stopped(str(fault)) from fault

    def _stopped(self, reason: str = "") -> ProcessStopped:
        failure = self._look(FAILURE)
        if failure is not None:
            told = from_json(failure)
            place = f"{told['where']}: " if told["where"] else ""
            return ProcessStopped(
                f"process {told['rank'] + 1} of {self.count} has stopped: {place}{told['error']}", fix=told["fix"]
            )  # fmt: skip
        if "timed out" in reason.lower() or "timeout" in reason.lower():
            return ProcessStopped(
                f"another process has not answered for {self.timeout:g} seconds.",
                fix="Go on with --resume; DRIVETRAIN_PROCESS_TIMEOUT=SECONDS waits longer.",
            )
        return ProcessStopped(
            "another process has stopped without a word.", fix="Look at what torchrun says of it; go on with --resume."
        )  # fmt: skip

    # --- words --------------------------------------------------------------------------------------------

    def _next_key(self) -> str:
        self._said += 1
        return f"drivetrain/{self._said}"

    def _hear(self, key: str) -> str:
        """Wait for what another process says, for as long as none has failed. One that has failed may have said it before."""
        pause = 0.001
        while True:
            failed = self._look(FAILURE) is not None
            if (said := self._look(key)) is not None:
                return said
            if failed:
                raise self._stopped()
            time.sleep(pause)
            pause = min(2 * pause, LOOK)

    def _look(self, key: str) -> str | None:
        try:
            return self.store.get(key).decode() if self.store.check([key]) else None
        except RuntimeError as fault:
            raise ProcessStopped(
                "the processes have lost one another.", fix="Go on with --resume."
            ) from fault

    def same_fault(self, fault: DrivetrainError, mine: bool) -> DrivetrainError:
        has = torch.zeros(self.count)
        has[self.rank] = float(mine)
        key, teller = self._next_key(), int(self.sum(has).argmax())
        if self.rank == teller:
            self.store.set(key, to_json(fault.to_json()))
        return type(fault)(**from_json(self._hear(key)))

    def from_first(self, act: Callable[[], Any]) -> Any:
        key = self._next_key()
        with self.watch():
            if self.first:
                self.store.set(key, to_json(act()))
            return from_json(self._hear(key))

    @contextmanager
    def first_on_machine(self) -> Iterator[None]:
        key = f"{self._next_key()}/{self.machine}"
        with self.watch():
            if self.local_rank:
                self._hear(key)
            yield
            if not self.local_rank:
                self.store.set(key, "done")

    @contextmanager
    def watch(self) -> Iterator[None]:
        try:
            yield
        except ProcessStopped:
            raise
        except RuntimeError as fault:  # from torch's own exchange, of shards
            if any(word in str(fault) for word in LOST):
                raise self._stopped(str(fault)) from fault
            self._tell_all(TrainingError(f"{type(fault).__name__}: {fault}"))
            raise
        except Exception as fault:
            known = isinstance(fault, DrivetrainError)
            self._tell_all(fault if known else TrainingError(f"{type(fault).__name__}: {fault}"))
            raise

    def _tell_all(self, fault: DrivetrainError) -> None:
        words = to_json({**fault.to_json(), "rank": self.rank})
        with suppress(RuntimeError):  # Without a store they will see it by themselves.
            self.store.compare_set(FAILURE, "", words)

    @contextmanager
    def alone(self) -> Iterator[None]:
        self.apart = True
        try:
            yield
        finally:
            self.apart = False

    def tells(self, fault: DrivetrainError) -> bool:
        """A fault that all have is told once; that another has stopped, by the first process at most."""
        if isinstance(fault, (Interrupted, ProcessStopped)):
            return self.first
        self._tell_all(fault)
        try:
            return self.store.add(f"{TOLD}/{sha256(str(fault).encode())}", 1) == 1
        except RuntimeError:
            return True

    def told(self) -> None:
        with suppress(RuntimeError):
            self.store.set(TOLD, "yes")

    def wait_until_told(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        with suppress(ProcessStopped):
            while self._look(TOLD) is None and time.monotonic() < end:
                time.sleep(LOOK)


def _buckets(gradients: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Neighbours of one dtype and device together, up to BUCKET numbers."""
    bucket: list[Tensor] = []
    for gradient in gradients:
        together = bucket and (bucket[0].dtype, bucket[0].device) == (gradient.dtype, gradient.device)
        if bucket and not (together and sum(part.numel() for part in bucket) + gradient.numel() <= BUCKET):
            yield bucket
            bucket = []
        bucket.append(gradient)
    if bucket:
        yield bucket
