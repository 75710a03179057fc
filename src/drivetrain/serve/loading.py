"""Which versions of a model are to be loaded, and the loading of them: from one snapshot of a model to the next."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from drivetrain.errors import DataError, DrivetrainError, FileError, one_line
from drivetrain.limits import refuse_too_large
from drivetrain.model_names import is_version
from drivetrain.serve.layout import Found
from drivetrain.serve.recording import checked
from drivetrain.serve.servable import Servable
from drivetrain.serve.settings import Kept, ModelSettings
from drivetrain.serve.source import Source

State = Literal["loading", "ready", "failed", "unloaded"]
CHUNK = 2**22
COPIES = 3
"""Of its bytes a bundle takes so many times as much memory, about, while it is opened."""
LONGEST_PAUSE = 60.0
"""Seconds between two tries of what can't be had."""


@dataclass(frozen=True)
class VersionState:
    """How a version is, why, and since when (seconds since 1970). A ready one may have a reason too: what is wrong with the files
    that have taken the place of those that it was made of."""

    state: State
    reason: str = ""
    since: float = field(default_factory=time.time)
    hash: str = ""


@dataclass(eq=False)
class Held:
    """A version that is loaded, and how many requests have it. `retired` is called when the last lets go, once it is set."""

    servable: Servable
    since: float
    mark: str = ""
    """Of the files that it was made of."""
    leases: int = 0
    retired: Callable[[], None] | None = None


@dataclass(frozen=True)
class Model:
    """A model at one moment. It never changes: another takes its place."""

    name: str
    settings: ModelSettings
    held: Mapping[int, Held] = field(default_factory=dict[int, Held], repr=False)
    states: Mapping[int, VersionState] = field(default_factory=dict[int, VersionState])

    @property
    def versions(self) -> Mapping[int, Servable]:
        """Those that answer, oldest first."""
        return {version: held.servable for version, held in self.held.items()}

    @cached_property
    def newest(self) -> int | None:
        """The highest version that answers."""
        return max(self.held, default=None)

    @property
    def labels(self) -> Mapping[str, int]:
        return self.settings.labels


@dataclass(frozen=True)
class Wish:
    """What somebody asked for by the repository extension: `off`, nothing but `load`; `unload`, all but these. `again` counts how
    often something was to be tried once more."""

    off: bool = False
    load: tuple[int, ...] = ()
    unload: tuple[int, ...] = ()
    again: int = 0

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Wish:
        return cls(
            record.get("off", False), tuple(record.get("load", ())), tuple(record.get("unload", ())), record.get("again", 0)
        )  # fmt: skip


@dataclass(frozen=True)
class Tried:
    """What was tried in vain, and isn't again before its bytes are others; or, where it couldn't be had at all, before the time
    `again` (of time.monotonic()), each time after twice as long a `pause`."""

    mark: str
    digest: str
    error: DrivetrainError
    reason: str
    since: float
    again: float | None = None
    pause: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What came of trying a version."""

    version: int
    error: DrivetrainError | None
    seconds: float


class Loader:
    """Opens versions and remembers what failed. Used by one thread at a time."""

    def __init__(self, opening: Callable[..., Servable], threads: int | None) -> None:
        self.opening, self.threads = opening, threads
        self.defaults = ModelSettings()
        self.tried: dict[tuple[str, int], Tried] = {}
        self._seen: dict[tuple[str, int], str] = {}
        self._again: dict[str, int] = {}

    def next(
        self, name: str, old: Model | None, found: Mapping[int, Found], settings: ModelSettings, wish: Wish, source: Source,
        begun: Callable[[int], None] = lambda version: None,
    ) -> tuple[Model, list[Outcome], bool]:  # fmt: skip
        """The model as it is to be, what came of each version that was tried, and whether all is settled: what failed and is
        still being written is looked at again. `begun` is told of each version before it is opened."""
        if wish.again != self._again.get(name, 0):
            self._again[name] = wish.again
            self.tried = {key: tried for key, tried in self.tried.items() if key[0] != name}
        held = dict(old.held) if old else {}
        outcomes: list[Outcome] = []

        def ready(version: int) -> bool:
            """Whether a version answers, after it was tried where that may help."""
            entry = found.get(version)
            if entry is not None and self._worth(entry, held.get(version)):
                begun(version)
                self._open(entry, source, settings, held, outcomes)
            return version in held

        kept = self._kept(found, held, settings, wish, ready)
        after = {version: held[version] for version in sorted(kept)}
        for key in [key for key in self.tried if key[0] == name and key[1] not in found]:
            del self.tried[key]
        settled = True
        for version, entry in found.items():
            key = (name, version)
            tried = self.tried.get(key)
            settled &= tried is None or (tried.mark == entry.mark and tried.again is None)
            self._seen[key] = entry.mark
        states = {version: self._state(name, version, after, old) for version in sorted({*found, *after})}
        return Model(name, settings, after, states), outcomes, settled

    def _kept(
        self, found: Mapping[int, Found], held: Mapping[int, Held], settings: ModelSettings, wish: Wish,
        ready: Callable[[int], bool],
    ) -> set[int]:  # fmt: skip
        """The versions that are to be loaded and can be: those that are named, and the newest that are good."""
        kept = {version for version in wish.load if ready(version)}
        if wish.off:
            return kept
        shares = {int(arm) for arm in settings.traffic if is_version(arm)}
        named = {*settings.labels.values(), *shares, *settings.versions}
        kept |= {version for version in sorted(named - {*wish.unload}) if ready(version)}
        if not settings.versions:
            newest: list[int] = []
            for version in sorted(found.keys() - {*wish.unload}, reverse=True):
                if len(newest) == settings.keep:
                    break
                if ready(version):
                    newest.append(version)
            kept.update(newest)
        # Files may be gone for a moment, or for good: nobody is turned away before there is something better.
        return kept or {*held} - {*wish.unload}

    def _worth(self, entry: Found, held: Held | None) -> bool:
        """Whether to open what was found: it is new, or its files have changed and are whole."""
        key = (entry.name, entry.version)
        if held is not None and held.mark == entry.mark:
            self.tried.pop(key, None)
            return False
        tried = self.tried.get(key)
        if tried is None or (tried.again is not None and time.monotonic() >= tried.again):
            return True
        return tried.mark != entry.mark and self._seen.get(key) == entry.mark

    def _open(
        self, entry: Found, source: Source, settings: ModelSettings, held: dict[int, Held], outcomes: list[Outcome]
    ) -> None:  # fmt: skip
        key, begin = (entry.name, entry.version), time.monotonic()
        tried, path, before = self.tried.get(key), Path(), _Files()
        try:
            path = source.local(entry)
            before = _Files.of(path)
            if tried and tried.digest and tried.digest == before.digest():
                self.tried[key] = dataclasses.replace(tried, mark=entry.mark)
                return
            _refuse_too_large(before)
            servable = self.opening(path, entry.name, entry.version, threads=self.threads)
            checked(servable, own_records(settings, self.defaults))
        except Exception as fault:  # noqa: BLE001
            # Whatever is wrong with one version, all the others are served on.
            error, reason = _plain(fault), _reason(fault, path)
            again, pause = None, 0.0
            if isinstance(fault, FileError | OSError | MemoryError):
                # Of this machine or the way there, not of the bundle.
                pause = min(2 * tried.pause or 1.0, LONGEST_PAUSE) if tried else 0.0
                again = time.monotonic() + pause
            if tried is None or tried.reason != reason:
                outcomes.append(Outcome(entry.version, error, time.monotonic() - begin))
            digest = before.digest() if again is None else ""
            self.tried[key] = Tried(entry.mark, digest, error, reason, time.time(), again, pause)
            return
        self.tried.pop(key, None)
        same = held.get(entry.version)
        if same is not None and same.servable.hash == servable.hash:
            same.mark = entry.mark
            return  # The same bundle, copied again: who has it keeps it.
        held[entry.version] = Held(servable, time.time(), entry.mark)
        outcomes.append(Outcome(entry.version, None, time.monotonic() - begin))

    def _state(self, name: str, version: int, held: Mapping[int, Held], old: Model | None) -> VersionState:
        tried = self.tried.get((name, version))
        if version in held:
            return VersionState(
                "ready", tried.reason if tried else "", held[version].since, held[version].servable.hash
            )
        if tried:
            return VersionState("failed", tried.reason, tried.since)
        before = old.states.get(version) if old else None
        return before if before and before.state == "unloaded" else VersionState("unloaded")


def own_records(settings: ModelSettings, defaults: ModelSettings) -> Kept | None:
    """What is recorded of a model, but for names to redact that are those of all models: not each has them."""
    if settings.records is None or defaults.records is None:
        return settings.records
    own = tuple(name for name in settings.records.redact if name not in defaults.records.redact)
    return dataclasses.replace(settings.records, redact=own)


@dataclass(frozen=True)
class _Files:
    """The files of a version as they were before it was opened."""

    path: Path = Path()
    stats: tuple[tuple[str, int, int, int], ...] = ()
    """Name, bytes, when its bytes and when anything of it was changed."""

    @classmethod
    def of(cls, path: Path) -> _Files:
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        told = [(file, file.stat()) for file in files]
        return cls(
            path, tuple((str(file.relative_to(path)), it.st_size, it.st_mtime_ns, it.st_ctime_ns) for file, it in told)
        )  # fmt: skip

    @property
    def bytes(self) -> int:
        return sum(size for _, size, _, _ in self.stats)

    def digest(self) -> str:
        """The SHA-256 of their names and bytes; "" where they are no longer what they were, or can't be read."""
        total = hashlib.sha256()
        try:
            for name, size, _, _ in self.stats:
                total.update(f"{name} {size}\n".encode("utf-8", "surrogateescape"))
                with open(self.path / name, "rb") as data:
                    while chunk := data.read(CHUNK):
                        total.update(chunk)
            return total.hexdigest() if self.stats and _Files.of(self.path) == self else ""
        except OSError:
            return ""


def _refuse_too_large(files: _Files) -> None:
    """Raise FileError for a bundle that this machine has no memory for now: loading it would end the process for all."""
    try:
        refuse_too_large(COPIES * files.bytes, "this bundle", "")
    except DataError as fault:
        raise FileError(
            fault.error, fix="Serve fewer models here, or give the server more memory."
        ) from fault


def _plain(fault: Exception) -> DrivetrainError:
    """An error without what it was raised in: its frames would keep a whole bundle in memory."""
    error = (
        fault if isinstance(fault, DrivetrainError) else DrivetrainError(f"{type(fault).__name__}: {fault}")
    )
    error.__traceback__ = error.__cause__ = error.__context__ = None
    return error


def _reason(fault: Exception, path: Path) -> str:
    """What is wrong, in one line that tells nobody where on this machine things are: callers may read it."""
    if isinstance(fault, MemoryError):
        return "there is not enough memory"
    if not isinstance(fault, DrivetrainError):
        return f"it can't be opened here ({type(fault).__name__})"
    place = fault.where.replace(str(path), "").strip(", ")
    return one_line(f"{place}: {fault.error}" if place and not {"/", "\\"} & {*place} else fault.error)
