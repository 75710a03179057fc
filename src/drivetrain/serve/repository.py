"""The models that are served, and how they come and go.

A look finds what lies in the repository (`layout.py`); what is new or has changed is opened in a thread (`loading.py`): its hashes
and golden cases must hold, which is also its warm-up. Then the model's snapshot is replaced by another on the event loop, in one
step. A request that has leased a version keeps it; a version that nobody is to have any more is let go of when its last lease ends.

What can't be served is reported and left alone until its bytes change; what was there answers on.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from drivetrain.cores import usable_cores
from drivetrain.errors import DrivetrainError, nearest
from drivetrain.model_names import is_version
from drivetrain.serve.board import PAUSE, Board
from drivetrain.serve.layout import Found, Listing
from drivetrain.serve.loading import Held, Loader, Model, VersionState, Wish, own_records
from drivetrain.serve.recording import checked, names_of
from drivetrain.serve.servable import Servable, open_servable
from drivetrain.serve.settings import ModelSettings, Settings
from drivetrain.serve.source import Source, sources_of
from drivetrain.serve.types import Refusal

__all__ = ["Event", "Held", "Model", "Repository", "VersionState"]

TICK = 0.1
"""Seconds in which a worker sees what another was told."""
LONGEST_WAIT = 120.0
"""Seconds that a new version waits for other workers to have it too."""


@dataclass(frozen=True)
class Event:
    """Something that who runs the server wants to know. A version is "ready", "failed" or (when its last lease ended) "retired";
    "settings" were read again; something is "refused": it is there and not served. The reason is for who runs the server: it may
    name places of this machine."""

    kind: Literal["ready", "failed", "retired", "settings", "refused"]
    model: str = ""
    version: int | None = None
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class _Look:
    """What there was at one moment."""

    settings: Settings
    listing: Listing
    wishes: Mapping[str, Mapping[str, Any]]
    at: float

    def found(self, name: str) -> Mapping[int, Found]:
        return self.listing.found.get(name, {})

    def has(self, name: str) -> bool:
        """Whether there is anything of a model, be it nothing that can be served."""
        return name in self.listing.found or any(
            f"{path}/".startswith(f"{name}/") for path in self.listing.faults
        )

    def of(self, name: str) -> ModelSettings:
        return self.settings.models.get(name, self.settings.defaults)

    def wish(self, name: str) -> Wish:
        return Wish.of(self.wishes.get(name, {}))

    def key(self, name: str) -> str:
        """The same as long as there is nothing new of a model."""
        marks = [(version, found.mark) for version, found in self.found(name).items()]
        return repr((marks, self.of(name), self.wish(name)))


class Repository:
    """The models of one worker. `open` makes a version ready to answer, `reread` reads the settings again.

    `models` is replaced, and `observers` are told of events, on the thread of the event loop alone (by `scan` on its caller's).
    """

    def __init__(
        self,
        settings: Settings,
        *,
        open: Callable[..., Servable] = open_servable,
        board: Board | None = None,
        reread: Callable[[], Settings] | None = None,
    ) -> None:
        self.settings = settings
        self.models: Mapping[str, Model] = {}
        self.faults: Mapping[str, str] = {}
        """By path in the repository, why what is there is no model or version."""
        self.looked = False
        self.observers: list[Callable[[Event], None]] = []
        # Of several workers each takes its part of the cores, so that they don't get in each other's way.
        part = max(1, usable_cores() // settings.workers) if settings.workers > 1 else None
        self._loader = Loader(open, settings.threads or part)
        self._board, self._reread = board or Board(), reread
        self._sources: dict[str, Source] = {}
        self._listing = Listing()
        self._keys: dict[str, str] = {}
        self._unsettled: set[str] = set()
        self._gone: set[str] = set()
        self._loading: set[tuple[str, int]] = set()
        self._events: deque[Event] = deque()
        self._told: set[str] = set()
        self._telling: set[str] = set()
        self._asked = asyncio.Event()
        self._lock = asyncio.Lock()
        self._pool: ThreadPoolExecutor | None = None

    # Looking

    def scan(self) -> None:
        """Look, and load what is to be loaded, all in this thread: before the event loop runs, and in tests.

        Raises FileError where the path of the settings can't be read, and what is wrong with the one bundle that it is.
        """
        look = self._see()
        for name in self._to_do(look):
            self._flip(look, name, *self._prepare(name, look))
        self._end(look)
        alone = "" in self._sources and self._sources[""].alone
        for tried in self._loader.tried.values():
            if alone and not any(model.held for model in self.models.values()):
                raise tried.error

    async def watch(self) -> None:
        """Look every `reload_seconds`, when somebody asks, and when another worker was told to load or unload; for ever."""
        while True:
            await self._wait()
            try:
                await self._look()
            except Exception as fault:  # noqa: BLE001
                # Whatever it was, the next look may go well, and begins with nothing taken for done.
                self._keys.clear()
                self._tell(
                    Event(
                        "refused",
                        reason=f"the look at the repository failed: {type(fault).__name__}: {fault}",
                    )
                )
                with suppress(Exception):
                    self._deliver()

    def look(self) -> None:
        """Have `watch` look now."""
        self._asked.set()

    def close(self) -> None:
        """End the thread that loads, once it is done."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def _wait(self) -> None:
        shared, wishes = self._board.workers > 1, self._board.wishes
        end = time.monotonic() + (self.settings.reload_seconds or float("inf"))
        while (left := end - time.monotonic()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), min(left, TICK if shared else 3600.0))
            if self._asked.is_set() or (shared and self._board.wishes != wishes):
                break
        self._asked.clear()

    async def _look(self) -> None:
        """One look, on the event loop: what takes time is done in a thread."""
        pool = self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="drivetrain-repository")
        run = asyncio.get_running_loop().run_in_executor
        async with self._lock:
            look = await run(pool, self._see)
            names = await run(pool, self._to_do, look)
            if self._board.workers == 1:
                for name in names:
                    self._flip(look, name, *await run(pool, self._prepare, name, look))
            else:
                # All are loaded before any is waited for: two workers that each wait for what the other hasn't begun would stay so.
                prepared = [(name, *await run(pool, self._prepare, name, look)) for name in names]
                for name, model, events in prepared:
                    if model is not self.models.get(name):
                        await run(pool, self._wait_for_others, name, look)
                    self._flip(look, name, model, events)
            self._end(look)

    def _see(self) -> _Look:
        """What is there, what the settings are, and what somebody wished. Raises FileError at the first look."""
        self._told, self._telling = self._telling, set()
        at, wishes, settings = time.monotonic(), self._board.wishes, self._settings_now()
        if not self._sources or _paths(settings) != _paths(self.settings):
            self._sources = sources_of(settings)
        found: dict[str, Mapping[int, Found]] = {}
        faults: dict[str, str] = {}
        own = self._sources.keys() - {""}
        for name, source in self._sources.items():
            try:
                listing = source.listing()
            except DrivetrainError as fault:
                if not self.looked:
                    raise
                # Nobody knows what is there now: what is loaded stays, and what it was made of.
                faults[name or "."] = fault.error
                kept = self._listing.found
                listing = Listing(
                    {model: kept[model] for model in kept if (model == name if name else model not in own)}
                )
            found.update(
                {model: versions for model, versions in listing.found.items() if name or model not in own}
            )
            faults.update(listing.faults)
        for path, reason in faults.items():
            where = settings.path if path == "." else path
            self._tell(Event("refused", reason=f"{where}: {reason}"))
        return _Look(settings, Listing(found, faults), wishes, at)

    def _settings_now(self) -> Settings:
        """The settings as they are written now; as they were, where they can't be meant. Only what they say of models is taken."""
        if self._reread is None:
            return self.settings
        try:
            read = self._reread()
        except DrivetrainError as fault:
            self._tell(Event("refused", reason=f"the settings stay as they were: {fault}"))
            return self.settings
        settings = dataclasses.replace(self.settings, models=read.models, defaults=read.defaults)
        if settings != self.settings:
            self._events.append(Event("settings", reason="read again"))
        if read != settings:
            self._tell(
                Event("settings", reason="what is new beside models and defaults holds from the next start")
            )
        return settings

    def _to_do(self, look: _Look) -> list[str]:
        """The models of which something is another than when they were last settled."""
        names = sorted({*look.listing.found, *self.models})
        return [name for name in names if name in self._unsettled or self._keys.get(name) != look.key(name)]

    def _end(self, look: _Look) -> None:
        self.settings, self.faults, self._listing = look.settings, look.listing.faults, look.listing
        self.looked = True
        self._tell_of_nothing(look)
        general = look.settings.defaults.records
        if general is not None and general.redact:
            held = [held.servable for model in self.models.values() for held in model.held.values()]
            known = {name for servable in held for name in names_of(servable)}
            for name in {*general.redact} - known if held else ():
                self._tell(
                    Event(
                        "refused",
                        reason=f"defaults, records: {name!r} is to be redacted, and no model has it",
                    )
                )
        self._deliver()

    def _tell_of_nothing(self, look: _Look) -> None:
        """What the settings name and isn't there: it may come yet, or be a slip."""
        for key in look.settings.access.keys:
            for name in key.models or ():
                if not look.has(name):
                    near = nearest(name, look.listing.found)
                    words = f"{name}: the key {key.name!r} is for it, and there is no such model. {near}"
                    self._tell(Event("refused", name, reason=words.rstrip()))
        for name, settings in look.settings.models.items():
            if not look.has(name):
                words = f"{name}: the settings name it, and there is no such model. {nearest(name, look.listing.found)}"
                self._tell(Event("refused", name, reason=words.rstrip()))
                continue
            there = look.found(name)
            named = [(f"the label {label!r}", version) for label, version in settings.labels.items()]
            named += [(f"the traffic {arm!r}", int(arm)) for arm in settings.traffic if is_version(arm)]
            named += [("the list of versions", version) for version in settings.versions]
            for what, version in named:
                if version not in there:
                    words = f"{what} names version {version}, which isn't there"
                    self._tell(Event("refused", name, reason=f"{name}: {words}"))

    # From one snapshot of a model to the next

    def _prepare(self, name: str, look: _Look) -> tuple[Model | None, list[Event]]:
        """The model as it is to be, with all of it loaded; None for one that is gone. What is to be told when it is there."""
        old, found, there = self.models.get(name), look.found(name), look.has(name)
        if not there and old is not None and name not in self._gone:
            self._gone.add(name)
            self._unsettled.add(name)
            return old, []  # A folder that is replaced is gone for a moment.
        self._gone.discard(name)
        events: list[Event] = []
        model = None
        if there:
            own = name if name in self._sources else ""

            def begun(version: int) -> None:
                self._loading.add((name, version))

            with self._board.only("load"):
                self._loader.defaults = look.settings.defaults
                model, outcomes, settled = self._loader.next(
                    name,
                    old,
                    found,
                    self._settings_of(name, look),
                    look.wish(name),
                    self._sources[own],
                    begun,
                )
            (self._unsettled.discard if settled else self._unsettled.add)(name)
            events = [
                Event(
                    "failed" if outcome.error else "ready",
                    name,
                    outcome.version,
                    str(outcome.error or ""),
                    outcome.seconds,
                )
                for outcome in outcomes
            ]
        else:
            self._unsettled.discard(name)
        self._board.settle(name, look.key(name), look.at)
        return model, events

    def _settings_of(self, name: str, look: _Look) -> ModelSettings:
        """A model's settings, but that what is to be recorded stays as it was where it names what the model doesn't have: what
        somebody meant to keep out would be written down."""
        settings, old = look.of(name), self.models.get(name)
        try:
            for held in old.held.values() if old else ():
                checked(held.servable, own_records(settings, look.settings.defaults))
        except DrivetrainError as fault:
            self._tell(Event("refused", name, reason=f"its records stay as they were: {fault}"))
            return dataclasses.replace(settings, records=old.settings.records if old else None)
        return settings

    def _wait_for_others(self, name: str, look: _Look) -> None:
        key, end = look.key(name), time.monotonic() + LONGEST_WAIT
        while not self._board.settled(name, key, look.at) and time.monotonic() < end:
            time.sleep(PAUSE)

    def _flip(self, look: _Look, name: str, new: Model | None, events: list[Event]) -> None:
        """From now on new requests get the new snapshot; what is not in it is let go of when its last lease ends."""
        old, self._keys[name] = self.models.get(name), look.key(name)
        if new is None:
            self.models = {other: model for other, model in self.models.items() if other != name}
        elif new is not old:
            self.models = {**self.models, name: new}
        self._loading = {(other, version) for other, version in self._loading if other != name}
        self._events += events
        stays = {*new.held.values()} if new else set[Held]()
        for version, held in old.held.items() if old else ():
            if held not in stays:
                self._retire(name, version, held)
        self._deliver()

    def _retire(self, name: str, version: int, held: Held) -> None:
        def done() -> None:
            # What leads in a circle would only be found by the garbage collector, and stay until then.
            held.servable.batcher = held.retired = None
            self._events.append(Event("retired", name, version))
            self._deliver()

        held.retired = done
        if not held.leases:
            done()

    # Telling

    def _tell(self, event: Event) -> None:
        """What is said once, as long as each look finds it."""
        if event.reason not in self._told | self._telling:
            self._events.append(event)
        self._telling.add(event.reason)

    def _deliver(self) -> None:
        while self._events:  # The thread that loads may add some meanwhile.
            event = self._events.popleft()
            for observer in self.observers:
                observer(event)

    def is_loading(self, name: str, version: int | None = None) -> bool:
        """Whether a model, or a version of it, is just being opened."""
        loading = self._loading.copy()
        return (
            (name, version) in loading if version is not None else any(name == other for other, _ in loading)
        )

    # The repository extension of the Open Inference Protocol

    def index(self, ready: bool = False) -> list[dict[str, str]]:
        """What there is, in the words of the protocol; with `ready` only what answers."""
        rows: list[dict[str, str]] = []
        for name, model in sorted(self.models.items()):
            for version, state in model.states.items():
                word = (
                    "READY"
                    if state.state == "ready"
                    else "LOADING"
                    if self.is_loading(name, version)
                    else "UNAVAILABLE"
                )
                reason = state.reason or ("unloaded" if word == "UNAVAILABLE" else "")
                if word == "READY" or not ready:
                    rows.append({"name": name, "version": str(version), "state": word, "reason": reason})
        return rows

    async def load(self, name: str, version: int | None = None) -> None:
        """Have a model loaded as the settings have it, or a version of it. What failed is tried once more. Raises Refusal."""
        await self._look()
        found = self._listing.found.get(name, {})
        if not found or (version is not None and version not in found):
            what = f"no model {name!r}" if not found else f"no version {version} of {name!r}"
            raise Refusal(
                404, f"failed to load {name!r}, failed to poll from model repository: there is {what}"
            )
        await self._wish(name, lambda wish: _loaded(wish, version))
        model = self.models.get(name)
        if model is None or not model.held or (version is not None and version not in model.held):
            states = model.states if model else dict[int, VersionState]()
            reasons = [
                states[one].reason
                for one in states
                if version in (None, one) and states[one].state == "failed"
            ]
            raise Refusal(400, f"failed to load {name!r}, {'; '.join(reasons) or 'it was unloaded again'}")

    async def unload(self, name: str, version: int | None = None) -> None:
        """Have a model, or a version of it, let go of, until it is loaded again. Requests that have it finish. Raises Refusal."""
        model = self.models.get(name)
        if model is None or (version is not None and version not in model.states):
            what = f"no model {name!r}" if model is None else f"no version {version} of {name!r}"
            raise Refusal(404, f"failed to unload {name!r}: there is {what} in the repository")
        await self._wish(name, lambda wish: _unloaded(wish, version))

    async def _wish(self, name: str, change: Callable[[Wish], Wish]) -> None:
        with self._board.changing() as text:
            text["wishes"][name] = dataclasses.asdict(change(Wish.of(text["wishes"].get(name, {}))))
        await self._look()


def _loaded(wish: Wish, version: int | None) -> Wish:
    if version is None:
        return Wish(again=wish.again + 1)
    unload = tuple(other for other in wish.unload if other != version)
    return Wish(wish.off, tuple(sorted({*wish.load, version})), unload, wish.again + 1)


def _unloaded(wish: Wish, version: int | None) -> Wish:
    if version is None:
        return Wish(off=True, again=wish.again)
    load = tuple(other for other in wish.load if other != version)
    return Wish(wish.off, load, tuple(sorted({*wish.unload, version})), wish.again)


def _paths(settings: Settings) -> tuple[str, dict[str, str]]:
    return settings.path, {name: model.path for name, model in settings.models.items() if model.path}
