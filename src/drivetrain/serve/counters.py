"""What is counted, for Prometheus and for the statistics of the Open Inference Protocol: sums over all workers.

Each worker has a region of one shared memory, made before the fork, and writes to no other. A region is a list of series, each
with its name and labels in words and then its figures (float64), so that any worker can add up those of all. It outlives
its worker: what one had counted before it was killed is counted on by the next. A histogram keeps how many fell into each
bucket, and their sum.

Figures are written on the event loop's thread alone, without a lock: a figure is one aligned word of memory. Labels have few
values by construction: names of models that are served, versions, statuses; what callers write is none. A series that finds
no more room is not counted.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import drivetrain
from drivetrain.serve.prometheus import Metric, lines_of

REGION = 2**20
"""Bytes of a worker's series: some 150 versions of models; those that are retired make room. Only what is used is in memory."""
_HEAD = struct.Struct("=QQQ")
"""generation (odd while the series are moved together), bytes in use, the process."""
_SERIES = struct.Struct("=II")
"""bytes of the key, figures."""
_BETWEEN = "\x1f"


_OF_MODEL = ("model", "version")
METRICS = {
    "drivetrain_requests_total": Metric(
        "counter", "Requests answered or refused.", (*_OF_MODEL, "protocol", "status")
    ),
    "drivetrain_request_seconds": Metric(
        "histogram", "From a request's first byte to its answer.", (*_OF_MODEL, "protocol"),
        (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    ),
    "drivetrain_batch_rows": Metric(
        "histogram", "Rows of one run of a model's graph.", _OF_MODEL,
        (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
    ),
    "drivetrain_refused_total": Metric("counter", "Requests refused, by why.", ("reason",)),
    "drivetrain_waiting_rows": Metric("gauge", "Rows that wait for their run: what to scale by.", ("model",)),
    "drivetrain_requests_in_flight": Metric("gauge", "Requests that are being answered."),
    "drivetrain_reloads_total": Metric("counter", "Versions that came, failed or went.", ("model", "outcome")),
    "drivetrain_shadow_answers_total": Metric(
        "counter", "Answers of a version that is asked too: same, different, failed, left_out.", (*_OF_MODEL, "shadow", "outcome"),
    ),
    "drivetrain_records_total": Metric("counter", "Records of answers.", ("outcome",)),
    "drivetrain_worker_restarts_total": Metric("counter", "Workers that died and were started again."),
    "drivetrain_quarantined_total": Metric("counter", "Inputs that killed workers and are refused."),
}  # fmt: skip
_IN_FLIGHT = ("drivetrain_requests_in_flight",)
_DERIVED = {
    "drivetrain_rows_total": Metric("counter", "Rows that models have answered.", _OF_MODEL),
    "drivetrain_stage_seconds_total": Metric(
        "counter", "Time of requests in each stage: queue, encode, infer, decode.", (*_OF_MODEL, "stage")
    ),
    "drivetrain_info": Metric("gauge", "1, with the version of the program.", ("version",)),
}
_PROCESS = {
    "process_resident_memory_bytes": Metric("gauge", "Memory of a process.", ("process",)),
    "process_cpu_seconds_total": Metric("counter", "Processor time of a process.", ("process",)),
    "process_threads": Metric("gauge", "Threads of a process.", ("process",)),
    "process_open_fds": Metric("gauge", "Open files and sockets of a process.", ("process",)),
}
_SECONDS = METRICS["drivetrain_request_seconds"].buckets
_BATCH_ROWS = METRICS["drivetrain_batch_rows"].buckets
_NOWHERE = 64
"""Figures at a region's end that are written and never read: of what found no room."""
_MODEL, _BATCH = "model", "batch"
"""Series behind the statistics: of one model's version, and of one size of its batches."""
_ROWS, _RUNS, _LAST, _SUCCESS, _FAIL, _QUEUE, _ENCODE, _INFER, _DECODE = 0, 1, 2, 3, 5, 7, 9, 11, 13
"""Where a model's figures are: counts and sums of ns side by side, from `_SUCCESS` on."""
_MODEL_FIGURES, _BATCH_FIGURES = 15, 4


@dataclass(frozen=True)
class Spent:
    count: int = 0
    ns: int = 0


@dataclass(frozen=True)
class BatchSpent:
    """Of all batches of one size."""

    compute_input: Spent
    compute_infer: Spent
    compute_output: Spent


@dataclass(frozen=True)
class Statistics:
    """The statistics extension of the Open Inference Protocol: counts, and sums of nanoseconds, since the server's start."""

    inference_count: int = 0
    """Rows."""
    execution_count: int = 0
    """Runs of the graph."""
    last_inference: int = 0
    """Milliseconds since 1970; 0: none yet."""
    success: Spent = Spent()
    fail: Spent = Spent()
    queue: Spent = Spent()
    compute_input: Spent = Spent()
    compute_infer: Spent = Spent()
    compute_output: Spent = Spent()
    batches: dict[int, BatchSpent] = field(default_factory=dict[int, BatchSpent])


class Counts:
    """The memory of all workers' figures: to be made before they are forked. Region `workers` is the parent's."""

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self.memory = memoryview(mmap.mmap(-1, (workers + 1) * REGION))

    def region(self, worker: int) -> memoryview:
        return self.memory[worker * REGION : (worker + 1) * REGION]


class Counters:
    """One worker's way to count, and anybody's to see the sums. Without `counts` it is alone."""

    def __init__(self, counts: Counts | None = None, worker: int = 0) -> None:
        self._counts = counts or Counts()
        self._region = self._counts.region(worker)
        self._figures = self._region.cast("d")
        self._at: dict[tuple[object, ...], int] = {}
        self._observed: dict[tuple[object, ...], tuple[int, int, int | None]] = {}
        self._run: dict[tuple[object, ...], tuple[int, int, int]] = {}
        generation, used, _ = _HEAD.unpack_from(self._region)
        if generation % 2 or not used:  # New, or of a worker that died while it moved its series together.
            generation, used = generation + generation % 2, _HEAD.size
        _HEAD.pack_into(self._region, 0, generation, used, os.getpid())
        for key, at, count in _series(self._region):
            metric = METRICS.get(key[0])
            if metric and metric.kind == "gauge":
                self._figures[at : at + count] = _zeros(count)
        self._end = used // 8
        """Where the next series begins."""

    def observe(self, model: str, version: int | None, protocol: str, seconds: float, status: int) -> None:
        """One request, answered or refused; `model` is "" where it never came to one."""
        figures, key = self._figures, (model, version, protocol, status)
        found = self._observed.get(key)
        if found is None:
            found = self._observed[key] = self._places(model, version, protocol, status)
        total, time, of_model = found
        figures[total] += 1
        figures[time + bisect_left(_SECONDS, seconds)] += 1
        figures[time + len(_SECONDS) + 1] += seconds
        if of_model is not None:
            figures[of_model] += 1
            figures[of_model + 1] += int(seconds * 1e9)

    def _places(
        self, model: str, version: int | None, protocol: str, status: int
    ) -> tuple[int, int, int | None]:
        """Where such requests are counted."""
        of = (model, "" if version is None else version, protocol)
        total = self._series("drivetrain_requests_total", 1, *of, status)
        time = self._series("drivetrain_request_seconds", len(_SECONDS) + 2, *of)
        if not model or version is None:
            return total, time, None
        of_model = self._series(_MODEL, _MODEL_FIGURES, model, version)
        return total, time, of_model + (_SUCCESS if status < 400 else _FAIL)

    def ran(
        self, model: str, version: int, rows: int, *,
        requests: int = 1, queue: int = 0, encode: int = 0, infer: int = 0, decode: int = 0,
    ) -> None:  # fmt: skip
        """One run of a model's graph over `rows` rows of so many requests. Times in ns: `infer` is that of the run, the others
        are sums over its requests."""
        figures, key = self._figures, (model, version, rows)
        found = self._run.get(key)
        if found is None:
            found = self._run[key] = (
                self._series("drivetrain_batch_rows", len(_BATCH_ROWS) + 2, model, version),
                self._series(_MODEL, _MODEL_FIGURES, model, version),
                self._series(_BATCH, _BATCH_FIGURES, model, version, rows),
            )
        sizes, of_model, of_size = found
        figures[sizes + bisect_left(_BATCH_ROWS, rows)] += 1
        figures[sizes + len(_BATCH_ROWS) + 1] += rows
        figures[of_model + _ROWS] += rows
        figures[of_model + _RUNS] += 1
        figures[of_model + _LAST] = time.time_ns() // 1_000_000
        figures[of_model + _QUEUE] += requests
        figures[of_model + _QUEUE + 1] += queue
        figures[of_model + _ENCODE] += requests
        figures[of_model + _ENCODE + 1] += encode
        figures[of_model + _INFER] += requests
        figures[of_model + _INFER + 1] += infer * requests
        figures[of_model + _DECODE] += requests
        figures[of_model + _DECODE + 1] += decode
        figures[of_size] += 1
        figures[of_size + 1] += encode
        figures[of_size + 2] += infer
        figures[of_size + 3] += decode

    def refused(self, reason: str) -> None:
        """A request that got no answer, by a plain word of ours."""
        self._add("drivetrain_refused_total", 1, reason)

    def waiting(self, model: str, change: int) -> None:
        """So many rows more wait for this model."""
        self._add("drivetrain_waiting_rows", change, model)

    def in_flight(self, change: int) -> None:
        at = self._at.get(_IN_FLIGHT)
        self._figures[self._series(*_IN_FLIGHT, 1) if at is None else at] += change

    def reloaded(self, model: str, outcome: str) -> None:
        self._add("drivetrain_reloads_total", 1, model, outcome)

    def shadowed(self, model: str, version: int, shadow: int, outcome: str, count: int) -> None:
        """Answers of a version were compared with those of another."""
        self._add("drivetrain_shadow_answers_total", count, model, version, shadow, outcome)

    def recorded(self, outcome: str, count: int = 1) -> None:
        self._add("drivetrain_records_total", count, outcome)

    def restarted(self) -> None:
        self._add("drivetrain_worker_restarts_total", 1)

    def quarantined(self) -> None:
        self._add("drivetrain_quarantined_total", 1)

    def forget(self, model: str, version: int) -> None:
        """Give the room back of the series of a version that is served no more."""
        gone = (model, str(version))
        kept: list[tuple[tuple[str, ...], Sequence[float]]] = []
        for key, at, count in _series(self._region):
            metric = METRICS.get(key[0])
            of_version = metric is None or metric.labels[:2] == _OF_MODEL
            if not (of_version and key[1:3] == gone):
                kept.append((key, list(self._figures[at : at + count])))
        generation, _, process = _HEAD.unpack_from(self._region)
        _HEAD.pack_into(self._region, 0, generation + 1, _HEAD.size, process)
        self._at.clear()
        self._observed.clear()
        self._run.clear()
        self._end = _HEAD.size // 8
        for key, figures in kept:
            at = self._new(len(figures), key)
            for place, figure in enumerate(figures):
                self._figures[at + place] = figure
        _HEAD.pack_into(self._region, 0, generation + 2, self._end * 8, process)

    def statistics(self, model: str, version: int) -> Statistics:
        """Of one model's version, over all workers."""
        figures = [0] * _MODEL_FIGURES
        batches: dict[int, list[int]] = {}
        for key, values in self._all():
            if key[0] in (_MODEL, _BATCH) and key[1:3] == (model, str(version)):
                into = figures if key[0] == _MODEL else batches.setdefault(int(key[3]), [0] * _BATCH_FIGURES)
                for place, value in enumerate(values):
                    last = key[0] == _MODEL and place == _LAST
                    into[place] = max(into[place], int(value)) if last else into[place] + int(value)

        def spent(place: int) -> Spent:
            return Spent(figures[place], figures[place + 1])

        return Statistics(
            figures[_ROWS], figures[_RUNS], figures[_LAST],
            spent(_SUCCESS), spent(_FAIL), spent(_QUEUE), spent(_ENCODE), spent(_INFER), spent(_DECODE),
            {
                rows: BatchSpent(*(Spent(found[0], ns) for ns in found[1:]))
                for rows, found in sorted(batches.items())
            },
        )  # fmt: skip

    def total(self, name: str, **labels: str) -> float:
        """The sum over all workers, and over what labels are not given: of a histogram how many there were."""
        metric = METRICS[name]
        wanted = [labels.get(label) for label in metric.labels]
        return sum(
            sum(values[:-1]) if metric.kind == "histogram" else values[0]
            for key, values in self._all()
            if key[0] == name and all(want in (None, found) for want, found in zip(wanted, key[1:]))
        )

    def text(self, models: Collection[str] | None = None) -> str:
        """All of it in Prometheus' text format 0.0.4; where `models` are given nothing of others."""
        sums: dict[str, dict[tuple[str, ...], list[float]]] = {}
        for (name, *labels), values in self._all():
            of_name = sums.setdefault(name, {})
            before = of_name.get(tuple(labels))
            of_name[tuple(labels)] = [a + b for a, b in zip(before, values)] if before else values
        _derive(sums)
        processes = dict(_processes(self._counts))
        for place, name in enumerate(_PROCESS):
            sums[name] = {(process,): [figures[place]] for process, figures in processes.items()}
        lines: list[str] = []
        for name, metric in (METRICS | _DERIVED | _PROCESS).items():
            found = sums.get(name, {})
            if models is not None and "model" in metric.labels:
                at = metric.labels.index("model")
                found = {labels: values for labels, values in found.items() if labels[at] in ("", *models)}
            lines += lines_of(name, metric, found)
        return "\n".join(lines) + "\n"

    def _add(self, name: str, change: float, *labels: object) -> None:
        at = self._at.get((name, *labels))
        self._figures[self._series(name, 1, *labels) if at is None else at] += change

    def _series(self, name: str, count: int, *labels: object) -> int:
        """Where a series' figures are, which begins here if it is new."""
        key = (name, *labels)
        at = self._at.get(key)
        if at is None:
            at = self._at[key] = self._find(count, tuple(map(str, key)))
        return at

    def _find(self, count: int, key: tuple[str, ...]) -> int:
        for found, at, _ in _series(self._region):  # Of this worker's predecessor.
            if found == key:
                return at
        at = self._new(count, key)
        generation, _, process = _HEAD.unpack_from(self._region)
        _HEAD.pack_into(self._region, 0, generation, self._end * 8, process)
        return at

    def _new(self, count: int, key: tuple[str, ...]) -> int:
        """A series behind the last; it is seen when the bytes in use say so."""
        start = self._end * 8
        name = _BETWEEN.join(key).encode()
        name += b" " * (-len(name) % 8)
        at = start + _SERIES.size + len(name)
        if at + 8 * (count + _NOWHERE) > REGION:
            return REGION // 8 - _NOWHERE
        _SERIES.pack_into(self._region, start, len(name), count)
        self._region[start + _SERIES.size : at] = name
        self._figures[at // 8 : at // 8 + count] = _zeros(count)
        self._end = at // 8 + count
        return at // 8

    def _all(self) -> Iterator[tuple[tuple[str, ...], list[float]]]:
        for worker in range(self._counts.workers + 1):
            region = self._counts.region(worker)
            for _ in range(1000):  # One that moves its series together is done within a millisecond.
                before = _HEAD.unpack_from(region)[0]
                figures = region.cast("d")
                found = [(key, list(figures[at : at + count])) for key, at, count in _series(region)]
                if before % 2 == 0 and before == _HEAD.unpack_from(region)[0]:
                    yield from found
                    break
                time.sleep(0.0001)


def _zeros(count: int) -> memoryview[float]:
    return memoryview(bytes(8 * count)).cast("d")


def _series(region: memoryview) -> Iterator[tuple[tuple[str, ...], int, int]]:
    """(name and labels, where its figures begin, how many there are) of each series."""
    place, end = _HEAD.size, min(_HEAD.unpack_from(region)[1], REGION)
    while place < end:
        length, count = _SERIES.unpack_from(region, place)
        place += _SERIES.size
        key = bytes(region[place : place + length]).decode("utf-8", "replace").rstrip(" ")
        place += length
        yield tuple(key.split(_BETWEEN)), place // 8, count
        place += 8 * count


def _derive(sums: dict[str, dict[tuple[str, ...], list[float]]]) -> None:
    """What the statistics say too, as metrics."""
    rows = sums["drivetrain_rows_total"] = {}
    stages = sums["drivetrain_stage_seconds_total"] = {}
    for labels, figures in sums.get(_MODEL, {}).items():
        rows[labels] = [figures[_ROWS]]
        for stage, place in (("queue", _QUEUE), ("encode", _ENCODE), ("infer", _INFER), ("decode", _DECODE)):
            stages[*labels, stage] = [figures[place + 1] / 1e9]
    sums["drivetrain_info"] = {(drivetrain.__version__,): [1.0]}


def _processes(counts: Counts) -> Iterator[tuple[str, list[float]]]:
    """Memory in bytes, processor seconds, threads and open files of each process that lives, where the system tells (Linux)."""
    for worker in range(counts.workers + 1):
        process = _HEAD.unpack_from(counts.region(worker))[2]
        try:
            with open(f"/proc/{process}/stat", "rb") as file:
                words = file.read().rpartition(b")")[2].split()
            open_files = len(os.listdir(f"/proc/{process}/fd"))
        except OSError:
            continue
        memory = int(words[21]) * os.sysconf("SC_PAGE_SIZE")
        cpu = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
        name = "parent" if worker == counts.workers else f"worker {worker}"
        yield name, [memory, cpu, int(words[17]), open_files]
