"""The whole way from a raw value to an answer: read, encode, run, decode."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from drivetrain.arguments import public
from drivetrain.bundle.golden import encoded_batch
from drivetrain.bundle.reader import Bundle, open_bundle
from drivetrain.bundle.verify import VerifyReport, failed, passed, verify
from drivetrain.cores import usable_cores
from drivetrain.errors import BundleError, DrivetrainError, UsageError
from drivetrain.files import file_error
from drivetrain.metrics import rows_at_once
from drivetrain.ragged import MOST_STEPS
from drivetrain.runtime.answers import answer_columns
from drivetrain.runtime.frames import column_of, frame_like, frame_rows, library_of, names_of
from drivetrain.runtime.parts import check_parts, parts_of, tensors_of
from drivetrain.runtime.programs import verified
from drivetrain.runtime.rows import Reader, Row, answers, describe
from drivetrain.runtime.session import OnnxSession
from drivetrain.runtime.vetting import vet
from drivetrain.types import Answer, Array, Failure

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

STEPS = 32
"""Rows of at most so many steps are padded to the same length without a thought."""


class Predictor:
    """Answers from a bundle.

    The golden cases are run when it is made; where they don't hold, CheckFailed names the stage
    (`verify=False` leaves that out). A bundle that this machine neither made nor has verified before is first
    opened by a child process (see `vetting.py`), unless it is `trusted`. `batch_size` is the number of rows for
    one run of the graph (64 where inputs are files, else 1,024; fewer where outputs are large), `threads` the threads
    for one run. An item is a mapping from input names to raw values, or, where there is one input, its raw value alone;
    or the error of a row that couldn't be read, which is its answer then. Many items may be a frame of pandas, polars
    or pyarrow.
    """

    @public
    def __init__(
        self,
        bundle: Bundle | str | os.PathLike[str],
        verify: bool = True,
        batch_size: int | None = None,
        *,
        threads: int | None = None,
        trusted: bool = False,
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise UsageError(f"a batch of {batch_size} rows.", where="batch_size", fix="Give 1 or more.")
        where = "" if isinstance(bundle, Bundle) else os.fspath(bundle)
        opened = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
        graph = opened.graph  # A bundle that generates is refused before it is tried.
        found = vet(opened, trusted=trusted, where=where)
        self.session = OnnxSession(graph, opened.tensors, threads=threads)
        if verify:
            (found or _verify(opened, self.session)).require(where or opened.name)
        self.signature, self.manifest, self.card = opened.signature, opened.manifest, opened.card
        self.profile, self.hash, self.name = opened.profile, opened.hash, opened.name
        self.reader = Reader(self.signature.inputs, self.profile)
        self.parts = opened.parts
        most = rows_at_once(self.signature.targets.values())
        self.batch_size = batch_size or min(64 if self.reader.files else 1024, most)

    def __repr__(self) -> str:
        inputs, targets = ", ".join(self.signature.inputs), ", ".join(self.signature.targets)
        return f"<Predictor {self.name}: {inputs} -> {targets}>"

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the only target that has any. Raises UsageError where none or several have."""
        codecs = self.signature.targets.values()
        found = [codec.labels for codec in codecs if codec.labels is not None]
        if len(found) != 1:
            raise UsageError(
                f"{len(found)} targets of this model have classes.", fix="Look into signature.targets."
            )
        return found[0]

    def predict(self, item: Any, *, parts: bool = False, windows: bool = False) -> Answer:
        """The answer for one item, of a blend with what its `parts` say; of a recording that is longer than is heard at once for
        all of it, with `windows` beside it what is answered for each (see `Codec.stretches`). Raises DrivetrainError where it
        can't be read or answered, UsageError where the parts of a model are asked for that has none."""
        self._refuse_parts(parts)
        (result,) = self.answers([self.reader.row(item)], parts, windows=windows)
        if isinstance(result, Failure):
            raise result.error
        return result

    def predict_many(self, items: Iterable[Any], *, parts: bool = False) -> list[Answer | Failure]:
        """An answer, or the reason why there is none, for each item in its order. Raises UsageError for an item alone."""
        return list(self.stream(items, parts=parts))

    def predict_frame(self, frame: Any, *, keep: Sequence[str] = (), parts: bool = False) -> Any:
        """A frame of the same library with a row for each of `frame`'s, in their order: the columns to `keep` ("all": all),
        the answers, what is unusual, and the error where there is no answer (see `answer_columns`). In pandas it has the
        same index. Raises UsageError for anything but a frame, DataError where it lacks a column."""
        if not library_of(frame):
            raise UsageError(
                f"{type(frame).__name__} is no frame.", where="frame", fix="Use predict_many for other items."
            )
        names = names_of(frame)
        chosen = names if "all" in keep and "all" not in names else list(keep)
        kept = {name: column_of(frame, name) for name in chosen}
        answers = self.stream(frame, parts=parts)
        told = self.parts if parts else ()
        return frame_like(frame, {**kept, **answer_columns(self.signature, answers, kept, told)})

    def stream(
        self, items: Iterable[Any], *, parts: bool = False, outputs: bool = False, windows: bool = False
    ) -> Iterator[Answer | Failure]:
        """As `predict_many`, one by one while they come: holds two batches at most, however many items
        there are. With `outputs` each answer has what the graph put out beside it, with `windows` what is said of each window.

        Where inputs are files, the next batch is read and encoded by threads while the graph runs.
        """
        if isinstance(items, (str, bytes, bytearray, os.PathLike, Mapping)):
            raise UsageError(
                "this is one item, not many.",
                where=describe(items),
                fix="Give a list of items, or use predict.",
            )
        self._refuse_parts(parts)
        source = iter(
            frame_rows(items, [*self.signature.inputs], self.batch_size) if library_of(items) else items
        )
        first = list(islice(source, self.batch_size))
        with _pool() if self.reader.files and len(first) > 1 else nullcontext() as pool:
            waiting: deque[Iterator[Row]] = deque()
            for batch in chain([first], iter(lambda: list(islice(source, self.batch_size)), [])):
                waiting.append(self.reader.rows(batch, pool))
                if len(waiting) > 1:
                    yield from self.answers(list(waiting.popleft()), parts, outputs, windows)
            for rows in waiting:
                yield from self.answers(list(rows), parts, outputs, windows)

    def _refuse_parts(self, asked: bool) -> None:
        if asked and not self.parts:
            raise UsageError(
                "this model is no blend: it has no parts.", where=self.name, fix="Ask for its answers alone."
            )

    def answers(
        self, rows: Sequence[Row], parts: bool, keep: bool = False, windows: bool = False
    ) -> list[Answer | Failure]:
        """Answers for a prepared batch."""
        good = [row for row in rows if row.encoded is not None and row.stretches is None]
        found = iter(self._run_alike(good, parts, keep) if good else ())
        return [
            Failure(row.input, row.error)
            if row.error
            else next(found)
            if row.stretches is None
            else self._of_whole(row, keep, windows)
            for row in rows
        ]

    def _of_whole(self, row: Row, keep: bool, windows: bool) -> Answer | Failure:
        """The answer for an input by those for its stretches, run a batch at a time: the mean of what was put out for them."""
        targets = self.signature.targets
        gathered: dict[str, list[Array]] = {name: [] for name in targets}
        told: list[dict[str, Any]] = []
        try:
            for batch in iter(lambda: list(islice(row.stretches or (), self.batch_size)), []):
                outputs = self.session.run(encoded_batch(self.signature, [each.encoded for each in batch]))
                for name in targets:
                    gathered[name].append(outputs[name])
                if windows:
                    rows = [Row(row.input, each.encoded) for each in batch]
                    told += [
                        {"from": each.start, "to": each.stop, **found.to_json()}
                        for each, found in zip(batch, answers(targets, rows, outputs))
                    ]
        except (DrivetrainError, OSError) as fault:
            error = fault if isinstance(fault, DrivetrainError) else file_error(fault, row.input)
            return Failure(row.input, error.at(row.input))
        whole = {
            name: np.concatenate(found).mean(axis=0, dtype=np.float64)[None].astype(np.float32)
            for name, found in gathered.items()
        }
        (found,) = answers(targets, [row], whole, keep)
        for each in told:
            del each["input"]
        return replace(found, windows=tuple(told)) if isinstance(found, Answer) else found

    def _run_alike(self, rows: Sequence[Row], parts: bool, keep: bool) -> list[Answer | Failure]:
        """Answers for rows of which those of similar lengths are run together: what pads a batch is work for nothing."""
        varying = [field for field, codec in self.signature.inputs.items() if codec.varies]
        if not varying:
            return self._run(rows, parts, keep)
        lengths = np.array([[len(row.encoded[field]) for field in varying] for row in rows])  # type: ignore[index]
        found: dict[int, Answer | Failure] = {}
        for places in _alike(lengths.max(axis=1)):
            found.update(zip(places, self._run([rows[place] for place in places], parts, keep)))
        return [found[place] for place in range(len(rows))]

    def _run(self, rows: Sequence[Row], parts: bool, keep: bool) -> list[Answer | Failure]:
        feeds = encoded_batch(self.signature, [cast("dict[str, Array]", row.encoded) for row in rows])
        try:
            outputs = self.session.run(feeds, tensors_of(self.parts) if parts else ())
            check_parts(self.parts if parts else (), outputs)
        except BundleError as fault:
            if len(rows) == 1:
                return [Failure(rows[0].input, fault)]
            return [answer for row in rows for answer in self._run([row], parts, keep)]
        found = answers(self.signature.targets, rows, outputs, keep)
        if not parts:
            return found
        return [
            replace(answer, parts=parts_of(self.parts, self.signature, outputs, n))
            if isinstance(answer, Answer)
            else answer
            for n, answer in enumerate(found)
        ]


def _pool() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(usable_cores(), thread_name_prefix="drivetrain-read")


def _alike(lengths: Array) -> Iterator[list[int]]:
    """Places of lengths (n,), shortest first, in batches of which the longest is at most twice as long as the shortest,
    or STEPS long, and which have at most MOST_STEPS."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    for end in range(1, len(order) + 1):
        first, last = lengths[order[start]], lengths[order[min(end, len(order) - 1)]]
        if end == len(order) or last > max(2 * first, STEPS) or (end - start + 1) * last > MOST_STEPS:
            yield order[start:end].tolist()
            start = end


_verify = verify  # `verify` is also the name of Predictor's argument.


def verify_bundle(path: str | os.PathLike[str], *, trusted: bool = False) -> VerifyReport:
    """Open a bundle and check it stage by stage in this runtime, one of unknown origin in a child process unless it is
    `trusted`. Only a file that can't be read at all raises (FileError)."""
    stages = [passed("members", "")]
    try:
        bundle = open_bundle(path, check_graph=False)
        stages.append(passed("graph", ""))
        bundle.check_graph()
        return vet(bundle, trusted=trusted) or verified(bundle)
    except BundleError as fault:
        return VerifyReport([*stages[:-1], failed(stages[-1]["stage"], str(fault))])
