"""Options that several tasks have, and those whose words mean something else than themselves."""

from __future__ import annotations

from argparse import BooleanOptionalAction
from collections.abc import Mapping
from typing import Any

from drivetrain.bundle import facts
from drivetrain.data import split as splits
from drivetrain.data.option import GENERAL, NUMBER, Option
from drivetrain.data.split import Splitter
from drivetrain.data.split_words import VALID_SHARE
from drivetrain.errors import UsageError

HELD = 0.9
"""How often a number's interval shall hold it where nobody said."""
AGAIN: dict[str, Any] = {"action": "append", "default": []}
FLAG: dict[str, Any] = {"action": "store_true"}
YES_OR_NO: dict[str, Any] = {"action": BooleanOptionalAction}


class Split(Option):
    """How the rows are split: what it means is said by `Task.splitter`."""

    def plain(self, value: Splitter | None) -> Any:
        return None if value is None else value.to_json()

    def restore(self, kept: Any) -> Any:
        return splits.from_json(kept) if kept else None


class Pairs(Option):
    """NAME=VALUE, which may be given again: a mapping."""

    def read(self, typed: list[str]) -> dict[str, str]:
        return dict(self.pair(given) for given in typed)

    def pair(self, given: str) -> tuple[str, str]:
        """Name and value. Raises UsageError."""
        name, sign, value = given.rpartition("=")
        if not sign or not name or not value:
            raise UsageError(f"{given!r} is not {self.metavar}.", where=self.flag)
        return name, value

    def plain(self, value: Mapping[str, str] | None) -> Any:
        return None if value is None else dict(value)

    def words(self, kept: Any) -> Any:
        return super().words([f"{name}={value}" for name, value in (kept or {}).items()])


class Words(Option):
    """a,b,c: a list, whose order means something."""

    def read(self, typed: str | None) -> list[str] | None:
        return typed.split(",") if typed else None

    def plain(self, value: Any) -> Any:
        return None if value is None else list(value)

    def words(self, kept: Any) -> str:
        return ",".join(kept or ())


VALID = Option(
    "valid", "share that validates where the source doesn't say (0.2)", {"type": float, "default": VALID_SHARE},
    group=GENERAL, fits=facts.is_number,
)  # fmt: skip
SEED = Option(
    "seed", "of the split, the weights and all chance (0)", {"type": int, "default": 0},
    group=GENERAL, fits=facts.is_whole,
)  # fmt: skip
SPLIT = Split(
    "split",
    "random, time:COLUMN (or time:COLUMN,gap=7d: a gap before what is measured), group:COLUMN, column:COLUMN or "
    "position; of pictures and sounds random or group:WHAT, a column of the CSV, parent, the level of a folder, or a "
    "pattern such as '(patient[0-9]+)_' (random)",
    {"metavar": "HOW"}, group=GENERAL, fits=facts.or_none(facts.is_split),
)  # fmt: skip
TEST = Option(
    "test", "share kept for evaluate (0)", {"type": float, "metavar": "SHARE", "default": 0.0},
    group=GENERAL, fits=facts.is_number,
)  # fmt: skip
LAYOUT = Option("layout", "override the recognised layout of the folder", group=GENERAL, reads=True)
DROP_COPIES = Option(
    "drop_copies", "leave out rows, pictures or sounds that are there already", FLAG, group=GENERAL, fits=facts.is_bool
)  # fmt: skip
TARGET = Option(
    "target", "what is to be predicted; may be given again", {**AGAIN, "metavar": "COLUMN"}, group="tables",
    question="which column is to be predicted", fits=facts.many(facts.is_text),
)  # fmt: skip
INTERVAL = Option(
    "interval", "how often a number's interval shall hold it (0.9)", {"type": float, "metavar": "SHARE"},
    group="tables", usual=HELD, needs=NUMBER, fits=facts.or_none(facts.is_number),
)  # fmt: skip
QUERY = Option("query", "what to read from a database", {"metavar": "SQL"}, group="tables", reads=True)


def refuse_no_share(interval: float | None) -> None:
    """Raises UsageError for an interval that is no share of the answers."""
    if interval is not None and not 0 < interval < 1:
        raise UsageError(f"this must be a share between 0 and 1, not {interval}.", where="interval")
