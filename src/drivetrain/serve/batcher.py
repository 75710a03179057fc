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
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from drivetrain.errors import one_line
from drivetrain.serve.settings import Batching
from drivetrain.serve.types import Refusal

INLINE = 0.001
"""Seconds that the event loop may stand still for a batch."""

Run = Callable[[Hashable, list[Any]], list[Any]]
"""(kind, what several works hold) -> the result for each. Raises for all of them together."""


class Watch(Protocol):
    """Who looks on: where what a run takes is counted, and what is at work is known if the process dies of it."""

    def waiting(self, change: int) -> None:
        """So many rows more wait."""

    def running(self, digests: Sequence[int]) -> AbstractContextManager[None]:
        """Around a run, in whichever thread."""
        ...

    def ran(self, rows: int, requests: int, queued: int, took: int) -> None:
        """A run has ended: over `rows` rows of `requests` requests that had waited `queued` ns together, and it took `took` ns."""


class NoWatch:
    """Nobody looks on."""

    def waiting(self, change: int) -> None: ...

    def running(self, digests: Sequence[int]) -> AbstractContextManager[None]:
        return nullcontext()

    def ran(self, rows: int, requests: int, queued: int, took: int) -> None: ...


@dataclass(slots=True, eq=False)
class Work:
    """What one request asks, waiting: `rows` of it, of a `kind` that goes together with its like, unless it is to be run `alone`.
    `digest` stands for the request (see `quarantine.py`)."""

    held: Any
    rows: int
    kind: Hashable
    arrived: float
    until: float
    answered: asyncio.Future[Any]
    digest: int
    alone: bool


class Batcher:
    """The queue of one version of a model. All but `run` happens in the event loop's thread."""

    def __init__(
        self,
        run: Run,
        seconds: Callable[[int], float],
        batching: Batching,
        patience: float,
        in_thread: Callable[..., Awaitable[Any]],
        watch: Watch | None = None,
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
        self._watch: Watch = watch or NoWatch()
        self._ran: list[tuple[int, int, int, int]] = []
        """What is to be told of runs: they may be made in a thread, and are counted in the event loop's."""

    async def submit(
        self,
        held: Any,
        rows: int,
        kind: Hashable = (),
        priority: int = 0,
        *,
        digest: int = 0,
        alone: bool = False,
    ) -> Any:
        """What `run` makes of it. Raises Refusal (503) where too much waits already, and where it has waited too long."""
        loop = asyncio.get_running_loop()
        if self.rows and self.rows + rows > self._queue:
            raise self._full("too many requests wait for this model.")
        now = time.monotonic()
        work = Work(held, rows, kind, now, now + self._patience, loop.create_future(), digest, alone)
        heapq.heappush(self._waiting, (-priority, next(self._numbers), work))
        self._count(rows)
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
        rows, gone, now = 0, 0, time.monotonic()
        while self._waiting and rows < self.most:
            entry = heapq.heappop(self._waiting)
            work = entry[2]
            if work.answered.done():
                gone += work.rows
            elif work.until < now:
                gone += work.rows
                work.answered.set_exception(self._full("it has waited too long for this model."))
            elif taken and (
                work.kind != taken[0].kind or rows + work.rows > self.most or work.alone or taken[0].alone
            ):
                others.append(entry)
                if len(others) > self.most:
                    break
            else:
                taken.append(work)
                rows += work.rows
        for entry in others:
            heapq.heappush(self._waiting, entry)
        self._count(-rows - gone)
        return taken

    def _count(self, change: int) -> None:
        """So many rows more wait."""
        if change:
            self.rows += change
            self._watch.waiting(change)

    def _attempt(self, works: Sequence[Work]) -> list[Any]:
        """The result of each work, or the exception. One that can't be run never takes the others with it: then each is run by
        itself."""
        waited, begun = time.monotonic(), time.perf_counter_ns()
        found: list[Any]
        try:
            with self._watch.running([work.digest for work in works if work.digest]):
                found = self._run(works[0].kind, [work.held for work in works])
        except Exception as fault:  # noqa: BLE001 - it is theirs whose work it was.
            if len(works) == 1:
                return [fault]
            return [self._attempt([work])[0] for work in works]
        queued = sum(waited - work.arrived for work in works)
        rows = sum(work.rows for work in works)
        self._ran.append((rows, len(works), int(queued * 1e9), time.perf_counter_ns() - begun))
        return found

    def _finish(self, works: Sequence[Work], found: Sequence[Any]) -> None:
        while self._ran:
            self._watch.ran(*self._ran.pop())
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
