"""The server as one callable: a request in, a response out. What listens on sockets calls it, and so do tests."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from drivetrain.cores import usable_cores
from drivetrain.errors import BundleError, DataError, UsageError
from drivetrain.memory import give_back
from drivetrain.serve import protocols, refusals
from drivetrain.serve.batcher import Batcher, Ran, Watch, Work
from drivetrain.serve.counters import Counters
from drivetrain.serve.logs import Log
from drivetrain.serve.path import new_batcher
from drivetrain.serve.programs.base import Servable
from drivetrain.serve.quarantine import Quarantine
from drivetrain.serve.recording import open_recorder
from drivetrain.serve.routes import Routes
from drivetrain.serve.settings import Batching, ModelSettings, Settings
from drivetrain.serve.shadow import Shadows
from drivetrain.serve.tracing import Tracer
from drivetrain.serve.types import LATE, Refusal, Request, Response

Result = TypeVar("Result")
GONE = 499
"""What is written down where the caller went away before the answer: nobody is told it."""
PROTOCOLS = {
    "/v2/": "v2", "/v1/": "v1", "/models/": "models", "/inference.GRPCInferenceService/": "grpc",
    "/tensorflow.serving.PredictionService/": "grpc-tfserving", "/tensorflow.serving.ModelService/": "grpc-tfserving",
}  # fmt: skip
"""How a path begins -> what counters call its protocol."""
MOST_WRITING = 16
"""Texts that are written piece by piece at the same time."""
MOST_SESSIONS = 64
TIDY_SECONDS = 1.0
"""After a large request, until the memory that it took goes back to the system, with that of others that came meanwhile."""


class Server:
    """Models, who may ask them, what waits for them, and what becomes of their answers. `start` and `answer` belong to one event
    loop."""

    def __init__(
        self,
        settings: Settings,
        *,
        repository: Any,
        router: Any,
        routes: Any = None,
        gate: Any = None,
        recorder: Any = None,
        counters: Counters | None = None,
        quarantine: Quarantine | None = None,
        log: Log | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self.settings, self.repository, self.router = settings, repository, router
        self.routes = Routes(protocols.routes()) if routes is None else routes
        self.gate, self.recorder = gate, recorder
        self.counters, self.quarantine = counters or Counters(), quarantine or Quarantine()
        self.log, self.tracer = log, tracer
        # Threads are made when they are needed. Reading has its own, so that no file keeps a model waiting.
        self._readers = ThreadPoolExecutor(usable_cores() + 2, thread_name_prefix="drivetrain-read")
        self._sessions = ThreadPoolExecutor(MOST_SESSIONS, thread_name_prefix="drivetrain-run")
        self.writing = asyncio.Semaphore(MOST_WRITING)
        self.stopping = False
        self._spans: dict[int, Any] = {}
        self._watching: asyncio.Task[None] | None = None
        self._tidying: asyncio.TimerHandle | None = None
        self.shadows = Shadows(self)

    async def start(self) -> None:
        """Open the store of records, and begin to look after the repository, where there are such. Raises DrivetrainError."""
        if self.recorder is None and self.settings.records:
            self.recorder = open_recorder(self)
        if self.repository is not None:
            if not self.repository.looked:
                await self.in_thread(self.repository.scan)
            self._watching = asyncio.create_task(self.repository.watch())

    async def stop(self) -> None:
        """No new work; what runs ends."""
        self.stopping = True
        if self._watching is not None:
            self._watching.cancel()
            self.repository.close()
        await self.shadows.close()
        if self.recorder is not None:
            await asyncio.to_thread(self.recorder.close)
        if self._tidying is not None:
            self._tidying.cancel()
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._sessions.shutdown(wait=False)

    @property
    def ready(self) -> bool:
        """Whether new requests are welcome."""
        return not self.stopping and bool(self.repository.looked)

    async def answer(self, request: Request) -> Response:
        """The response to a request, whatever it is: nothing is raised but a cancellation."""
        self.begun(request)
        status = GONE
        try:
            route, places = request.route, request.places
            if route is None:  # Over HTTP it is known before the body is read, and who may take it.
                route, places = self.routes.match(request.method, request.path)
                if self.gate is not None:
                    self.gate.may(request.caller, route.right, places.get("model"))
                request.route, request.places = route, places
            if route.right == "infer":
                self._refuse_early(places.get("model"))
            response = await route.handler(self, request, places)
            status = response.status
        except (Refusal, UsageError, DataError, BundleError) as fault:
            response = refusals.response(fault, request)
            status = response.status
        except Exception as fault:  # noqa: BLE001 - whatever it is, it is one caller that it happens to.
            response = self._failed(request, fault)
            status = response.status
        except asyncio.CancelledError as fault:
            status = 503 if LATE in fault.args else GONE
            raise
        finally:
            self.finished(request, status)
        return response

    def _refuse_early(self, name: str | None) -> None:
        """Raises Refusal where whatever is asked of a model would find no room to wait: before it is parsed, which costs more than
        all else that a refusal does, and too many callers would take that from those who are let in."""
        model = self.repository.models.get(name) if self.repository is not None and name else None
        batcher: Batcher | None = None
        for held in model.held.values() if model is not None else ():
            batcher = held.servable.batcher
            if batcher is None or not batcher.full:
                return
        if batcher is not None:
            batcher.refuse_more()

    def begun(self, request: Request) -> None:
        """A request is here; `finished` follows, exactly once. For HTTP `answer` calls both; what has another way, as gRPC,
        calls them itself."""
        self.counters.in_flight(1)
        if self.tracer is not None:
            self._spans[id(request)] = self.tracer.begun(request)

    def finished(self, request: Request, status: int) -> None:
        """It was answered or refused: counted, written down and traced. `status` is HTTP's, also of a call of gRPC."""
        seconds = time.monotonic() - request.arrived if request.arrived else 0.0
        found = request.log
        protocol = PROTOCOLS.get(request.path[: request.path.find("/", 1) + 1], "")
        self.counters.in_flight(-1)
        self.counters.observe(found.get("model", ""), found.get("version"), protocol, seconds, status)
        if self.log is not None:
            self.log.access(request, status, seconds)
        if self.tracer is not None:
            self.tracer.finished(self._spans.pop(id(request)), request, status)
        if request.large and self._tidying is None and not self.stopping:
            self._tidying = asyncio.get_running_loop().call_later(TIDY_SECONDS, self._tidy)

    def _tidy(self) -> None:
        self._tidying = None
        self._readers.submit(_give_back)

    def _failed(self, request: Request, fault: Exception) -> Response:
        """Our own fault: the caller is told which request it was, we what happened."""
        (self.log or Log()).failed(fault, id=request.id)
        return refusals.response(fault, request)

    # --- what the way of a request needs ------------------------------------------------------------------

    def batching(self, model: str) -> Batching:
        return self.model_settings(model).batching

    def model_settings(self, model: str) -> ModelSettings:
        """Those that hold now: they may be read again while the server runs."""
        if self.repository is not None and (found := self.repository.models.get(model)) is not None:
            return found.settings
        return self.settings.models.get(model, self.settings.defaults)

    def batcher(self, servable: Servable) -> Batcher:
        """Where what is asked of a version waits."""
        if servable.batcher is None:
            servable.batcher = new_batcher(self, servable)
            if servable.graph is not None:
                servable.graph.pixels = self.settings.limits.pixels
        return servable.batcher

    def watch(self, servable: Servable) -> Watch:
        """Who counts what a version does."""
        return _Counting(self.counters, servable.name, servable.version)

    async def in_thread(self, function: Callable[..., Result], *args: Any) -> Result:
        """What a function gives, called in a thread that reads."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, function, *args)

    async def aside(self, request: Request, function: Callable[..., Result], *args: Any) -> Result:
        """What a function makes of a request; of a large one in a thread that reads, so that it keeps nobody else waiting."""
        return await self.in_thread(function, *args) if request.large else function(*args)

    async def in_session(self, function: Callable[..., Result], *args: Any) -> Result:
        """The same in a thread that runs graphs."""
        return await asyncio.get_running_loop().run_in_executor(self._sessions, function, *args)


def _give_back() -> None:
    """What a fault has passed leads back to it, and holds its request until the collector comes: after few large ones it would
    not, for it counts objects and not bytes."""
    gc.collect()
    give_back()


class _Counting(Watch):
    """Counts what a version does."""

    def __init__(self, counters: Counters, model: str, version: int) -> None:
        self._counters, self._model, self._version = counters, model, version

    def ran(self, works: Sequence[Work], rows: int, queued: float, ran: Ran) -> None:
        self._counters.ran(
            self._model, self._version, rows, requests=len(works), queue=int(queued * 1e9), encode=ran.encode, infer=ran.infer,
            decode=ran.decode,
        )  # fmt: skip

    def waiting(self, change: int) -> None:
        self._counters.waiting(self._model, change)

    def refused(self, reason: str) -> None:
        self._counters.refused(reason)
