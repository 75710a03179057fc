"""Versions that come while callers ask: does anybody notice?

Claim: 100 reloads, 30 of them of corrupt bundles (cut off, another byte than its hash says, golden cases that don't hold with every
hash made right, half-copied under the final name), under 200 requests a second: no failed request, no answer of two versions, no
corrupt version ever answers, and each is reported.
Method: a server of this package as users start it; callers in a process of its own ask 8 rows at a time at the given rate, whether
answers come or not; the model adds its version's number to each of 32 values, so that each answer tells which version made each of
them. The next version is put there once the last has answered, or was reported. Beside it the same callers ask for as long
without a reload, for the times.
Machine, n and date: in results/serve_reload.json.  Run: python bench/serve_reload.py [--reloads 100] [--workers 1]
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from common import write_result
from onnx import TensorProto, helper, numpy_helper

from drivetrain.bundle.archive import MANIFEST, MANIFEST_HASH, read_zip, write_zip
from drivetrain.files import from_json, sha256, to_json
from drivetrain.runtime import from_onnx

ROWS, COLUMNS = 8, 4
BODY = json.dumps(
    {"inputs": [{"name": "x", "datatype": "FP32", "shape": [ROWS, COLUMNS], "data": [0.0] * ROWS * COLUMNS}]}
)
CORRUPT = ("cut off", "another hash", "golden cases", "half-copied")
PATIENCE = 60.0
CALLERS = 4


def bundle(version: int, folder: Path) -> bytes:
    """A model that adds its version to what it is given."""
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "version"], ["y"])],
        "add",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", COLUMNS])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", COLUMNS])],
        [numpy_helper.from_array(np.float32(version).reshape(()), "version")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    path = folder / "made.bundle"
    examples = {"x": np.arange(2 * COLUMNS, dtype=np.float32).reshape(2, COLUMNS)}
    from_onnx(model.SerializeToString(), path, examples=examples, name="add", force=True)
    return path.read_bytes()


def with_graph_of(other: bytes, data: bytes, rehash: bool) -> bytes:
    """A bundle with the graph of another one in it; with `rehash` as somebody does who makes every hash right again."""
    members = {name: bytes(view) for name, view in read_zip(data).items()}
    members["model.onnx"] = bytes(read_zip(other)["model.onnx"])
    if rehash:
        manifest = from_json(members[MANIFEST])
        manifest["members"]["model.onnx"] = {
            "sha256": sha256(members["model.onnx"]),
            "bytes": len(members["model.onnx"]),
        }
        members[MANIFEST] = to_json(manifest).encode()
        members[MANIFEST_HASH] = (sha256(members[MANIFEST]) + "\n").encode()
    return write_zip(members)


def put(path: Path, data: bytes) -> None:
    """As a careful writer does: whole, or not there."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(data)
    os.replace(temporary, path)


def put_corrupt(kind: str, path: Path, data: bytes, other: bytes) -> None:
    if kind == "cut off":
        put(path, data[: len(data) * 2 // 3])
    elif kind == "another hash":
        put(path, with_graph_of(other, data, rehash=False))
    elif kind == "golden cases":
        put(path, with_graph_of(other, data, rehash=True))
    else:
        size = len(data) * 6 // 10
        with open(path, "wb", buffering=0) as file:
            for start in range(0, size, size // 6):
                file.write(data[start : min(start + size // 6, size)])
                time.sleep(0.05)


class Served:
    """A server as users start it, and what it says."""

    def __init__(self, models: Path, workers: int, state: Path) -> None:
        command = [
            sys.executable, "-m", "drivetrain", "serve", str(models), "--http", "0", "--workers", str(workers), "--json"
        ]  # fmt: skip
        environment = {**os.environ, "DRIVETRAIN_STATE": str(state), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        self.events: list[dict[str, Any]] = []
        threading.Thread(target=self._listen, daemon=True).start()
        assert self.process.stdout is not None
        self.port = int(json.loads(self.process.stdout.readline())["http"].rpartition(":")[2])

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if '"model ' in line:
                self.events.append(json.loads(line))

    def said(self, event: str, version: int) -> bool:
        return any(e.get("event") == event and e.get("version") == version for e in [*self.events])

    def memory(self) -> float:
        """MB that it and its children hold."""
        pids = subprocess.run(
            ["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        pages = 0
        for pid in (str(self.process.pid), *pids):
            try:
                pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            except OSError:  # A bundle was just tried in it.
                continue
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def versions_in(answer: bytes) -> set[int]:
    """The versions that made an answer: what it says, and each of its values."""
    said = json.loads(answer)
    return {int(said["model_version"]), *map(int, said["outputs"][0]["data"])}


def call(port: int, rate: float, results: Any, stop: Any) -> None:
    """Ask at a rate on a connection of its own, until told to stop; what came of each, and when."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    found: list[tuple[float, float, str, tuple[int, ...]]] = []
    due = time.monotonic()
    while not stop.is_set():
        due += 1 / rate
        time.sleep(max(0.0, due - time.monotonic()))
        begin = time.monotonic()
        try:
            connection.request("POST", "/v2/models/add/infer", BODY, {"Content-Type": "application/json"})
            response = connection.getresponse()
            body = response.read()
            word = "answered" if response.status == 200 else f"{response.status}: {body[:200]!r}"
            versions = tuple(versions_in(body)) if response.status == 200 else ()
        except (OSError, http.client.HTTPException, ValueError, KeyError) as fault:
            word, versions = f"{type(fault).__name__}: {fault}", ()
            connection.close()
        found.append((begin, time.monotonic() - begin, word, versions))
    results.put(found)


def call_all(port: int, rate: float, results: Any, stop: Any) -> None:
    """Several connections of one process."""
    threads = [
        threading.Thread(target=call, args=(port, rate / CALLERS, results, stop)) for _ in range(CALLERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Callers:
    def __init__(self, port: int, rate: float) -> None:
        context = multiprocessing.get_context("spawn")
        self.stop, self.results = context.Event(), context.Queue()
        self.process = context.Process(target=call_all, args=(port, rate, self.results, self.stop))
        self.process.start()

    def end(self) -> list[tuple[float, float, str, tuple[int, ...]]]:
        self.stop.set()
        found = [self.results.get(timeout=60) for _ in range(CALLERS)]
        self.process.join()
        return sorted(one for some in found for one in some)


def answering(port: int) -> int:
    """The version that answers now."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/v2/models/add/infer", BODY, {"Content-Type": "application/json"})
    versions = versions_in(connection.getresponse().read())
    connection.close()
    return max(versions)


def kinds(reloads: int, corrupt: int) -> Iterator[str]:
    """Good ones and corrupt ones, evenly mixed."""
    bad = 0
    for number in range(reloads):
        if (number + 1) * corrupt // reloads > bad:
            yield CORRUPT[bad % len(CORRUPT)]
            bad += 1
        else:
            yield "good"


def times(found: list[tuple[float, float, str, tuple[int, ...]]]) -> dict[str, float]:
    taken = sorted(1000 * seconds for _, seconds, _, _ in found)
    return {
        "p50_ms": round(taken[len(taken) // 2], 3),
        "p99_ms": round(taken[len(taken) * 99 // 100], 3),
        "max_ms": round(taken[-1], 3),
    }


def measure(reloads: int, corrupt: int, rate: float, workers: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        models = work / "models"
        (models / "add").mkdir(parents=True)
        made = {version: bundle(version, work) for version in range(1, reloads + 2)}
        put(models / "add" / "1.bundle", made[1])
        server = Served(models, workers, work / "state")
        try:
            answering(server.port)
            before = server.memory()
            callers = Callers(server.port, rate)
            time.sleep(1.0)
            good, waits, unreported = {1}, list[float](), list[str]()
            begin = time.monotonic()
            for version, kind in enumerate(kinds(reloads, corrupt), 2):
                path = models / "add" / f"{version}.bundle"
                put_at = time.monotonic()
                if kind == "good":
                    put(path, made[version])
                    good.add(version)
                    while answering(server.port) != version and time.monotonic() < put_at + PATIENCE:
                        time.sleep(0.02)
                    waits.append(time.monotonic() - put_at)
                else:
                    put_corrupt(kind, path, made[version], made[version - 1])
                    while not server.said("model failed", version) and time.monotonic() < put_at + PATIENCE:
                        time.sleep(0.02)
                    if not server.said("model failed", version):
                        unreported.append(f"{version}: {kind}")
            spent = time.monotonic() - begin
            under = callers.end()
            quiet_callers = Callers(server.port, rate)
            time.sleep(min(spent, 10.0))
            quiet = quiet_callers.end()
            after = server.memory()
        finally:
            server.end()
    failed = Counter(word for _, _, word, _ in under if word != "answered")
    wrong = [versions for *_, versions in under if versions and not {*versions} <= good]
    return {
        "reloads": reloads,
        "corrupt": corrupt,
        "workers": workers,
        "requests": len(under),
        "requests_per_second": round(len(under) / (spent + 1.0), 1),
        "failed": sum(failed.values()),
        "failures": dict(failed.most_common(5)),
        "mixed_version_answers": sum(len(versions) > 1 for *_, versions in under),
        "answers_of_corrupt_versions": len(wrong),
        "corrupt_unreported": unreported,
        "versions_seen": len({version for *_, versions in under for version in versions}),
        "back_to_an_older_version": went_back(under),
        "seconds_to_first_answer": {"median": round(sorted(waits)[len(waits) // 2], 3), "max": round(max(waits), 3)},
        "while_reloading": times(under),
        "without": times(quiet),
        "memory_mb": {"before": round(before, 1), "after": round(after, 1)},
    }  # fmt: skip


def went_back(found: list[tuple[float, float, str, tuple[int, ...]]]) -> dict[str, float]:
    """Answers of an older version than one that was complete before they were asked: with several workers there may be some, for as
    long as these take to change over."""
    complete = sorted((begin + seconds, max(versions)) for begin, seconds, _, versions in found if versions)
    newest, place, count, longest = 0, 0, 0, 0.0
    since = 0.0
    for begin, _, _, versions in found:
        while place < len(complete) and complete[place][0] <= begin:
            if complete[place][1] > newest:
                since, newest = complete[place]
            place += 1
        if versions and max(versions) < newest:
            count += 1
            longest = max(longest, begin - since)
    return {"answers": count, "longest_ms": round(1000 * longest, 1)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--reloads", type=int, default=100)
    parser.add_argument("--corrupt", type=int, default=30)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--print", action="store_true", help="print the figures, and keep nothing")
    options = parser.parse_args()
    figures = measure(options.reloads, options.corrupt, options.rate, options.workers)
    if options.print:
        print(json.dumps(figures))
    else:
        name = "serve_reload" if options.workers == 1 else f"serve_reload_{options.workers}_workers"
        claim = f"{options.reloads} reloads, {options.corrupt} of them corrupt, under {options.rate:.0f} requests a second"
        write_result(name, f"{claim}: 0 failed requests, 0 mixed-version answers", figures)


if __name__ == "__main__":
    main()
