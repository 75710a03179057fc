"""Rows of several callers in one run of a model's graph.

Whatever waits when the model is free goes together, so batches are as large as the load makes them, and nobody waits for company
that may not come (unless `delay_ms` says so). What takes next to no time is run in the event loop itself; all else in a thread,
where onnxruntime lets other threads go on, one run at a time of each model: it uses all cores as it is.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import time
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from drivetrain.errors import one_line
from drivetrain.serve.settings import Batching
from drivetrain.serve.types import Refusal

INLINE = 0.001
"""Seconds that the event loop may stand still for a batch."""

Run = Callable[[Hashable, list[Any]], list[Any]]
"""(kind, what several works hold) -> the result for each. Raises for all of them together."""


@dataclass(slots=True, eq=False)
class Work:
    """What one request asks, waiting: `rows` of it, of a `kind` that goes together with its like."""

    held: Any
    rows: int
    kind: Hashable
    arrived: float
    until: float
    answered: asyncio.Future[Any]


@dataclass(slots=True)
class Statistics:
    """What a version has done since it was loaded, as the statistics extension of the Open Inference Protocol counts it: requests,
    and nanoseconds of all of them together."""

    requests: int = 0
    rows: int = 0
    runs: int = 0
    succeeded_ns: int = 0
    failed: int = 0
    failed_ns: int = 0
    queued_ns: int = 0
    run_ns: int = 0
    last: float = 0.0
    """time.time() of the last run."""
    batches: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    """Rows of a run -> [how many there were, nanoseconds of all]."""


class Batcher:
    """The queue of one version of a model. All but `run` happens in the event loop's thread."""

    def __init__(
        self,
        run: Run,
        seconds: Callable[[int], float],
        batching: Batching,
        patience: float,
        in_thread: Callable[..., Awaitable[Any]],
    ) -> None:
        """`seconds` says about how long so many rows take, `patience` how long they may wait where `batching` doesn't."""
        self._run, self._seconds, self._in_thread = run, seconds, in_thread
        self.most, self._delay, self._queue = batching.most, batching.delay_ms / 1e3, batching.queue
        self._patience = batching.deadline_ms / 1e3 or patience
        self._waiting: list[
            tuple[int, int, Work]
        ] = []  # A heap: the greatest priority first, then who came first.
        self._numbers = count()
        self._called = self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self.rows = 0
        """That wait."""
        self.running = 0
        self.statistics = Statistics()

    async def submit(self, held: Any, rows: int, kind: Hashable = (), priority: int = 0) -> Any:
        """What `run` makes of it. Raises Refusal (503) where too much waits already, and where it has waited too long."""
        loop = asyncio.get_running_loop()
        if self.rows and self.rows + rows > self._queue:
            raise self._full("too many requests wait for this model.")
        now = time.monotonic()
        work = Work(held, rows, kind, now, now + self._patience, loop.create_future())
        heapq.heappush(self._waiting, (-priority, next(self._numbers), work))
        self.rows += rows
        if not self._called and not self._busy:
            self._called = True
            loop.call_soon(self._next)
        elif self._busy and self._timer is None:
            self._timer = loop.call_at(loop.time() + self._patience, self._refuse_late)
        try:
            return await work.answered
        except asyncio.CancelledError:
            work.answered.cancel()  # Whoever asked has gone: it leaves the queue.
            raise

    def _next(self) -> None:
        """Run what waits, for as long as that can be done here; the rest is run when the event loop comes round again."""
        self._called = False
        if self._busy or not self._waiting:
            return
        if self._delay and self.rows < self.most:
            due = min(work.arrived for _, _, work in self._waiting) + self._delay - time.monotonic()
            if due > 0:
                self._called = True
                asyncio.get_running_loop().call_later(due, self._next)
                return
        works = self._taken()
        if not works:
            return
        rows = sum(work.rows for work in works)
        if self._seconds(rows) <= INLINE:
            self._finish(works, self._attempt(works))
            self._again()
            return
        self._busy, self.running = True, rows
        done = asyncio.ensure_future(self._in_thread(self._attempt, works))
        done.add_done_callback(lambda task: self._came(works, task))

    def _again(self) -> None:
        if self._waiting and not self._called:
            self._called = True
            asyncio.get_running_loop().call_soon(self._next)

    def _came(self, works: list[Work], task: asyncio.Future[list[Any]]) -> None:
        self._busy, self.running = False, 0
        fault = RuntimeError("it was ended") if task.cancelled() else task.exception()
        self._finish(works, [fault] * len(works) if fault else task.result())
        self._again()

    def _taken(self) -> list[Work]:
        """The next batch: of one kind, `most` rows at most unless the first alone has more. What is late is refused."""
        taken: list[Work] = []
        others: list[tuple[int, int, Work]] = []
        rows, now = 0, time.monotonic()
        while self._waiting and rows < self.most:
            entry = heapq.heappop(self._waiting)
            work = entry[2]
            if work.answered.done():
                self.rows -= work.rows
            elif work.until < now:
                self.rows -= work.rows
                work.answered.set_exception(self._full("it has waited too long for this model."))
            elif taken and (work.kind != taken[0].kind or rows + work.rows > self.most):
                others.append(entry)
                if len(others) > self.most:
                    break
            else:
                taken.append(work)
                rows += work.rows
        for entry in others:
            heapq.heappush(self._waiting, entry)
        self.rows -= rows
        return taken

    def _attempt(self, works: Sequence[Work]) -> list[Any]:
        """The result of each work, or the exception. One that can't be run never takes the others with it: then each is run by
        itself."""
        begun = time.perf_counter_ns()
        found: list[Any]
        try:
            found = self._run(works[0].kind, [work.held for work in works])
        except Exception as fault:  # noqa: BLE001 - it is theirs whose work it was.
            if len(works) == 1:
                return [fault]
            found = [self._attempt([work])[0] for work in works]
        self._count(works, time.perf_counter_ns() - begun)
        return found

    def _count(self, works: Sequence[Work], took: int) -> None:
        told, rows = self.statistics, sum(work.rows for work in works)
        told.runs += 1
        told.rows += rows
        told.run_ns += took
        told.last = time.time()
        batch = told.batches.setdefault(rows, [0, 0])
        batch[0] += 1
        batch[1] += took

    def _finish(self, works: Sequence[Work], found: Sequence[Any]) -> None:
        for work, each in zip(works, found):
            if work.answered.done():
                continue
            if isinstance(each, BaseException):
                work.answered.set_exception(each)
            else:
                work.answered.set_result(each)

    def _refuse_late(self) -> None:
        """While a run takes long, what waits behind it is still refused in time."""
        self._timer = None
        now = time.monotonic()
        for _, _, work in self._waiting:
            if work.until <= now and not work.answered.done():
                work.answered.set_exception(self._full("it has waited too long for this model."))
        if self._waiting:
            loop = asyncio.get_running_loop()
            due = min(
                (work.until for _, _, work in self._waiting if not work.answered.done()),
                default=now + self._patience,
            )
            self._timer = loop.call_at(loop.time() + max(due - now, 0.01), self._refuse_late)

    def _full(self, error: str) -> Refusal:
        later = max(1, math.ceil(self._seconds(self.rows + self.running)))
        return Refusal(
            503, one_line(error), fix=f"Ask again in {later} s.", headers={"Retry-After": str(later)}
        )
