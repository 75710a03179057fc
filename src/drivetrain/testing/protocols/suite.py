"""What a case is, which there are, and how they are run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

PASS, FAIL, SKIP = "pass", "fail", "skip"


class Unmet(Exception):
    """What a case asks for that the server doesn't do."""


class Skipped(Exception):
    """Why a case can't be tried on this server: it has no such model, extension or protocol."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that a protocol asks of a server. `source` is where that is written; of a `must` the words of the specification
    leave no choice, what is not one is what the protocol's first server does, or what any server has to survive."""

    name: str
    about: str
    source: str
    must: bool
    run: Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class Result:
    case: Case
    outcome: str
    reason: str = ""
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        case = self.case
        about = {"name": case.name, "about": case.about, "source": case.source, "must": case.must}
        return {**about, "outcome": self.outcome, "reason": self.reason, "seconds": round(self.seconds, 4)}


_CASES: dict[str, Case] = {}


def case(
    name: str, *, source: str, must: bool = True
) -> Callable[[Callable[[Any], None]], Callable[[Any], None]]:
    """Make a function a case: what it asks for is the first line of its docstring."""

    def known(run: Callable[[Any], None]) -> Callable[[Any], None]:
        add(name, (run.__doc__ or "").strip().partition("\n")[0], run, source=source, must=must)
        return run

    return known


def add(name: str, about: str, run: Callable[[Any], None], *, source: str, must: bool = True) -> None:
    """As `case`, for one of many that a table holds."""
    if name in _CASES:
        raise ValueError(f"two cases are called {name!r}")
    _CASES[name] = Case(name, about.rstrip("."), source, must, run)


def cases(only: Sequence[str] = ()) -> list[Case]:
    """All, or those whose names begin with one of `only`, in the order they were written."""
    return [found for found in _CASES.values() if not only or found.name.startswith(tuple(only))]


def run(server: Any, chosen: Sequence[Case]) -> Iterator[Result]:
    """Try each case on the server, one after the other; no answer at all, or one that isn't understood, is a failure too."""
    for each in chosen:
        begun = time.perf_counter()
        outcome, reason = PASS, ""
        try:
            each.run(server)
        except Skipped as why:
            outcome, reason = SKIP, str(why)
        except Unmet as why:
            outcome, reason = FAIL, str(why)
        except Exception as fault:  # noqa: BLE001  What a server sends may trip anything here; that is its result.
            outcome, reason = FAIL, f"{type(fault).__name__}: {fault}"
        yield Result(each, outcome, reason[:300], time.perf_counter() - begun)


def must(holds: object, words: str) -> None:
    """Raise Unmet with the words unless it holds."""
    if not holds:
        raise Unmet(words)


def equal(found: object, wanted: object, what: str) -> None:
    """Raise Unmet unless the two are equal."""
    if found != wanted:
        raise Unmet(f"{what} is {found!r:.120}, not {wanted!r:.120}")
