"""What waits for a model goes together: who goes first, who waits too long, who goes away, and whose rows can't be run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from serving import a_server, golden_items, run, servable

from drivetrain.serve.batcher import Batcher, Kind, Ran, Watch, Work
from drivetrain.serve.path import answer_items, answer_tensors
from drivetrain.serve.settings import Batching, Limits, ModelSettings, Settings
from drivetrain.serve.types import Asked, Refusal, Request

KIND, USUAL = Kind(False), Batching()


class Model:
    """Doubles numbers; notes its batches. What is `bad` can't be run, and takes whoever is with it along."""

    def __init__(self, takes: float = 0.0) -> None:
        self.takes, self.batches = takes, list[list[Any]]()

    def run(self, works: Sequence[Work]) -> Ran:
        held = [work.held for work in works]
        self.batches.append(held)
        time.sleep(self.takes)
        if "bad" in held:
            raise ValueError("it can't be run")
        return Ran([2 * each for each in held])

    def seconds(self, rows: int) -> float:
        return self.takes


class Told(Watch):
    def __init__(self) -> None:
        self.waiting_rows, self.why, self.rows = 0, list[str](), list[int]()

    def ran(self, works: Sequence[Work], rows: int, queued: float, ran: Ran) -> None:
        assert 0 <= queued < 5
        self.rows.append(rows)

    def waiting(self, change: int) -> None:
        self.waiting_rows += change

    def refused(self, reason: str) -> None:
        self.why.append(reason)


def batcher(
    model: Model, batching: Batching = USUAL, patience: float = 10.0, told: Watch | None = None
) -> Batcher:
    async def in_thread(function: Callable[..., Any], *given: Any) -> Any:
        return await asyncio.to_thread(function, *given)

    return Batcher(model.run, model.seconds, batching, patience, in_thread, told)


def test_what_comes_at_once_is_one_run_and_large_batches_are_parted() -> None:
    model, told = Model(), Told()

    async def main() -> list[Any]:
        queue = batcher(model, Batching(most=4), told=told)
        return await asyncio.gather(*(queue.submit(n, 1, KIND) for n in range(10)))

    assert run(main()) == [2 * n for n in range(10)]
    assert [len(batch) for batch in model.batches] == [4, 4, 2]
    assert told.rows == [4, 4, 2]
    assert told.waiting_rows == 0


def test_while_a_model_is_at_work_the_others_gather() -> None:
    model, told = Model(takes=0.05), Told()

    async def main() -> None:
        queue = batcher(model, told=told)
        first = queue.submit("a", 1, KIND)
        await asyncio.sleep(0.02)
        rest = [queue.submit(letter, 1, KIND) for letter in "bcd"]
        assert told.waiting_rows == 3
        await asyncio.gather(first, *rest)

    run(main())
    assert model.batches == [["a"], ["b", "c", "d"]]
    assert told.waiting_rows == 0


def test_one_that_cannot_be_run_fails_alone() -> None:
    model = Model()

    async def main() -> list[Any]:
        queue = batcher(model)
        return await asyncio.gather(
            *(queue.submit(each, 1, KIND) for each in (1, "bad", 3)), return_exceptions=True
        )

    first, bad, last = run(main())
    assert (first, last) == (2, 6)
    assert isinstance(bad, ValueError)


def test_the_greater_priority_goes_first_and_kinds_are_not_mixed() -> None:
    model = Model(takes=0.03)

    async def main() -> None:
        queue = batcher(model, Batching(most=2))
        first = queue.submit("first", 1, KIND)
        await asyncio.sleep(0.01)
        rest = [
            queue.submit("late", 1, KIND, priority=-5), queue.submit("usual", 1, KIND), queue.submit("other", 1, Kind(True)),
            queue.submit("urgent", 1, KIND, priority=7),
        ]  # fmt: skip
        await asyncio.gather(first, *rest)

    run(main())
    assert model.batches == [["first"], ["urgent", "usual"], ["other"], ["late"]]


def test_too_many_are_refused_at_once_and_may_come_again() -> None:
    model, told = Model(takes=0.05), Told()

    async def main() -> None:
        queue = batcher(model, Batching(queue=4), told=told)
        first = queue.submit(0, 1, KIND)
        await asyncio.sleep(0.02)
        waiting = [queue.submit(n, 2, KIND) for n in (1, 2)]
        with pytest.raises(Refusal, match="too many requests wait") as refusal:
            queue.submit(3, 1, KIND)
        assert refusal.value.status == 503
        assert int(refusal.value.headers["Retry-After"]) >= 1
        waiting[0].cancel()  # Who has gone takes no room.
        assert await queue.submit(3, 1, KIND) == 6
        await first

    run(main())
    assert model.batches == [[0], [2, 3]]
    assert told.why == ["queue"]


def test_who_waits_too_long_is_refused_while_the_run_goes_on() -> None:
    model, told = Model(takes=0.3), Told()

    async def main() -> None:
        queue = batcher(model, Batching(deadline_ms=60), told=told)
        first = queue.submit("slow", 1, KIND)
        await asyncio.sleep(0.02)
        begun = time.monotonic()
        with pytest.raises(Refusal, match="waited too long") as refusal:
            await queue.submit("late", 1, KIND)
        assert 0.04 < time.monotonic() - begun < 0.25
        assert refusal.value.status == 503
        assert await first == "slowslow"

    run(main())
    assert model.batches == [["slow"]]
    assert told.why == ["deadline"]


def test_with_a_delay_rows_wait_for_company_until_there_is_enough() -> None:
    model = Model()

    async def main() -> None:
        queue = batcher(model, Batching(most=3, delay_ms=80))
        begun = time.monotonic()
        first = queue.submit(1, 1, KIND)
        await asyncio.sleep(0.02)
        await asyncio.gather(first, queue.submit(2, 1, KIND))
        assert 0.06 < time.monotonic() - begun < 0.5

    run(main())
    assert model.batches == [[1, 2]]


def test_a_large_request_lets_others_in_between_and_has_the_answers_of_small_ones() -> None:
    model = servable("houses")
    settings = Settings("models", defaults=ModelSettings(batching=Batching(most=3)))
    server, items = a_server(model, settings=settings), golden_items(model)
    asked = Request("POST", "/")

    async def main() -> tuple[Any, Any]:
        return await asyncio.gather(
            answer_items(server, Asked("houses"), items, asked),
            answer_items(server, Asked("houses"), items[:1], asked),
        )

    many, one = run(main())
    alone = [run(answer_items(server, Asked("houses"), [item], asked)).answers[0] for item in items]
    assert [each.to_json() for each in many.answers] == [each.to_json() for each in alone]
    assert one.answers == alone[:1]
    feeds = {
        name: codec.together([case.encoded[name] for case in model.bundle.cases])
        for name, codec in model.bundle.signature.inputs.items()
    }
    found = run(answer_tensors(server, Asked("houses"), feeds, asked))
    assert len(found.outputs["price"]) == len(model.bundle.cases) > 3
    small = a_server(model, settings=replace(settings, limits=Limits(rows=2)))
    with pytest.raises(Refusal, match="rows") as refusal:
        run(answer_items(small, Asked("houses"), items, asked))
    assert refusal.value.status == 413


def test_an_answer_that_nobody_waits_for_is_not_run() -> None:
    model = Model(takes=0.05)

    async def main() -> None:
        queue = batcher(model)
        first = queue.submit("a", 1, KIND)
        await asyncio.sleep(0.02)
        task = asyncio.ensure_future(queue.submit("gone", 1, KIND))
        task.cancel()
        await first
        await asyncio.sleep(0.02)

    run(main())
    assert model.batches == [["a"]]
