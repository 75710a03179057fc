"""From a bundle to what is served: opened, its hashes held, tried by a child process where it is unknown, its golden cases run.

That is the warm-up too: what comes out has answered already, and its time is known.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace

from drivetrain.bundle.optional import ranking_of
from drivetrain.bundle.program import Forecast, Generate
from drivetrain.bundle.reader import Bundle, open_bundle, open_bundle_bytes
from drivetrain.serve.programs.base import Servable
from drivetrain.serve.programs.forecast import Forecasts
from drivetrain.serve.programs.generate import Writes
from drivetrain.serve.programs.recommend import Recommends
from drivetrain.serve.programs.single import Single

__all__ = ["Servable", "open_servable"]

SLOW = 0.005
"""A row that takes so many seconds is not run again to know it more exactly."""
SEVERAL = 8


def open_servable(
    bundle: Bundle | bytes | str | os.PathLike[str],
    name: str,
    version: int,
    *,
    threads: int | None = None,
    trusted: bool = False,
) -> Servable:
    """The bundle in a file, a folder or bytes, ready to answer. Raises FileError where it can't be read, BundleError where it must
    not be, CheckFailed where its golden cases don't hold."""
    if isinstance(bundle, bytes):
        opened = open_bundle_bytes(bundle, name)
    else:
        opened = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
    made = _kind(opened)(opened, name, version, threads=threads, trusted=trusted)
    warm_up(made)
    made.bundle = _without_weights(opened)
    return made


def _without_weights(bundle: Bundle) -> Bundle:
    """What is looked up in a bundle that answers: the sessions have the graphs, and the file's bytes are as much again."""
    recommender = bundle.recommender and _without_weights(bundle.recommender)
    return replace(bundle, members={}, graphs=dict.fromkeys(bundle.graphs, b""), recommender=recommender)


def _kind(bundle: Bundle) -> type[Forecasts | Writes | Recommends | Single]:
    if isinstance(bundle.program, Forecast):
        return Forecasts
    if isinstance(bundle.program, Generate):
        return Writes
    recommends = bundle.recommender is not None or ranking_of(bundle.signature) is not None
    return Recommends if recommends else Single


def warm_up(servable: Servable) -> None:
    """Measure how long a batch takes, and each row in it: by golden cases, whose rows are like those that will come."""
    case = servable.bundle.cases[0]
    if not isinstance(servable, Single):
        servable.once = servable.each = SLOW  # A loop of runs: never within the event loop.
        return
    item = {
        field: codec.from_bytes(case.raw[field]) for field, codec in servable.bundle.signature.inputs.items()
    }
    one = _seconds(servable, item, 1)
    if one > SLOW:
        servable.once, servable.each = 0.0, one
        return
    one = min(one, _seconds(servable, item, 1), _seconds(servable, item, 1))
    several = min(_seconds(servable, item, SEVERAL), _seconds(servable, item, SEVERAL))
    servable.each = max(several - one, 0.0) / (SEVERAL - 1)
    servable.once = max(one - servable.each, 0.0)


def _seconds(servable: Single, item: object, rows: int) -> float:
    """Of that part of the path that can't be done by others meanwhile: files are read before."""
    items = [item] * rows
    read = servable.read(items) if servable.files else None
    begun = time.perf_counter()
    servable.answers(servable.read(items) if read is None else read, {})
    return time.perf_counter() - begun
