"""What it costs to record answers: to a request, and in the database behind.

Claims: a record adds at most 0.1 ms to a request at the median; a process brings at least 5,000 records a second into SQLite and
into PostgreSQL, journal included. Method: one process, tables' answers with 14 inputs as Adult has (6 numbers, 8 categories).
Cost to a request: `answer_items` in this process, from raw item to answer (one item, tests/bundles/format-2-houses), with and
without a recorder, by turns, 2,000 requests each; and `wants`, `keep` and `add` alone for the 14 inputs, while the writer thread
works. Rows a second: 50,000 records added in groups of 100, from the first `add_many` until the store has the last one; and
50,000 that a dead process left, from opening to the last. Beside it what the same thread of the event loop gets to do meanwhile
(loops of a fixed sum per second, with and without a writer at work). Reading: 6 columns of all rows, as numpy arrays. PostgreSQL
is Debian's, its files on the same disk, with its own settings. Seconds of CPU are ours alone. Machine, n and date: in
results/serve_records.json.  Run: python bench/serve_records.py
"""

from __future__ import annotations

import asyncio
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import write_result

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from databases import postgres, why_not
from serving import a_server, golden_items, servable

from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.records import Kept, Record, Recorder, keep, open_store
from drivetrain.serve.path import answer_items
from drivetrain.serve.settings import Settings
from drivetrain.serve.types import Asked, Request
from drivetrain.types import Answer

ROWS, GROUP, REQUESTS = 50_000, 100, 2_000
CLASSES = tuple(f"class {place}" for place in range(12))
INPUTS = {
    **{f"number {place}": Number(center=0.0, spread=1.0) for place in range(6)},
    **{f"category {place}": Category(classes=CLASSES) for place in range(8)},
}
COLUMNS = ("time", "version", "probability", "inputs.number 0", "inputs.category 0", "answer.label")


def item(draw: random.Random) -> dict[str, Any]:
    return {
        **{f"number {place}": draw.gauss(0, 1) for place in range(6)},
        **{f"category {place}": draw.choice(CLASSES) for place in range(8)},
    }


def a_record(draw: random.Random) -> Record:
    sure = round(draw.random(), 4)
    told = {"label": ">50K", "probability": sure, "probabilities": {">50K": sure, "<=50K": 1 - sure}}
    answer = Answer("a row", {"income": told})
    return keep(
        Kept(), INPUTS, item(draw), answer, model="income", version=1, bundle="ab" * 32, latency_ms=0.4,
        request=f"{draw.getrandbits(128):032x}",
    )  # fmt: skip


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def alone(url: str) -> dict[str, Any]:
    """Milliseconds of one record, as a request waits for it."""
    draw, taken = random.Random(0), []
    with Recorder(url, {"income": Kept()}) as recorder:
        for number in range(3 * REQUESTS):
            time.sleep(0.0002 if number % 10 == 0 else 0)
            begun = time.perf_counter()
            if recorder.wants("income", "", str(number)):
                recorder.add(a_record(draw))
            taken.append(1000 * (time.perf_counter() - begun))
    taken.sort()
    made = time.perf_counter()
    for _ in range(REQUESTS):
        item(draw)
    bare = 1000 * (time.perf_counter() - made) / REQUESTS  # Making the item is not the recorder's.
    return {"p50 ms": statistics.median(taken) - bare, "p99 ms": taken[int(0.99 * len(taken))] - bare}


def in_requests(folder: Path) -> dict[str, Any]:
    """Milliseconds of a request with and without its record, by turns."""
    model = servable("houses")
    items = golden_items(model)[:1]
    taken: dict[str, list[float]] = {"recorded": [], "not recorded": []}

    async def work() -> None:
        servers = {
            "recorded": a_server(
                model, settings=Settings("models", records=f"sqlite:///{folder / 'asked.sqlite'}")
            ),
            "not recorded": a_server(model),
        }
        for server in servers.values():
            await server.start()
        for number in range(REQUESTS + 200):
            for name, server in servers.items():
                request = Request("POST", "/models/houses/predict", id="r")
                begun = time.perf_counter()
                await answer_items(server, Asked("houses"), items, request)
                if number >= 200:
                    taken[name].append(1000 * (time.perf_counter() - begun))
        for server in servers.values():
            await server.stop()

    asyncio.run(work())
    p50 = {name: statistics.median(values) for name, values in taken.items()}
    return {**p50, "cost p50 ms": p50["recorded"] - p50["not recorded"], "n": REQUESTS}


def filling(url: str) -> dict[str, Any]:
    """Rows a second from the first add to the last commit."""
    draw = random.Random(0)
    records = [a_record(draw) for _ in range(ROWS)]
    with Recorder(url, {"income": Kept()}) as recorder:
        begun, used = time.perf_counter(), cpu()
        for start in range(0, ROWS, GROUP):
            recorder.add_many(records[start : start + GROUP])
        added = time.perf_counter() - begun
        assert recorder.flush(120)
        seconds, used = time.perf_counter() - begun, cpu() - used
        assert recorder.counts["stored"] == ROWS, recorder.counts
    return {
        "rows": ROWS, "rows a second": ROWS / seconds, "rows a CPU-second": ROWS / used, "seconds in the journal": added,
    }  # fmt: skip


def taking_over(url: str) -> dict[str, Any]:
    """Rows a second of a journal that a process left which died."""
    draw = random.Random(1)
    if (process := os.fork()) == 0:
        records = [a_record(draw) for _ in range(ROWS)]
        recorder = Recorder(url, {"income": Kept()})
        recorder._writer.stop(10)
        for start in range(0, ROWS, GROUP):
            recorder.add_many(records[start : start + GROUP])
        os._exit(0)
    os.waitpid(process, 0)
    begun = time.perf_counter()
    with Recorder(url, {"income": Kept()}) as recorder:
        while recorder.others():
            time.sleep(0.005)
        seconds = time.perf_counter() - begun
    return {"rows": ROWS, "rows a second": ROWS / seconds}


def spins(seconds: float) -> float:
    """So often a second this thread adds up some numbers."""
    until, many = time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        sum(range(1000))
        many += 1
    return many / seconds


def beside(url: str) -> dict[str, Any]:
    """What the thread that answers gets to do while the writer is at work, and what the writer gets to do."""
    quiet = spins(1.0)
    draw = random.Random(2)
    records = [a_record(draw) for _ in range(ROWS)]
    with Recorder(url, {"income": Kept()}) as recorder:
        recorder.add_many(records)
        begun, busy = time.perf_counter(), []
        while not recorder.flush(0):
            busy.append(spins(0.05))
        seconds = time.perf_counter() - begun
    return {"share of its speed": statistics.median(busy) / quiet, "rows a second meanwhile": ROWS / seconds}


def reading(url: str) -> dict[str, Any]:
    with open_store(url) as store:
        begun = time.perf_counter()
        found = store.read("income", columns=COLUMNS)
        seconds = time.perf_counter() - begun
    rows = len(found["time"])
    return {"rows": rows, "columns": len(COLUMNS), "rows a second": rows / seconds}


def of_store(url: str) -> dict[str, Any]:
    return {
        "filling": filling(url), "taking over a journal": taking_over(url), "beside a busy thread": beside(url),
        "reading": reading(url),
    }  # fmt: skip


def main() -> None:
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ["DRIVETRAIN_STATE"] = place
        found["a record alone"] = alone(f"sqlite:///{folder / 'alone.sqlite'}")
        found["a request"] = in_requests(folder)
        found["SQLite"] = of_store(f"sqlite:///{folder / 'records.sqlite'}")
        if reason := why_not():
            found["PostgreSQL"] = f"not measured: {reason}"
        else:
            with postgres() as server:
                found["PostgreSQL"] = of_store(server.url)
    write_result(
        "serve_records", "<= 0.1 ms a request at p50; >= 5,000 rows/s into SQLite and PostgreSQL", found
    )


if __name__ == "__main__":
    main()
