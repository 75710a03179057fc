"""What becomes of answers once they are made: each is recorded before it leaves, as its model's settings want it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from drivetrain.errors import DataError
from drivetrain.ragged import lengths_of
from drivetrain.records import (
    Kept,
    NotRecorded,
    Record,
    Recorder,
    check_kept,
    check_key,
    keep,
    keep_arrays,
    keep_parts,
)
from drivetrain.serve.programs.base import Servable
from drivetrain.serve.raw import file_of
from drivetrain.serve.types import Refusal, Request
from drivetrain.types import Answer, Array, Failure

if TYPE_CHECKING:
    from drivetrain.serve.server import Server

KEY, KEYS = "x-record-key", "x-record-keys"
LATER = {"Retry-After": "5"}
INLINE_ROWS = 32
"""Rows of a request that are recorded at once; those of a larger one in a thread, so that they keep nobody waiting."""


def kept_of(server: Server, model: str) -> Kept:
    """What is recorded of a model: where there is a store, everything, unless its settings say otherwise."""
    return server.model_settings(model).records or Kept()


def checked(servable: Servable, kept: Kept | None) -> Servable:
    """The version, where what is to be kept of it can be. Raises UsageError: a redacted name that it doesn't have."""
    if kept is not None:
        check_kept(kept, names_of(servable), servable.name)
    return servable


def open_recorder(server: Server) -> Recorder:
    """The recorder of this process; its events are written down and counted by the event loop, which has to be running. Raises
    DrivetrainError where the store's URL can't be meant."""
    loop, here = asyncio.get_running_loop(), threading.get_ident()

    def count(what: str, many: int) -> None:
        if threading.get_ident() == here:
            server.counters.recorded(what, many)
        elif not loop.is_closed():
            loop.call_soon_threadsafe(server.counters.recorded, what, many)

    def log(what: str, details: Mapping[str, Any]) -> None:
        if server.log is not None:
            server.log.event(what, "warning", **details)

    return Recorder(server.settings.records, partial(kept_of, server), log=log, count=count)


async def record_items(
    server: Server, servable: Servable, items: Sequence[Any], answers: Sequence[Answer | Failure], seconds: float,
    request: Request, source: str = "",
) -> Sequence[str | None]:  # fmt: skip
    """Record what was answered; the ids that it can be found by, None where it is not among those that are recorded, or could not
    be and need not. Raises Refusal where it has to be, or where the caller's key is none."""

    about = _about(servable, seconds, request, source)

    def made(place: int, key: str, kept: Kept) -> Record:
        item = items[place]
        if servable.program == "single":
            inputs = servable.bundle.signature.inputs
            return keep(kept, inputs, item, answers[place], files=file_of, key=key, **about)
        parts = cast("Mapping[str, Any]", item) if isinstance(item, Mapping) else {"item": item}
        return keep_parts(kept, parts, answers[place], quotes=servable.quotes, key=key, **about)

    return await _record(server, servable.name, len(items), request, made)


async def record_tensors(
    server: Server, servable: Servable, feeds: Mapping[str, Array], outputs: Mapping[str, Array], seconds: float,
    request: Request, source: str = "",
) -> Sequence[str | None]:  # fmt: skip
    """The same of arrays, rows first: inputs are kept as they are encoded, answers as they were put out."""
    rows = len(next(iter(feeds.values()))) if feeds else 0
    signature = servable.bundle.signature
    about = _about(servable, seconds, request, source)

    def made(place: int, key: str, kept: Kept) -> Record:
        given = {name: array[place] for name, array in outputs.items()}
        return keep_arrays(
            kept, signature.inputs, signature.targets, _row(feeds, place), given, key=key, **about
        )

    return await _record(server, servable.name, rows, request, made)


def _about(servable: Servable, seconds: float, request: Request, source: str) -> Mapping[str, Any]:
    return {
        "model": servable.name, "version": servable.version, "bundle": servable.hash, "latency_ms": seconds * 1000,
        "request": request.id, "source": source or request.source,
    }  # fmt: skip


def _row(feeds: Mapping[str, Array], place: int) -> dict[str, Array]:
    """One row of a batch, of which what is padded is as long as it is said to be."""
    found: dict[str, Array] = {}
    for name, array in feeds.items():
        lengths = feeds.get(lengths_of(name))
        if lengths is not None:
            found[name] = array[place][: int(lengths[place])]
        elif not any(name == lengths_of(other) for other in feeds):
            found[name] = array[place]
    return found


async def _record(
    server: Server, model: str, rows: int, request: Request, made: Callable[[int, str, Kept], Record]
) -> Sequence[str | None]:
    recorder: Recorder | None = server.recorder
    if recorder is None or not rows:
        return ()
    keys, kept = _keys(request, rows), kept_of(server, model)

    def work() -> Sequence[str | None]:
        wanted = [
            place for place in range(rows) if recorder.wants(model, keys[place], f"{request.id} {place}")
        ]
        found: list[str | None] = [None] * rows
        ids = recorder.add_many([made(place, keys[place], kept) for place in wanted])
        for place, id in zip(wanted, ids):
            found[place] = id
        return found

    try:
        return await server.in_thread(work) if rows > INLINE_ROWS or request.large else work()
    except NotRecorded as fault:
        raise Refusal(503, fault.error, where=fault.where, fix=fault.fix, headers=LATER) from fault


def _keys(request: Request, rows: int) -> Sequence[str]:
    """The caller's own name of the case for each row: one for all, or a list with commas. Raises DataError."""
    if one := request.headers.get(KEY):
        return [check_key(one)] * rows
    several = request.headers.get(KEYS)
    if several is None:
        return [""] * rows
    keys = [each.strip() for each in several.split(",")]
    if len(keys) != rows:
        raise DataError(
            f"{len(keys)} keys for {rows} rows.", where=KEYS, fix="Give each row one, or leave them out."
        )
    return [check_key(key) if key else "" for key in keys]


def names_of(servable: Servable) -> list[str]:
    """What can be redacted: inputs, and the parts of an item of a program that takes others."""
    parts = servable.schema.get("properties", {})
    return [
        *servable.bundle.signature.inputs,
        *(part for part in parts if part not in servable.bundle.signature.inputs),
    ]
