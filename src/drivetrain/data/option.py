"""An option of a task: how it is typed, what it is in Python, what a run's recipe keeps of it. Each is said once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from drivetrain.errors import UsageError

CATEGORY, NUMBER = "category", "number"
Fits = Callable[[Any], bool]
GENERAL = "general"
"""The group of an option that several tasks have: it has no heading in --help."""


@dataclass(frozen=True)
class Option:
    """What can be said of the data of a task. A subclass converts what isn't the same in all three places.

    name      as on the command line: `image_size` is typed --image-size
    help      what --help says of it
    typed     the keywords of `ArgumentParser.add_argument`; None: it is for Python alone
    argument  what it is called in the Python call and in the recipe, where that is something else
    written   as on the command line, where that is something else: `source_column` is typed --source
    group     its heading in --help: that of the task unless said
    question  is asked where it has to be said and isn't: "which column is to be predicted"
    usual     what it is where nobody said
    needs     what a target has to be for it to mean something: CATEGORY or NUMBER
    reads     True where it says how a source is read: then `evaluate` has it too
    fits      whether a value may be taken from the recipe of somebody else's bundle; without it none is
    """

    name: str
    help: str = ""
    typed: Mapping[str, Any] | None = field(default_factory=dict)
    argument: str = ""
    written: str = ""
    group: str = ""
    question: str = ""
    usual: Any = None
    fits: Fits | None = None
    reads: bool = False
    needs: str = ""

    @property
    def key(self) -> str:
        """What it is called in the call and in the recipe."""
        return self.argument or self.name

    @property
    def flag(self) -> str:
        """As it is typed."""
        return "--" + (self.written or self.name).replace("_", "-")

    @property
    def metavar(self) -> str:
        """What its value is called in --help."""
        return (self.typed or {}).get("metavar", self.name.upper())

    def add(self, parser: Any) -> None:
        """Make it an option of the command line."""
        parser.add_argument(self.flag, dest=self.name, help=self.help, **(self.typed or {}))

    def refuse_missing(self, typed: Any) -> None:
        """Raises UsageError where it has to be said and isn't."""
        if self.question and not typed:
            raise UsageError(
                f"{self.question}?", where=self.flag, fix=f"Name it: {self.flag} {self.metavar}."
            )

    def read(self, typed: Any) -> Any:
        """The value for the call, of what was typed. Raises UsageError."""
        return typed

    def plain(self, value: Any) -> Any:
        """What the recipe keeps of a value: JSON."""
        return value

    def restore(self, kept: Any) -> Any:
        """The value that the recipe has kept."""
        return kept

    def words(self, kept: Any) -> Any:
        """What is typed to say what the recipe has kept; texts in one line, in whatever order they came."""
        return ", ".join(sorted(map(str, kept))) if isinstance(kept, list) else kept

    def said(self, typed: Any) -> Any:
        """The same of what was typed, to compare with."""
        return self.words(self.plain(self.read(typed)))
