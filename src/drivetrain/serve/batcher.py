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
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

from drivetrain.serve.settings import Batching
from drivetrain.serve.types import Refusal

LOOK = 1.5e-6
"""Seconds for each that waits, between two looks at who has left a full queue: ten times what a look takes."""
INLINE = 0.001
"""Seconds that the event loop may stand still for a batch."""
LATE = "it has waited too long for this model."


class Kind(NamedTuple):
    """What goes together in a batch is alike in all of this."""

    tensors: bool
    """Arrays, and not items."""
    read: bool = False
    """Whether items were read before they came to the queue."""
    options: tuple[tuple[str, Any], ...] = ()
    length: int = 0
    """About how long rows of different lengths are: what pads a batch is work for nothing."""
    alone: int = 0
    """Of what is to be run by itself, its digest."""
    large: bool = False
    """Whether its rows are larger than those by which was measured how long a run takes."""


@dataclass(slots=True, eq=False)
class Work:
    """What one request asks, waiting: `rows` of it, of a `kind` that goes together with its like. `digest` is by what the
    quarantine knows it."""

    held: Any
    rows: int
    kind: Kind
    digest: int
    arrived: float
    until: float
    answered: asyncio.Future[Any]


class Ran(NamedTuple):
    """What came of a batch: the result or the exception of each work, and how many nanoseconds went where."""

    found: list[Any]
    encode: int = 0
    infer: int = 0
    decode: int = 0


Run = Callable[[list[Work]], Ran]
"""All works are of one kind. Raises what one of them, or all together, can't be had for."""


class Watch:
    """Who is told what a batcher does: counters, for one."""

    def ran(self, works: Sequence[Work], rows: int, queued: float, ran: Ran) -> None:
        """A batch was run, whose works have waited for `queued` seconds together."""

    def waiting(self, change: int) -> None:
        """So many rows more wait than when this was told last."""

    def refused(self, reason: str) -> None:
        """A work was refused: "queue" or "deadline"."""


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
        self._run, self._seconds, self._in_thread, self._watch = run, seconds, in_thread, watch or Watch()
        self.most, self._delay, self._queue = batching.most, batching.delay_ms / 1e3, batching.queue
        self._patience = batching.deadline_ms / 1e3 or patience
        # A heap: the greatest priority first, then who came first.
        self._waiting: list[tuple[int, int, Work]] = []
        self._numbers = count()
        self._called = self._busy = False
        self._timer: asyncio.TimerHandle | None = None
        self.rows = 0
        """That wait."""
        self._look_again = 0.0
        self.running = self._told = 0

    def submit(
        self, held: Any, rows: int, kind: Kind, *, priority: int = 0, digest: int = 0
    ) -> asyncio.Future[Any]:
        """What `run` will make of it; whoever cancels it has left the queue. Raises Refusal (503) where too much waits already;
        the future does where it has waited too long."""
        self.refuse_more(rows)
        loop = asyncio.get_running_loop()
        now = time.monotonic()
        work = Work(held, rows, kind, digest, now, now + self._patience, loop.create_future())
        heapq.heappush(self._waiting, (-priority, next(self._numbers), work))
        self.rows += rows
        if self._busy:
            if self._timer is None:
                self._timer = loop.call_later(self._patience, self._refuse_late)
            self._tell()
        elif not self._called:
            # Not at once: what other connections have sent comes to the same batch. In the loop's next turn it is read, and in the
            # one after that it waits here (batches are larger by half; a turn with nothing to do takes microseconds).
            self._called = True
            loop.call_soon(loop.call_soon, self._next)
        return work.answered

    def submit_items(
        self, items: Sequence[Any], kind: Kind, *, priority: int = 0, digest: int = 0
    ) -> Awaitable[list[Any]]:
        """The same of a list, a row each; of a long one in parts."""
        if len(items) <= self.most:
            return self.submit(items, len(items), kind, priority=priority, digest=digest)
        return self._list_in_parts(items, kind, priority, digest)

    async def _list_in_parts(self, items: Sequence[Any], kind: Kind, priority: int, digest: int) -> list[Any]:
        parts = await self.in_parts(items.__getitem__, len(items), kind, priority=priority, digest=digest)
        return [each for part in parts for each in part]

    async def in_parts(
        self, cut: Callable[[slice], Any], rows: int, kind: Kind, *, priority: int = 0, digest: int = 0
    ) -> list[Any]:
        """What `run` makes of each part of more rows than one run takes, of which `cut` gives some; others get in between."""
        found: list[Any] = []
        for start in range(0, rows, self.most):
            end = min(start + self.most, rows)
            some = cut(slice(start, end))
            found.append(await self.submit(some, end - start, kind, priority=priority, digest=digest))
        return found

    @property
    def full(self) -> bool:
        """Whether not one row more can wait."""
        return 0 < self.rows >= self._queue and self._left() >= self._queue

    def refuse_more(self, rows: int = 1) -> None:
        """Raises Refusal (503) where so many rows more can't wait. Where nothing waits a request may be larger than the queue."""
        if self.rows and self.rows + rows > self._queue and self._left() + rows > self._queue:
            self._watch.refused("queue")
            raise self._full("too many requests wait for this model.")

    def _next(self) -> None:
        """Run the next batch, here or in a thread."""
        self._called = False
        if self._busy or not self._waiting:
            return
        loop = asyncio.get_running_loop()
        if self._delay and self.rows < self.most:
            due = min(work.arrived for _, _, work in self._waiting) + self._delay - time.monotonic()
            if due > 0:
                self._called = True
                loop.call_later(due, self._next)
                return
        works = self._taken()
        if not works:
            return
        rows = sum(work.rows for work in works)
        if not works[0].kind.large and self._seconds(rows) <= INLINE:
            self._finish(works, self._attempt(works))
            if self._waiting:
                self._called = True
                loop.call_soon(self._next)
            return
        self._busy, self.running = True, rows
        self._tell()
        done = asyncio.ensure_future(self._in_thread(self._attempt, works))
        done.add_done_callback(lambda task: self._came(works, task))

    def _came(self, works: list[Work], task: asyncio.Future[Ran]) -> None:
        self._busy, self.running = False, 0
        self._tell()
        fault = RuntimeError("the server was ended") if task.cancelled() else task.exception()
        if self._waiting:
            self._next()  # First the model gets work again.
        self._finish(works, Ran([fault] * len(works)) if fault else task.result())

    def _taken(self) -> list[Work]:
        """The next batch: of one kind, `most` rows at most unless the first alone has more. What is late is refused."""
        taken: list[Work] = []
        others: list[tuple[int, int, Work]] = []
        rows, now = 0, time.monotonic()
        while self._waiting and rows < self.most and len(others) <= self.most:
            entry = heapq.heappop(self._waiting)
            work = entry[2]
            if work.answered.done():  # Whoever asked has gone.
                self.rows -= work.rows
            elif work.until < now:
                self.rows -= work.rows
                self._refuse(work)
            elif taken and (work.kind != taken[0].kind or rows + work.rows > self.most):
                others.append(entry)
            else:
                taken.append(work)
                rows += work.rows
        for entry in others:
            heapq.heappush(self._waiting, entry)
        self.rows -= rows
        return taken

    def _attempt(self, works: list[Work]) -> Ran:
        """What comes of a batch. Where it can't be run, each work is run by itself: one never takes the others with it."""
        try:
            return self._run(works)
        except Exception as fault:  # noqa: BLE001 - it is theirs whose work it was.
            if len(works) == 1:
                return Ran([fault])
            alone = [self._attempt([work]) for work in works]
            return Ran(
                [one.found[0] for one in alone],
                sum(one.encode for one in alone), sum(one.infer for one in alone), sum(one.decode for one in alone),
            )  # fmt: skip

    def _tell(self) -> None:
        """What waits while a run takes long: what is taken at once never waited."""
        if self.rows != self._told:
            self._watch.waiting(self.rows - self._told)
            self._told = self.rows

    def _finish(self, works: list[Work], ran: Ran) -> None:
        for work, each in zip(works, ran.found):
            if work.answered.done():
                continue
            if isinstance(each, BaseException):
                work.answered.set_exception(each)
            else:
                work.answered.set_result(each)
        begun = time.monotonic() - (ran.encode + ran.infer + ran.decode) / 1e9
        rows, queued = 0, 0.0
        for work in works:
            rows += work.rows
            queued += max(begun - work.arrived, 0.0)
        self._watch.ran(works, rows, queued, ran)

    def _refuse_late(self) -> None:
        """While a run takes long, what waits behind it is still refused in time."""
        self._timer = None
        now, due = time.monotonic(), math.inf
        for _, _, work in self._waiting:
            if work.answered.done():
                continue
            if work.until <= now:
                self._refuse(work)
            else:
                due = min(due, work.until)
        if due < math.inf:
            self._timer = asyncio.get_running_loop().call_later(due - now + 0.001, self._refuse_late)

    def _left(self) -> int:
        """The rows that wait, without those of who has gone; looked at now and then, since many may be refused in a moment."""
        now = time.monotonic()
        if now < self._look_again:
            return self.rows
        self._look_again = now + LOOK * len(self._waiting)
        self._waiting = [entry for entry in self._waiting if not entry[2].answered.done()]
        heapq.heapify(self._waiting)
        self.rows = sum(work.rows for _, _, work in self._waiting)
        return self.rows

    def _refuse(self, work: Work) -> None:
        self._watch.refused("deadline")
        work.answered.set_exception(self._full(LATE))

    def _full(self, error: str) -> Refusal:
        later = max(1, math.ceil(self._seconds(self.rows + self.running)))
        return Refusal(503, error, fix=f"Ask again in {later} s.", headers={"Retry-After": str(later)})
