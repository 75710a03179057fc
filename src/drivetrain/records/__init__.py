"""Each answer kept: what was asked, what was said, how sure it was, and what turned out to be true. No torch, ever.

keep       an answer -> its Record, without what is redacted
Recorder   Record -> journal, at once; -> store, a moment later
Store      records in SQLite or PostgreSQL: found, read as columns, exported, forgotten, told their outcomes
"""

from drivetrain.records.keeping import keep
from drivetrain.records.kept import Kept, check_kept, check_key
from drivetrain.records.record import Forgotten, NotRecorded, Outcome, Record, StoreGone, Told
from drivetrain.records.recorder import Recorder
from drivetrain.records.store import Store, open_store

__all__ = [
    "Forgotten",
    "Kept",
    "NotRecorded",
    "Outcome",
    "Record",
    "Recorder",
    "Store",
    "StoreGone",
    "Told",
    "check_kept",
    "check_key",
    "keep",
    "open_store",
]
