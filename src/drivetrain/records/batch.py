"""Answers of a job, recorded as a server's are."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

from drivetrain.bundle.reader import Bundle
from drivetrain.model_names import place_of
from drivetrain.records.keeping import keep, keep_parts
from drivetrain.records.kept import Kept, check_kept
from drivetrain.records.record import Record
from drivetrain.records.recorder import Recorder
from drivetrain.records.store import open_store, without_password
from drivetrain.types import Answer, Failure

AT_ONCE = 500
"""Records of one write."""


class Batch:
    """Records in the store at `url` what a bundle answers, under the name and version that a server has for it: of
    MODELS/NAME/VERSION these, else the file's name and 1. What is kept of a model there is kept here, and `redact` never.

    A block: at its end all is in the store, or `waiting` in a journal where the store is gone. Raises what `open_store` raises,
    UsageError for a redacted name that is no input, NotRecorded.
    """

    def __init__(self, url: str, bundle: Bundle, path: str, redact: Sequence[str] = ()) -> None:
        self._bundle = bundle
        self.model, self.version = place_of(os.path.realpath(path))
        self.where = without_password(url)
        with open_store(url, create=True) as store:  # Or nobody knows what may be written down.
            kept = store.kept().get(self.model, Kept())
        self.kept = dataclasses.replace(kept, redact=tuple(dict.fromkeys((*kept.redact, *redact))))
        check_kept(Kept(redact=tuple(redact)), bundle.signature.inputs, self.model)
        self._records: list[Record] = []
        self.told: list[str] = []
        self.recorder = Recorder(url, {self.model: self.kept}, log=self._tell)

    def _tell(self, what: str, details: Mapping[str, Any]) -> None:
        if what == "records wait for their store":
            self.told = [f"{what}: {details['error']}"]

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *fault: object) -> None:
        try:
            self._write()
        finally:
            self.recorder.close()

    @property
    def recorded(self) -> int:
        return self.recorder.counts.get("recorded", 0)

    @property
    def waiting(self) -> bool:
        """Whether some are in a journal alone: the next that opens the store brings them there."""
        return self.recorder.waiting_bytes > 0

    def add(self, item: Any, answer: Answer | Failure, key: str = "") -> None:
        """What was answered for one raw item; a text is the path of a file where the model reads files."""
        self._add(
            keep(
                self.kept, self._bundle.signature.inputs, item, answer, model=self.model, version=self.version,
                bundle=self._bundle.hash, key=key, source="batch",
            ),
            key,
        )  # fmt: skip

    def add_parts(
        self, item: Mapping[str, Any], answer: Mapping[str, Any], key: str = "", quotes: Sequence[str] = ()
    ) -> None:
        """The same of an item that is no row of inputs, such as a history; `key` says again what came, as `quotes` do
        (see `keep_parts`)."""
        key = key if self.kept.is_open else ""
        self._add(
            keep_parts(
                self.kept, item, answer, model=self.model, version=self.version, bundle=self._bundle.hash, key=key,
                source="batch", quotes=quotes,
            ),
            key,
        )  # fmt: skip

    def _add(self, record: Record, key: str) -> None:
        if self.recorder.wants(self.model, key, str(self._place())):
            self._records.append(record)
        if len(self._records) >= AT_ONCE:
            self._write()

    def _place(self) -> int:
        return self.recorded + len(self._records) + self.recorder.counts.get("left_out", 0)

    def _write(self) -> None:
        self.recorder.add_many(self._records)
        self._records = []
