"""Where the files of a kind of column, of a task or of an objective are found, by their name alone.

A room is a package here that has one file a name: `codecs`, `metrics`, `models.heads`. An extension is a package of
somebody else's that is laid out as this one is: its `codecs/duration.py` is a kind of column like any other, its
`metrics/duration.py` has the metrics of it. It is found by an entry point of the group `drivetrain.extensions` whose
value is the package's name, or by `register`. A name that this package has in a room can't be taken in another.

What a kind may have, each file named after it; a codec and one of the two of a network are enough to train and answer.

- `codecs`: what its values are, raw, encoded and answered (`codecs/base.py`); it declares what general rooms ask.
- `models.encoders`, `models.heads`: what a network makes of it as an input, as a target.
- `metrics`: how answers are measured (`metrics/__init__.py`). Without one a target is judged by its loss alone.
- `data.kinds`: its columns in a table: guessed, told, read, in words, in groups (`data/kinds/base.py`).
- `learn.features`: what simple models see of it as an input.
- `charts`: a value as a picture to look at (`picture`), or many as a chart of their own (`sheet`), where words are of no use; a
  text in pieces as a model sees it
  (`pieces` and `NOTE`, see `data/show.py`).
- `decide.answers`: an answer, with how sure it is, as numbers that a decision can be made of (`decide/answers/base.py`).
- `interpret`: what there is to say of its answers, in a report too (`interpret/base.py`); `scores` of answers that words can
  add to, and where the `words` of an input are (`interpret/telling.py`).
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import ClassVar, Protocol

from drivetrain.errors import DrivetrainError

GROUP = "drivetrain.extensions"
_NAME = re.compile("[a-z][a-z0-9_]*")
_BASE = "base"
"""What a room's files have in common: no name in it."""
_registered: dict[str, None] = {}


class Kind(Protocol):
    """What of a codec says which kind it is."""

    op: ClassVar[str]
    like: ClassVar[str]


def kind_of(codec: Kind | type[Kind]) -> str:
    """The name of a codec's op, without its version: "number"."""
    return codec.op.partition("@")[0]


def facet(room: str, codec: Kind | type[Kind]) -> ModuleType | None:
    """The file of a codec's kind in a room, or of the kind that it declares to be like; None where neither is."""
    return of_kind(room, kind_of(codec)) or (of_kind(room, codec.like) if codec.like else None)


def of_kind(room: str, kind: str) -> ModuleType | None:
    """The file of a kind in a room. Of somebody else's kind a file here that is called so is about something else, as
    metrics/estimate.py is."""
    codec = find("codecs", kind)
    return find(room, kind, codec is not None and is_ours(codec.__name__))


def is_ours(module: str) -> bool:
    """Whether a module is of this package, and no extension's."""
    return module.startswith("drivetrain.")


def offering(file: ModuleType, *wanted: str) -> ModuleType:
    """The file of a name in a room, when it has what is wanted of it. Raises DrivetrainError that says what it lacks."""
    if lacking := [name for name in wanted if not hasattr(file, name)]:
        room = file.__name__.partition(".")[2].rpartition(".")[0]
        raise DrivetrainError(
            f"the extension's file has no {' and no '.join(lacking)}.", where=file.__name__,
            fix=f"How the files of drivetrain.{room} are made is said there.",
        )  # fmt: skip
    return file


def register(package: str) -> None:
    """Look for names in this package too: for one that is not installed with an entry point. Raises DrivetrainError
    where it can't be imported."""
    _import(package)
    _look_anew()
    _registered[package] = None


def registered() -> list[str]:
    """The packages that `register` was told: another process has to be told them too."""
    return list(_registered)


def forget() -> None:
    """Look anew for what is installed, and into no registered package: what a test does after one of its own."""
    _look_anew()
    _registered.clear()


def _look_anew() -> None:
    for known in (find, names, _installed):
        known.cache_clear()


@cache
def find(room: str, name: str, ours: bool = True) -> ModuleType | None:
    """The file of a name in a room, `ours` first; None where there is none. A name may come from a bundle: it is one of a
    file in these packages, or nothing. Raises DrivetrainError where an extension can't be imported.
    """
    if not _NAME.fullmatch(name) or name == _BASE:
        return None
    for package in _packages(ours):
        if _exists(f"{package}.{room}.{name}"):
            return _import(f"{package}.{room}.{name}")
    return None


@cache
def names(room: str) -> tuple[str, ...]:
    """The names that have a file in a room, of this package and of extensions. Raises DrivetrainError as `find` does."""
    found: set[str] = set()
    for package in _packages():
        if _exists(f"{package}.{room}"):
            found.update(file.name for file in pkgutil.iter_modules(_import(f"{package}.{room}").__path__))
    return tuple(sorted(name for name in found if _NAME.fullmatch(name) and name != _BASE))


def _packages(ours: bool = True) -> Iterator[str]:
    """This package first; what is installed is read only where it has no such file."""
    if ours:
        yield "drivetrain"
    yield from dict.fromkeys([*_registered, *_installed()])


@cache
def _installed() -> list[str]:
    from importlib.metadata import entry_points  # Late: it takes a tenth of what a command takes to start.

    found = sorted(entry.value for entry in entry_points(group=GROUP))
    for package in found:
        _import(package)  # What can't be imported is told, not passed over.
    return found


def _exists(module: str) -> bool:
    """Whether there is such a module; the packages that it lies in are imported to find out."""
    package = module.rpartition(".")[0]
    if package and not (_exists(package) and hasattr(_import(package), "__path__")):
        return False
    return importlib.util.find_spec(module) is not None


def _import(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except Exception as fault:
        package = module.partition(".")[0]
        if package == "drivetrain" or isinstance(fault, DrivetrainError):
            raise
        raise DrivetrainError(
            f"the extension {package!r} can't be imported: {type(fault).__name__}: {fault}",
            where=module,
            fix="Mend it, or uninstall it.",
        ) from fault
