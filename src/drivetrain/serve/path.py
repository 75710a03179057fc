"""The way of a request through the server, on one page.

    parse -> READ -> encode -> BATCH -> SESSION -> decode -> RECORD -> render

A protocol (`protocols/`, `grpc/`) parses what came over the network and renders what goes back; all between is here:
raw items come in by `answer_items`, arrays by `answer_tensors`, and what is written piece by piece by `generate`.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from drivetrain.errors import BundleError
from drivetrain.runtime.generator import Piece
from drivetrain.serve.batcher import INLINE, Batcher
from drivetrain.serve.ports import TensorGraph, joined
from drivetrain.serve.programs.base import Servable
from drivetrain.serve.tensors import check_feeds, check_outputs
from drivetrain.serve.types import Asked, Refusal, Request
from drivetrain.types import Answer, Array, Failure

if TYPE_CHECKING:
    from drivetrain.serve.router import Lease
    from drivetrain.serve.server import Server

TENSORS = "tensors"


@dataclass(slots=True)
class Answered:
    """An answer, or why there is none, for each item; by which version of which model, and in how many seconds."""

    answers: list[Answer | Failure]
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
class AnsweredTensors:
    """The outputs that were asked for, rows first."""

    outputs: dict[str, Array]
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


async def answer_items(
    server: Server,
    asked: Asked,
    items: Sequence[Any],
    request: Request,
    *,
    priority: int = 0,
    options: Mapping[str, Any] | None = None,
) -> Answered:
    """Raw items -> answers. Raises Refusal where the whole can't be had, DrivetrainError for options that can't be meant."""
    begun = time.perf_counter()
    _refuse_many(server, len(items))
    with server.router.lease(asked, request.headers) as lease:
        servable: Servable = lease.servable
        servable.refuse_unknown(options or {})
        _note(request, lease, len(items))
        kind = tuple(sorted((options or {}).items()))
        batcher = server.batcher(servable)
        answers: list[Answer | Failure] = []
        digest = server.quarantine.digest(servable.name, servable.version, request.body or repr(items))
        with server.quarantine.trial(digest) as alone:
            if servable.files or (len(items) > 1 and servable.seconds(len(items)) > INLINE):
                with server.quarantine.running((digest,)):
                    read: Sequence[Any] = await server.in_thread(servable.read, items)
                kind = (True, kind)
            else:
                read, kind = items, (False, kind)
            # Others get in between the parts of a large request.
            for start in range(0, len(items), batcher.most):
                some = read[start : start + batcher.most]
                answers += await batcher.submit(some, len(some), kind, priority, digest=digest, alone=alone)
        found = Answered(answers, servable, time.perf_counter() - begun)
        found.record_ids = await server.record_items(lease, items, found, request)
        if lease.shadows:
            server.shadows.items(lease, items, options or {}, answers, request)
    return found


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
    with server.router.lease(asked, request.headers) as lease:
        servable: Servable = lease.servable
        graph = servable.graph
        if graph is None:
            raise Refusal(
                400,
                f"the model {servable.name!r} takes no tensors.",
                fix="Use its own route: /models/NAME/predict.",
            )
        batcher = server.batcher(servable)
        check_outputs(servable, outputs or ())
        check_feeds(servable, feeds)
        chosen = graph.chosen(outputs)
        digest = server.quarantine.digest(servable.name, servable.version, request.body or _words(feeds))
        with server.quarantine.trial(digest) as alone:
            if servable.files:
                with server.quarantine.running((digest,)):
                    encoded, rows = await server.in_thread(graph.feeds, feeds)
            else:
                encoded, rows = graph.feeds(feeds)
            _refuse_many(server, rows)
            _note(request, lease, rows)
            made: dict[str, Array] = await batcher.submit(
                encoded, rows, TENSORS, priority, digest=digest, alone=alone
            )
        found = AnsweredTensors({name: made[name] for name in chosen}, servable, time.perf_counter() - begun)
        found.record_ids = await server.record_tensors(lease, encoded, found, request)
        if lease.shadows:
            server.shadows.tensors(lease, feeds, made, request)
    return found


def run_together(servable: Servable, kind: Any, several: list[Any]) -> list[Any]:
    """What several requests ask of one version, answered in one go: what `kind` says they hold is joined, run and parted again.
    A `Batcher` calls it, in whichever thread."""
    if kind == TENSORS:
        return _tensors_together(cast("TensorGraph", servable.graph), several)
    is_read, options = kind
    rows = [row for some in several for row in some]
    answers = servable.answers(rows if is_read else servable.read(rows), dict(options))
    starts = iter(answers)
    return [[next(starts) for _ in some] for some in several]


def _tensors_together(graph: TensorGraph, several: list[Mapping[str, Array]]) -> list[dict[str, Array]]:
    try:
        outputs = graph.run(joined(several, graph.codecs))
    except BundleError as fault:
        # Rows that the graph can't take are the caller's: of several each is run by itself (see `Batcher`).
        raise Refusal(400, fault.error, fix="Send values such as the model was trained with.") from fault
    if len(several) == 1:
        return [outputs]
    name = next(iter(graph.codecs))
    found: list[dict[str, Array]] = []
    start = 0
    for feeds in several:
        end = start + len(feeds[name])
        found.append({target: array[start:end] for target, array in outputs.items()})
        start = end
    return found


async def generate(
    server: Server, asked: Asked, prompt: Any, options: Mapping[str, Any], request: Request
) -> AsyncIterator[Piece]:
    """What is written after a prompt, piece by piece as it is chosen. Whoever closes it ends the writing. Raises Refusal and
    DrivetrainError, the first before any piece."""
    with server.router.lease(asked, request.headers) as lease:
        servable: Servable = lease.servable
        if not servable.streams:
            raise Refusal(
                400, f"the model {servable.name!r} writes nothing.", fix="Use /models/NAME/predict."
            )
        async with server.writing:
            _note(request, lease, 1)
            body = request.body or repr((prompt, options))
            digest = server.quarantine.digest(servable.name, servable.version, body)
            with server.quarantine.trial(digest):
                pieces = servable.stream(prompt, options)
                while (piece := await _next_piece(server, pieces, digest)) is not None:
                    yield piece


async def _next_piece(server: Server, pieces: Iterator[Piece], digest: int) -> Piece | None:
    with server.quarantine.running((digest,)):
        return await server.in_thread(next, pieces, None)


def new_batcher(server: Server, servable: Servable) -> Batcher:
    """The queue of a version, as its model's settings want it."""
    batching = server.batching(servable.name)
    patience = server.settings.limits.seconds_to_answer

    def run(kind: Any, several: list[Any]) -> list[Any]:
        return run_together(servable, kind, several)

    watch = _Watch(server, servable.name, servable.version)
    return Batcher(run, servable.seconds, batching, patience, server.in_session, watch)


class _Watch:
    """What the counters and the quarantine are told of one version's runs."""

    def __init__(self, server: Server, model: str, version: int) -> None:
        self._counters, self._model, self._version = server.counters, model, version
        self.running = server.quarantine.running

    def waiting(self, change: int) -> None:
        self._counters.waiting(self._model, change)

    def ran(self, rows: int, requests: int, queued: int, took: int) -> None:
        self._counters.ran(self._model, self._version, rows, requests=requests, queue=queued, infer=took)


def _note(request: Request, lease: Lease, rows: int) -> None:
    """For the log, the counters and the trace: what the request has come to, and where shares of the traffic are, by which draw."""
    servable: Servable = lease.servable
    request.log["model"], request.log["version"], request.log["rows"] = servable.name, servable.version, rows
    if lease.arm:
        request.log["arm"], request.log["by"] = lease.arm, lease.by
        if lease.draw is not None:
            request.log["draw"] = lease.draw


def _words(feeds: Mapping[str, Array]) -> Hashable:
    """What tells these arrays from others, where they came without a body."""
    return tuple(
        (name, array.shape, tuple(array.ravel()) if array.dtype == object else array.tobytes())
        for name, array in feeds.items()
    )


def _refuse_many(server: Server, rows: int) -> None:
    most = server.settings.limits.rows
    if rows > most:
        raise Refusal(413, f"it has {rows:,} rows; {most:,} are the most.", fix="Ask in parts.")
    if rows < 1:
        raise Refusal(400, "there is nothing to answer in it.", fix="Give one item at least.")
