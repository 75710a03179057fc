"""Each answer kept: what was asked, what was said, how sure it was, and what turned out to be true. No torch, ever.

keep       an answer -> its Record, without what is redacted
Recorder   Record -> journal, at once; -> store, a moment later
Store      records in SQLite or PostgreSQL: found, read as columns, exported, forgotten, told their outcomes

Each name is imported when it is first used: the settings of a server, which need `Kept`, are read where there is no numpy yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivetrain.lazily import attributes, listing

if TYPE_CHECKING:
    from drivetrain.records.erasure import forget
    from drivetrain.records.keeping import keep, keep_arrays, keep_parts
    from drivetrain.records.kept import Kept, check_kept, check_key
    from drivetrain.records.record import Forgotten, NotRecorded, Outcome, Record, StoreGone, Told
    from drivetrain.records.recorder import Recorder
    from drivetrain.records.store import Store, open_store

__all__ = [
    "Forgotten", "Kept", "NotRecorded", "Outcome", "Record", "Recorder", "Store", "StoreGone", "Told", "check_kept", "check_key",
    "forget", "keep", "keep_arrays", "keep_parts", "open_store",
]  # fmt: skip
_MODULES = {
    "Forgotten": "drivetrain.records.record",
    "Kept": "drivetrain.records.kept",
    "NotRecorded": "drivetrain.records.record",
    "Outcome": "drivetrain.records.record",
    "Record": "drivetrain.records.record",
    "Recorder": "drivetrain.records.recorder",
    "Store": "drivetrain.records.store",
    "StoreGone": "drivetrain.records.record",
    "Told": "drivetrain.records.record",
    "check_kept": "drivetrain.records.kept",
    "check_key": "drivetrain.records.kept",
    "forget": "drivetrain.records.erasure",
    "keep": "drivetrain.records.keeping",
    "keep_arrays": "drivetrain.records.keeping",
    "keep_parts": "drivetrain.records.keeping",
    "open_store": "drivetrain.records.store",
}
__getattr__ = attributes(__name__, _MODULES)
__dir__ = listing(_MODULES)
