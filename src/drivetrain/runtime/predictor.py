"""The whole way from a raw value to an answer: read, encode, run, decode."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from drivetrain.arguments import public
from drivetrain.bundle.golden import encoded_batch
from drivetrain.bundle.reader import Bundle, open_bundle
from drivetrain.bundle.verify import VerifyReport, failed, passed, verify
from drivetrain.codecs import Codec
from drivetrain.cores import usable_cores
from drivetrain.errors import BundleError, DataError, DrivetrainError, UsageError
from drivetrain.ragged import Column
from drivetrain.runtime.answers import answer_columns
from drivetrain.runtime.frames import column_of, frame_like, frame_rows, kind_of, names_of
from drivetrain.runtime.parts import check_parts, parts_of, tensors_of
from drivetrain.runtime.programs import verified
from drivetrain.runtime.session import OnnxSession
from drivetrain.runtime.vetting import vet
from drivetrain.types import Answer, Array, Failure, Unusual

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

# What a codec may let slip on a value of the wrong kind. One bad item must not cost the others their answers.
_SLIPS = (TypeError, ValueError, OverflowError, OSError, MemoryError)
STEPS, MOST_STEPS = 32, 2**20
"""Rows of at most so many steps are padded to the same length without a thought, and a batch has at most so many steps."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One input, encoded or refused."""

    input: str
    encoded: dict[str, Array] | None = None
    error: DrivetrainError | None = None
    unusual: Mapping[str, Unusual] = field(default_factory=dict[str, Unusual])


class _Form(NamedTuple):
    """What one input has to become."""

    field: str
    codec: Codec
    profile: Mapping[str, Any]


class Predictor:
    """Answers from a bundle.

    The golden cases are run when it is made; where they don't hold, CheckFailed names the stage
    (`verify=False` leaves that out). A bundle that this machine neither made nor has verified before is first
    opened by a child process (see `vetting.py`), unless it is `trusted`. `batch_size` is the number of rows for
    one run of the graph (64 where inputs are files, else 1,024), `threads` the threads for one run. An item is a
    mapping from input names to raw values, or, where there is one input, its raw value alone; or the error of a
    row that couldn't be read, which is its answer then. Many items may be a frame of pandas, polars or pyarrow.
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
        self._forms = [
            _Form(name, codec, _profile(self.profile, name)) for name, codec in self.signature.inputs.items()
        ]
        self.parts = opened.parts
        self._files = any(codec.from_files for codec in self.signature.inputs.values())
        self.batch_size = batch_size or (64 if self._files else 1024)

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

    def predict(self, item: Any, *, parts: bool = False) -> Answer:
        """The answer for one item, of a blend with what its `parts` say. Raises DrivetrainError where it can't be read or
        answered, UsageError where the parts of a model are asked for that has none."""
        self._refuse_parts(parts)
        (result,) = self._answers([self._prepare(item)], parts)
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
        if not kind_of(frame):
            raise UsageError(
                f"{type(frame).__name__} is no frame.", where="frame", fix="Use predict_many for other items."
            )
        names = names_of(frame)
        chosen = names if "all" in keep and "all" not in names else list(keep)
        kept = {name: column_of(frame, name) for name in chosen}
        answers = self.stream(frame, parts=parts)
        told = self.parts if parts else ()
        return frame_like(frame, {**kept, **answer_columns(self.signature, answers, kept, told)})

    def stream(self, items: Iterable[Any], *, parts: bool = False) -> Iterator[Answer | Failure]:
        """As `predict_many`, one by one while they come: holds two batches at most, however many items
        there are.

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
            frame_rows(items, [*self.signature.inputs], self.batch_size) if kind_of(items) else items
        )
        first = list(islice(source, self.batch_size))
        with _pool() if self._files and len(first) > 1 else nullcontext() as pool:
            waiting: deque[Iterator[_Row]] = deque()
            for batch in chain([first], iter(lambda: list(islice(source, self.batch_size)), [])):
                waiting.append(self._prepare_all(batch, pool))
                if len(waiting) > 1:
                    yield from self._answers(list(waiting.popleft()), parts)
            for rows in waiting:
                yield from self._answers(list(rows), parts)

    def _prepare_all(self, batch: list[Any], pool: ThreadPoolExecutor | None) -> Iterator[_Row]:
        """Read and encode a batch: at once by the pool's threads, where there is one, else when it is asked
        for; cells by whole columns."""
        if pool is None and not self._files:
            return iter(self._prepare_columns(batch))
        if pool is None:
            return map(self._prepare, batch)
        # A few slices for each thread: one task for each item costs more than a small picture does.
        size = -(-len(batch) // (4 * usable_cores()))
        slices = [batch[start : start + size] for start in range(0, len(batch), size)]
        return chain.from_iterable(pool.map(self._prepare_slice, slices))

    def _prepare_slice(self, items: list[Any]) -> list[_Row]:
        return [self._prepare(item) for item in items]

    def _prepare(self, item: Any) -> _Row:
        """Read and encode one item."""
        if isinstance(item, DrivetrainError):
            return _Row(item.where, error=item)
        name = describe(item)
        try:
            sample = self._sample(item)
            encoded: dict[str, Array] = {}
            unusual: dict[str, Unusual] = {}
            for form in self._forms:
                try:
                    encoded[form.field] = encode(form.codec, sample[form.field])
                except DrivetrainError as fault:
                    return _Row(name, error=self._named(fault, form.field).at(name))
                if not form.codec.from_files:
                    column = form.codec.together([encoded[form.field]])
                    found = _unusual(form, _column([sample], form.field), column)
                    unusual.update((form.field, value) for value in found.values())
            return _Row(name, encoded, unusual=unusual)
        except DrivetrainError as fault:
            return _Row(name, error=fault.at(name))

    def _prepare_columns(self, items: list[Any]) -> list[_Row]:
        """As `_prepare` for each, but a column at a time, which for a table is many times as quick."""
        if any(isinstance(item, DrivetrainError) for item in items):
            good = [item for item in items if not isinstance(item, DrivetrainError)]
            found = iter(self._prepare_columns(good))
            return [
                self._prepare(item) if isinstance(item, DrivetrainError) else next(found) for item in items
            ]
        samples: list[Mapping[str, Any]] = []
        try:
            samples = [self._sample(item) for item in items]
            raws = {form.field: _column(samples, form.field) for form in self._forms}
            columns = {form.field: form.codec.encode_column(raws[form.field]) for form in self._forms}
            unusual: dict[int, dict[str, Unusual]] = {}
            for form in self._forms:
                for place, found in _unusual(form, raws[form.field], columns[form.field][0]).items():
                    unusual.setdefault(place, {})[form.field] = found
        except (DrivetrainError, *_SLIPS):
            return [self._prepare(item) for item in items]
        rows: list[_Row] = []
        for place, item in enumerate(items):
            faults = [(field, faults[place]) for field, (_, faults) in columns.items() if place in faults]
            name = describe(item)
            if faults:
                field, fault = faults[0]
                rows.append(_Row(name, error=self._named(fault, field).at(name)))
            else:
                encoded = {field: array[place] for field, (array, _) in columns.items()}
                rows.append(_Row(name, encoded, unusual=unusual.get(place, {})))
        return rows

    def _named(self, fault: DrivetrainError, field: str) -> DrivetrainError:
        """The fault with its column, where there are several."""
        return fault.in_column(field) if len(self._forms) > 1 else fault

    def _sample(self, item: Any) -> Mapping[str, Any]:
        inputs = self.signature.inputs
        if hasattr(item, "to_dict") and hasattr(item, "keys"):  # A row of pandas.
            item = item.to_dict()
        if isinstance(item, Mapping):
            sample = cast("Mapping[str, Any]", item)
            if missing := [field for field in inputs if field not in sample]:
                raise DataError(f"there is no {missing[0]!r} in it.", fix=f"Give {', '.join(inputs)}.")
            return sample
        if len(inputs) != 1:
            raise DataError("this model has several inputs.", fix=f"Give a mapping with {', '.join(inputs)}.")
        return {next(iter(inputs)): item}

    def _refuse_parts(self, asked: bool) -> None:
        if asked and not self.parts:
            raise UsageError(
                "this model is no blend: it has no parts.", where=self.name, fix="Ask for its answers alone."
            )

    def _answers(self, rows: Sequence[_Row], parts: bool) -> list[Answer | Failure]:
        """Answers for a prepared batch."""
        good = [row for row in rows if row.encoded is not None]
        answers = iter(self._run_alike(good, parts) if good else ())
        return [Failure(row.input, row.error) if row.error else next(answers) for row in rows]

    def _run_alike(self, rows: Sequence[_Row], parts: bool) -> list[Answer | Failure]:
        """Answers for rows of which those of similar lengths are run together: what pads a batch is work for nothing."""
        varying = [form.field for form in self._forms if form.codec.varies]
        if not varying:
            return self._run(rows, parts)
        lengths = np.array([[len(row.encoded[field]) for field in varying] for row in rows])  # type: ignore[index]
        answers: dict[int, Answer | Failure] = {}
        for places in _alike(lengths.max(axis=1)):
            answers.update(zip(places, self._run([rows[place] for place in places], parts)))
        return [answers[place] for place in range(len(rows))]

    def _run(self, rows: Sequence[_Row], parts: bool) -> list[Answer | Failure]:
        feeds = encoded_batch(self.signature, [cast("dict[str, Array]", row.encoded) for row in rows])
        try:
            outputs = self.session.run(feeds, tensors_of(self.parts) if parts else ())
            check_parts(self.parts if parts else (), outputs)
        except BundleError as fault:
            if len(rows) == 1:
                return [Failure(rows[0].input, fault)]
            return [answer for row in rows for answer in self._run([row], parts)]
        finite = {name: _finite_rows(outputs[name]) for name in self.signature.targets}
        answers = [
            self._decode(row, {name: outputs[name][n] for name in finite if finite[name][n]})
            for n, row in enumerate(rows)
        ]
        if not parts:
            return answers
        return [
            replace(answer, parts=parts_of(self.parts, self.signature, outputs, n))
            if isinstance(answer, Answer)
            else answer
            for n, answer in enumerate(answers)
        ]

    def _decode(self, row: _Row, output: Mapping[str, Array]) -> Answer | Failure:
        """The answer for one row of finite outputs."""
        targets: dict[str, dict[str, Any]] = {}
        for target, codec in self.signature.targets.items():
            if target not in output:
                fault = DataError(
                    f"the model's output for {target!r} is not a finite number.", where=row.input
                )
                return Failure(row.input, fault)
            targets[target] = codec.decode(output[target])
        return Answer(row.input, targets, row.unusual, outputs=output)


def _pool() -> ThreadPoolExecutor:
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(usable_cores(), thread_name_prefix="drivetrain-read")


def encode(codec: Codec, raw: Any) -> Array:
    """A raw value encoded, whatever it is. Raises DataError."""
    try:
        return codec.fitting(codec.encode_raw(raw))
    except _SLIPS as fault:
        raise DataError(f"{type(raw).__name__} can't be read as {codec.op}: {fault}") from fault


def _alike(lengths: Array) -> Iterator[list[int]]:
    """Places of lengths (n,), shortest first, in batches of which the longest is at most twice as long as the shortest,
    or STEPS long, and which have at most MOST_STEPS, padding included."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    for end in range(1, len(order) + 1):
        first, last = lengths[order[start]], lengths[order[min(end, len(order) - 1)]]
        if end == len(order) or last > max(2 * first, STEPS) or (end - start + 1) * last > MOST_STEPS:
            yield order[start:end].tolist()
            start = end


def _column(samples: Sequence[Mapping[str, Any]], field: str) -> Array:
    """The raw values (n,) of a field."""
    values = np.empty(len(samples), object)
    for place, sample in enumerate(samples):  # One by one, or cells that are lists would become an axis.
        values[place] = sample[field]
    return values


def _unusual(form: _Form, values: Array, encoded: Column) -> dict[int, Unusual]:
    """By place, what of raw values (n,) nothing in training was like."""
    return {
        place: Unusual(_shown(values[place]), reason)
        for reason, rows in form.codec.unusual(values, encoded, form.profile)
        for place in np.flatnonzero(rows).tolist()
    }


def _shown(raw: Any) -> str:
    """A value in a note: a text in quotes, whatever is long cut off; "" where there is none."""
    if raw is None or (isinstance(raw, float) and raw != raw):
        return ""
    text = repr(cast("object", raw)) if isinstance(raw, (str, list, tuple)) else str(raw)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _profile(profile: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    """What a bundle says of a field's training values; nothing where that is no object."""
    found = profile.get(field)
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}


def _finite_rows(output: Array) -> list[bool]:
    finite = np.isfinite(output).reshape(len(output), -1)
    return cast("list[bool]", finite.all(axis=1).tolist())


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


def describe(item: Any) -> str:
    """A short name of an item for answers and errors: a path as it is, the kind and size of anything else."""
    if isinstance(item, (str, os.PathLike)):
        return os.fspath(cast("str", item))[:1000]
    if isinstance(item, (bytes, bytearray, memoryview)):
        return f"{memoryview(cast('bytes', item)).nbytes} bytes"
    if isinstance(item, np.ndarray):
        array = cast("Array", item)
        return f"{array.dtype} array {'x'.join(map(str, array.shape))}"
    if isinstance(item, Mapping):
        sample = cast("Mapping[str, Any]", item)
        if len(sample) == 1:
            return describe(next(iter(sample.values())))
        return ", ".join(f"{field}={describe(raw)}" for field, raw in islice(sample.items(), 20))[:200]
    return repr(item)[:100]
