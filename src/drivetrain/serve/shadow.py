"""Versions that are asked too: what they say is compared with what was answered, counted and recorded, and given to nobody.

A caller never waits for a shadow, and gets no error from it: it is asked after the answer, behind all that waits (`PRIORITY`), and
left out where there are too many already.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.bundle.verify import value_difference
from drivetrain.errors import DrivetrainError
from drivetrain.serve.batcher import Kind
from drivetrain.serve.ports import longest
from drivetrain.serve.recording import record_items, record_tensors
from drivetrain.serve.router import Lease
from drivetrain.serve.servable import Servable
from drivetrain.serve.tensors import check_feeds
from drivetrain.serve.types import Request
from drivetrain.types import Answer, Array, Failure

if TYPE_CHECKING:
    from drivetrain.serve.server import Server

MOST = 64
"""Requests whose shadows are at work; those beyond have none."""
PRIORITY = -(2**31)
ALIKE = 0.01
"""Numbers that differ by no more, of their size above 1, are the same answer."""


class Shadows:
    """Of one worker's server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._tasks: set[asyncio.Task[None]] = set()

    def items(
        self, lease: Lease, items: Sequence[Any], options: Mapping[str, Any], answers: Sequence[Any], request: Request
    ) -> None:  # fmt: skip
        """Ask the shadows of a lease for the same items."""

        async def ask(shadow: Servable, digest: int, alone: bool) -> Counted:
            begun = time.perf_counter()
            with self.server.quarantine.running((digest,)):
                read = await self.server.in_thread(shadow.read, items)
            kind = Kind(
                False, True, tuple(sorted(options.items())), alone=digest if alone else 0, large=request.large
            )
            others = await self.server.batcher(shadow).submit_items(
                read, kind, priority=PRIORITY, digest=digest
            )
            with suppress(DrivetrainError):  # Where records are required, they are so of what is answered.
                seconds = time.perf_counter() - begun
                await record_items(self.server, shadow, items, others, seconds, request, "shadow")
            return await self.server.in_thread(compared, shadow, answers, others)

        self._begin(lease, request, ask)

    def tensors(
        self, lease: Lease, feeds: Mapping[str, Array], outputs: Mapping[str, Array], request: Request
    ) -> None:  # fmt: skip
        """The same of arrays, where the shadow takes such."""

        async def ask(shadow: Servable, digest: int, alone: bool) -> Counted:
            if shadow.graph is None:
                raise DrivetrainError("it takes no tensors.")
            begun = time.perf_counter()
            check_feeds(shadow, feeds)
            encoded, rows = await self.server.in_thread(shadow.graph.feeds, feeds)
            kind = Kind(
                True,
                length=longest(encoded, shadow.graph.codecs),
                alone=digest if alone else 0,
                large=request.large,
            )
            others = await self.server.batcher(shadow).submit(
                encoded, rows, kind, priority=PRIORITY, digest=digest
            )
            with suppress(DrivetrainError):
                seconds = time.perf_counter() - begun
                await record_tensors(self.server, shadow, encoded, others, seconds, request, "shadow")
            same = all(name in others and alike(outputs[name], others[name]) for name in outputs)
            return {"same" if same else "different": 1}

        self._begin(lease, request, ask)

    def _begin(
        self, lease: Lease, request: Request, ask: Callable[[Servable, int, bool], Awaitable[Counted]]
    ) -> None:
        callers_wait = self.server.batcher(lease.servable).rows > 0
        if len(self._tasks) >= MOST or callers_wait:
            for shadow in lease.shadows:
                self._count(lease, shadow, {"left_out": 1})
            return
        task = asyncio.create_task(self._all(lease.hold(), request, ask))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _all(
        self, lease: Lease, request: Request, ask: Callable[[Servable, int, bool], Awaitable[Counted]]
    ) -> None:
        quarantine = self.server.quarantine
        with lease:
            for shadow in lease.shadows:
                digest = quarantine.digest(shadow.name, shadow.version, request.body or request.id)
                try:
                    with quarantine.trial(digest) as alone:
                        found = await ask(shadow, digest, alone)
                except Exception:  # noqa: BLE001
                    # Whatever ails a shadow is its own: nobody is to hear of it but who compares.
                    found = {"failed": 1}
                self._count(lease, shadow, found)

    def _count(self, lease: Lease, shadow: Servable, found: Counted) -> None:
        served = lease.servable
        for outcome, count in found.items():
            self.server.counters.shadowed(served.name, served.version, shadow.version, outcome, count)

    async def close(self) -> None:
        """What is under way ends."""
        await asyncio.gather(*self._tasks, return_exceptions=True)


Counted = Mapping[str, int]
""""same", "different", "failed" or "left_out" -> answers."""


def compared(shadow: Servable, answers: Sequence[Any], others: Sequence[Any]) -> Counted:
    """How many of the answers are the same."""
    counts = dict.fromkeys(("same", "different", "failed"), 0)
    for answer, other in zip(answers, others):
        if isinstance(other, Failure):
            counts["same" if isinstance(answer, Failure) else "failed"] += 1
        elif isinstance(answer, Failure):
            counts["different"] += 1
        else:
            counts["same" if _same(shadow, answer, other) else "different"] += 1
    return {outcome: count for outcome, count in counts.items() if count}


def _same(shadow: Servable, answer: Any, other: Any) -> bool:
    """Where something is chosen (a label), whether it is the same; else whether all numbers are, to `ALIKE`."""
    if not (isinstance(answer, Answer) and isinstance(other, Answer)):
        mine, its = ({**one.to_json(), "input": ""} for one in (answer, other))
        return value_difference(its, mine) <= ALIKE
    if answer.targets.keys() != other.targets.keys():
        return False
    for name, said in answer.targets.items():
        chosen, its = shadow.bundle.signature.targets[name].choices, other.targets[name]
        if any(said.get(part) != its.get(part) for part in chosen):
            return False
        if not chosen and not value_difference(its, said) <= ALIKE:
            return False
    return True


def alike(mine: Array, its: Array) -> bool:
    """Whether two arrays of outputs are the same, to `ALIKE`."""
    if mine.shape != its.shape or mine.dtype != its.dtype:
        return False
    if mine.dtype.kind not in "fiub":
        return bool((mine == its).all())
    return np.allclose(its, mine, rtol=ALIKE, atol=ALIKE, equal_nan=True)
