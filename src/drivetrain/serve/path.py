"""The way of a request through the server, on one page.

    parse -> READ -> encode -> BATCH -> SESSION -> decode -> RECORD -> render

A protocol (`protocols/`, `grpc/`) parses what came over the network and renders what goes back; all between is here: raw items
come in by `answer_items`, arrays by `answer_tensors`, and what is written piece by piece goes out by `Pieces`. Items and arrays
wait in the queue of the version that is to answer (`batcher.py`), and what waits there together is answered together, by
`run_together`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.errors import BundleError, DrivetrainError, UsageError
from drivetrain.runtime.generator import Piece
from drivetrain.serve import recording
from drivetrain.serve.batcher import INLINE, Batcher, Kind, Ran, Work
from drivetrain.serve.ports import TensorGraph, joined, longest
from drivetrain.serve.programs.base import Servable
from drivetrain.serve.tensors import check_feeds, check_outputs
from drivetrain.serve.types import Asked, Refusal, Request
from drivetrain.types import Answer, Array, Failure

if TYPE_CHECKING:
    from drivetrain.serve.router import Lease
    from drivetrain.serve.server import Server


TENSORS = Kind(True)


@dataclass(slots=True, kw_only=True)
class _Given:
    """By which version something was answered, in how many seconds, and what it was recorded as."""

    servable: Servable
    seconds: float
    record_ids: Sequence[str | None] = ()

    @property
    def model(self) -> str:
        return self.servable.name

    @property
    def version(self) -> int:
        return self.servable.version

    @property
    def hash(self) -> str:
        return self.servable.hash


@dataclass(slots=True)
class Answered(_Given):
    """An answer, or why there is none, for each item."""

    answers: list[Answer | Failure]


@dataclass(slots=True)
class AnsweredTensors(_Given):
    """The outputs that were asked for, rows first."""

    outputs: dict[str, Array]


# --- the way of raw items -------------------------------------------------------------------------------------


async def answer_items(
    server: Server,
    asked: Asked,
    items: Sequence[Any],
    request: Request,
    *,
    priority: int = 0,
    options: Mapping[str, Any] | None = None,
) -> Answered:
    """Raw items, or in the place of one the error that it couldn't be parsed for -> answers. Raises Refusal where the whole can't
    be had, UsageError for options that can't be meant."""
    begun = time.perf_counter()
    with server.router.lease(asked) as lease:
        servable: Servable = lease.servable
        _note(server, request, lease, len(items))
        known = _options(servable, options)
        digest = _digest(server, servable, request)
        suspect = server.quarantine.suspects(digest)
        batcher = server.batcher(servable)
        apart = request.large or servable.files or (len(items) > 1 and servable.seconds(len(items)) > INLINE)
        read = await server.in_thread(_read, server, servable, items, digest) if apart else items
        kind = Kind(False, apart, known, alone=digest if suspect else 0, large=request.large)
        answers: list[Answer | Failure] = await batcher.submit_items(
            read, kind, priority=priority, digest=digest
        )
        if suspect:
            server.quarantine.acquit(digest)
        found = Answered(answers, servable=servable, seconds=time.perf_counter() - begun)
        if server.recorder is not None:
            found.record_ids = await recording.record_items(
                server, servable, items, answers, found.seconds, request
            )
        if lease.shadows:
            server.shadows.items(lease, items, options or {}, answers, request)
    return found


def _read(server: Server, servable: Servable, items: Sequence[Any], digest: int) -> list[Any]:
    with server.quarantine.running([digest] if digest else ()):
        return servable.read(items)


def _answer_together(servable: Servable, works: Sequence[Work]) -> Ran:
    """Items of several requests: read -> encode -> session -> decode."""
    kind = works[0].kind
    clock = time.perf_counter_ns
    begun = clock()
    rows = works[0].held if len(works) == 1 else [row for work in works for row in work.held]
    if not kind.read:
        rows = servable.read(rows)
    read = clock()
    good = [row for row in rows if not isinstance(row, DrivetrainError)]
    made = iter(servable.answers(good, dict(kind.options)))
    found = [Failure(row.where, row) if isinstance(row, DrivetrainError) else next(made) for row in rows]
    parted = [found] if len(works) == 1 else [found[part] for part in _parts(works)]
    return Ran(parted, read - begun, clock() - read)


# --- the way of arrays ----------------------------------------------------------------------------------------


async def answer_tensors(
    server: Server,
    asked: Asked,
    feeds: Mapping[str, Array],
    request: Request,
    *,
    outputs: Sequence[str] | None = None,
    priority: int = 0,
) -> AnsweredTensors:
    """Arrays -> arrays, rows first. Raises Refusal, and DrivetrainError for arrays that the model can't take."""
    begun = time.perf_counter()
    with server.router.lease(asked) as lease:
        servable: Servable = lease.servable
        graph = servable.graph
        if graph is None:
            raise Refusal(
                400, f"the model {servable.name!r} takes no tensors.", fix="Use its own route: /models/NAME/predict."
            )  # fmt: skip
        if outputs:
            check_outputs(servable, outputs)
        rows, encoded = graph.as_they_are(feeds), feeds
        if not rows:
            check_feeds(servable, feeds)
        digest = _digest(server, servable, request, feeds)
        suspect = server.quarantine.suspects(digest)
        if not rows:
            apart = request.large or servable.files
            encoded, rows = await server.in_thread(graph.feeds, feeds) if apart else graph.feeds(feeds)
        _note(server, request, lease, rows)
        batcher = server.batcher(servable)
        kind = TENSORS
        if suspect or graph.varies or request.large:
            length, alone = longest(encoded, graph.codecs), digest if suspect else 0
            kind = Kind(True, length=length, alone=alone, large=request.large)
        if rows <= batcher.most:
            whole: dict[str, Array] = await batcher.submit(
                encoded, rows, kind, priority=priority, digest=digest
            )
        else:
            parts = await batcher.in_parts(
                partial(_cut, encoded), rows, kind, priority=priority, digest=digest
            )
            whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        if suspect:
            server.quarantine.acquit(digest)
        chosen = {name: whole[name] for name in outputs} if outputs else whole
        found = AnsweredTensors(chosen, servable=servable, seconds=time.perf_counter() - begun)
        if server.recorder is not None:
            found.record_ids = await recording.record_tensors(
                server, servable, encoded, whole, found.seconds, request
            )
        if lease.shadows:
            server.shadows.tensors(lease, feeds, whole, request)
    return found


def _tensors_together(graph: TensorGraph, works: Sequence[Work]) -> Ran:
    """Arrays of several requests: session."""
    clock = time.perf_counter_ns
    begun = clock()
    feeds = joined([work.held for work in works], graph.codecs)
    encoded = clock()
    try:
        outputs = graph.run(feeds)
    except BundleError as fault:
        # Rows that the graph can't take are the caller's: of several requests each is run by itself (see `Batcher`).
        raise Refusal(400, fault.error, fix="Send values such as the model was trained with.") from fault
    ran = clock()
    found = [outputs] if len(works) == 1 else [_cut(outputs, part) for part in _parts(works)]
    return Ran(found, encoded - begun, ran - encoded, clock() - ran)


# --- the way of what is written -------------------------------------------------------------------------------


class Pieces:
    """What is written after a prompt, piece by piece as it is chosen; `servable` is who writes, once the first piece was asked for.
    Whoever closes it ends the writing, and what was written until then is recorded. Raises Refusal and DrivetrainError, the first
    before any piece. `record_ids` are those of the record, at the end."""

    servable: Servable
    record_ids: Sequence[str | None] = (None,)

    def __init__(
        self, server: Server, asked: Asked, prompt: Any, options: Mapping[str, Any], request: Request
    ) -> None:
        self._pieces = self._written(server, asked, prompt, options, request)

    def __aiter__(self) -> AsyncIterator[Piece]:
        return self._pieces

    async def __anext__(self) -> Piece:
        return await anext(self._pieces)

    async def aclose(self) -> None:
        await self._pieces.aclose()

    async def _written(
        self, server: Server, asked: Asked, prompt: Any, options: Mapping[str, Any], request: Request
    ) -> AsyncGenerator[Piece]:
        begun = time.perf_counter()
        with server.router.lease(asked) as lease:
            servable: Servable = lease.servable
            self.servable = servable
            _note(server, request, lease, 1)
            if not servable.streams:
                raise Refusal(
                    400, f"the model {servable.name!r} writes nothing.", fix="Use /models/NAME/predict."
                )
            digest = _digest(server, servable, request)
            written: list[Piece] = []
            try:
                with server.quarantine.trial(digest):
                    async with server.writing:
                        pieces = servable.stream(prompt, options)
                        while (piece := await server.in_thread(_next, server, pieces, digest)) is not None:
                            written.append(piece)
                            yield piece
            except BaseException:
                # Somebody went away, or it failed: what they have got is kept all the same.
                if written:
                    with suppress(DrivetrainError):
                        await self._record(server, prompt, written, begun, request)
                raise
            await self._record(server, prompt, written, begun, request)

    async def _record(
        self, server: Server, prompt: Any, written: list[Piece], begun: float, request: Request
    ) -> None:
        if server.recorder is not None:
            answer, seconds = self.servable.written(prompt, written), time.perf_counter() - begun
            self.record_ids = await recording.record_items(
                server, self.servable, [prompt], [answer], seconds, request
            )


def _next(server: Server, pieces: Iterator[Piece], digest: int) -> Piece | None:
    with server.quarantine.running([digest] if digest else ()):
        return next(pieces, None)


# --- what they share ------------------------------------------------------------------------------------------


def run_together(server: Server, servable: Servable, works: list[Work]) -> Ran:
    """What several requests ask of one version, in one go. A `Batcher` calls it, in whichever thread."""
    kind = works[0].kind
    with server.quarantine.running([work.digest for work in works if work.digest]):
        if kind.tensors and servable.graph is not None:
            return _tensors_together(servable.graph, works)
        return _answer_together(servable, works)


def new_batcher(server: Server, servable: Servable) -> Batcher:
    """The queue of a version, as its model's settings want it."""

    def run(works: list[Work]) -> Ran:
        return run_together(server, servable, works)

    return Batcher(
        run, servable.seconds, server.batching(servable.name), server.settings.limits.seconds_to_answer, server.in_session,
        server.watch(servable),
    )  # fmt: skip


def _options(servable: Servable, options: Mapping[str, Any] | None) -> tuple[tuple[str, Any], ...]:
    """Options as what can be compared. Raises UsageError."""
    if not options:
        return ()
    servable.refuse_unknown(options)
    for name, value in options.items():
        if isinstance(value, (list, dict)):
            raise UsageError("it is a list or an object, and has to be one value.", where=name)
    return tuple(sorted(options.items()))


def _digest(
    server: Server, servable: Servable, request: Request, feeds: Mapping[str, Array] | None = None
) -> int:
    """By what the quarantine knows a request: its body, or what came in its place; 0 where there is nothing."""
    if request.body:
        return server.quarantine.digest(servable.name, servable.version, request.body)
    return server.quarantine.digest(servable.name, servable.version, _words(feeds)) if feeds else 0


def _words(feeds: Mapping[str, Array]) -> Hashable:
    """What tells these arrays from others, where they came without a body."""
    return tuple(
        (name, array.shape, tuple(array.ravel()) if array.dtype == object else array.tobytes())
        for name, array in feeds.items()
    )


def _note(server: Server, request: Request, lease: Lease, rows: int) -> None:
    """Note for log, counters and trace what is asked, and of whom; refuse too much of it, and nothing."""
    servable: Servable = lease.servable
    request.log["model"], request.log["version"], request.log["rows"] = servable.name, servable.version, rows
    if lease.arm:
        request.log["arm"], request.log["by"] = lease.arm, lease.by
        if lease.draw is not None:
            request.log["draw"] = lease.draw
    most = server.settings.limits.rows
    if rows > most:
        raise Refusal(413, f"it has {rows:,} rows; {most:,} are the most.", fix="Ask in parts.")
    if rows < 1:
        raise Refusal(400, "there is nothing to answer in it.", fix="Give one item at least.")


def _parts(works: Sequence[Work]) -> Iterator[slice]:
    """Which rows of a batch are whose."""
    start = 0
    for work in works:
        yield slice(start, start + work.rows)
        start += work.rows


def _cut(arrays: Mapping[str, Array], part: slice) -> dict[str, Array]:
    return {name: array[part] for name, array in arrays.items()}
