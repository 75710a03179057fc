"""A worker: the server's parts put together, listening until it is told to end."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.errors import FileError
from drivetrain.memory import give_back
from drivetrain.serve import tracing
from drivetrain.serve.counters import Counters
from drivetrain.serve.logs import Log
from drivetrain.serve.quarantine import Quarantine
from drivetrain.serve.settings import Settings
from drivetrain.serve.supervise import GRACE, Shared

if TYPE_CHECKING:
    from drivetrain.serve.repository import Event, Repository
    from drivetrain.serve.server import Server

LAST_CALLS = 0.1
"""Seconds, when the end is near, in which callers are still let in that the system had accepted before."""
CLOSING = 5.0
"""Of the parent's grace, what is left to write records down when all are answered."""


def work(
    reread: Callable[[], Settings],
    trusted: bool,
    settings: Settings,
    shared: Shared,
    number: int,
    life: int,
    tell: int,
) -> int:
    """What a forked worker does: load the models, say so on `tell`, answer. Returns when it was told to end (SIGTERM, or the end
    of the pipe `life`, which the parent holds) and all is answered and written down."""
    from drivetrain.serve.access import Gate
    from drivetrain.serve.http import run
    from drivetrain.serve.protocols import routes
    from drivetrain.serve.repository import Repository
    from drivetrain.serve.router import Router
    from drivetrain.serve.routes import Routes
    from drivetrain.serve.servable import open_servable
    from drivetrain.serve.server import Server

    log = Log(worker=number)
    counters = Counters(shared.counts, number)
    repository = Repository(
        settings,
        open=partial(open_servable, trusted=trusted),
        board=shared.board.at(number),
        reread=reread,
    )
    repository.observers.append(_teller(log, counters))
    repository.scan()
    if not any(model.versions for model in repository.models.values()):
        _refuse_nothing(settings.path, repository, counters)
    server = Server(
        settings, repository=repository, router=Router(repository), routes=Routes(routes()), gate=Gate(settings),
        counters=counters, quarantine=Quarantine(shared.deaths, number), log=log, tracer=tracing.tracer(),
    )  # fmt: skip
    run(_serve(server, log, shared, life, tell))
    return 0


def _refuse_nothing(path: str, repository: Repository, counters: Counters) -> None:
    """Raises FileError at the start of a server that would answer nobody; one that has served waits for models to come."""
    from drivetrain.bundle.archive import refuse_run

    if counters.total("drivetrain_worker_restarts_total"):
        return
    reasons = [
        f"{name} {version}: {state.reason}"
        for name, model in repository.models.items()
        for version, state in model.states.items()
        if state.reason
    ]
    refuse_run(Path(path))
    raise FileError(
        f"no model can be served ({'; '.join(reasons[:3])})" if reasons else "there is no model.", where=path,
        fix="Give a bundle, or a folder with MODEL/VERSION/ or MODEL.bundle in it.",
    )  # fmt: skip


async def _serve(server: Server, log: Log, shared: Shared, life: int, tell: int) -> None:
    from drivetrain.serve.http import serve_http

    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    _take_over(log, loop)
    loop.add_signal_handler(signal.SIGTERM, told.set)
    loop.add_signal_handler(signal.SIGHUP, server.repository.look)
    loop.add_reader(life, told.set)
    await server.start()
    servers: list[Any] = []
    if shared.sockets:
        servers.append(await serve_http(server, shared.sockets, server.settings))
    if shared.grpc:
        from drivetrain.serve.grpc.server import serve_grpc

        servers.append(await serve_grpc(server, shared.grpc, server.settings, shared=True))
    gc.collect()
    give_back()
    gc.freeze()  # What is here now stays: nobody need look through it again for what has gone.
    ready = sorted(name for name, model in server.repository.models.items() if model.held)
    os.write(tell, json.dumps({"ready": ready}).encode() + b"\n")
    await told.wait()
    loop.remove_reader(life)
    await _stop(server, servers)


class _Lines(logging.Handler):
    """What libraries would write to standard error, as lines of the log."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        level = "error" if record.levelno >= logging.ERROR else "warning"
        self._log.event("told", level, by=record.name, text=record.getMessage())


def _take_over(log: Log, loop: asyncio.AbstractEventLoop) -> None:
    """Every line on standard error is one of the log, also those of libraries, of the event loop and of Python itself."""
    logging.basicConfig(handlers=[_Lines(log)], level=logging.WARNING, force=True)
    logging.captureWarnings(True)
    loop.set_exception_handler(lambda _, told: log.failed(told.get("exception"), what=told["message"]))
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


async def _stop(server: Server, servers: list[Any]) -> None:
    """Nobody new; whoever is here is answered; then records are written down."""
    server.stopping = True
    await asyncio.sleep(LAST_CALLS)
    await asyncio.gather(*(each.close(GRACE - CLOSING) for each in servers))
    await server.stop()
    if server.tracer is not None:
        with suppress(Exception):  # Whoever collects spans may be gone; we go all the same.
            server.tracer.close()
    sys.stdout.flush()


def _teller(log: Log, counters: Counters) -> Callable[[Event], None]:
    """Writes down and counts what becomes of models."""

    def tell(event: Event) -> None:
        level = "error" if event.kind == "failed" else "warning" if event.kind == "refused" else "info"
        fields: dict[str, object] = {"model": event.model} if event.model else {}
        if event.version is not None:
            fields["version"] = event.version
        if event.reason:
            fields["reason"] = event.reason
        if event.seconds:
            fields["seconds"] = round(event.seconds, 3)
        log.event(f"model {event.kind}" if event.model else event.kind, level, **fields)
        counters.reloaded(event.model, event.kind)
        if event.kind == "retired" and event.version is not None:
            counters.forget(event.model, event.version)

    return tell
