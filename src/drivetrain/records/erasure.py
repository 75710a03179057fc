"""One person's rows, forgotten wherever this machine has them: in the store, and in the journals on their way there."""

from __future__ import annotations

import time

from drivetrain.records.events import Events
from drivetrain.records.journal import listed
from drivetrain.records.record import Forgotten
from drivetrain.records.store import Store
from drivetrain.records.writer import drain


def forget(
    store: Store, events: Events, *, key: str | None = None, inputs: tuple[str, str] | None = None, model: str | None = None,
    seconds: float = 15.0,
) -> Forgotten:  # fmt: skip
    """Delete one person's rows in the store and in this machine's journals: those of processes that died are emptied by us, those
    of the living by themselves, which is waited for; what journals elsewhere hold of them is left out when it comes."""
    there = listed(store.journals)
    before = store.dropped(key=key, inputs=inputs, model=model)
    rows = store.forget(key=key, inputs=inputs, model=model)
    drain(store, store.journals, events)
    until = time.monotonic() + seconds
    while (left := [path for path in there if path.exists()]) and time.monotonic() < until:
        time.sleep(0.1)
        drain(store, store.journals, events)
    return Forgotten(rows, store.dropped(key=key, inputs=inputs, model=model) - before, len(left))
