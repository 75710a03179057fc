"""Processes that record are killed at random moments: what was acknowledged is in the store, and the store is whole.

Claim: 1,000 kills (SIGKILL) of processes that record into one SQLite file lose 0 records of those that were acknowledged; the
store opens after each hundred, and passes SQLite's own integrity check at the end; no journal is left. Method: three processes
record into one store at the same time, each with its own journal and writer, one to eight records at a time, some of them with a
key; an id goes to the parent by a pipe once `add_many` has returned it, which is what "acknowledged" means. A child is killed
after a random time of 0 to 60 ms (its opening of the store, its taking over of dead ones' journals, and its commits are all
within reach) and another takes its place. Seeds are fixed, moments are not. At the end one more process opens the store, empties
the journals, and every id is looked for. A fifth as many kills of processes that record into PostgreSQL.
Machine, n and date: in results/serve_kills.json.  Run: python bench/serve_kills.py
[KILLS]
"""

from __future__ import annotations

import os
import random
import select
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import write_result

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from databases import postgres, why_not

from drivetrain.records import Kept, Record, Recorder, open_store

AT_ONCE, MOST_MS, ID = 3, 60.0, 37


def child(url: str, pipe: int, seed: int) -> None:
    """Record for ever; tell each id once it is acknowledged."""
    draw = random.Random(seed)
    recorder = Recorder(url, {"income": Kept()})
    while True:
        records = [
            Record("income", 1, "ab" * 32, {"age": draw.random(), "note": "x" * draw.randrange(300)}, {"label": "high"},
                   key=f"case {draw.randrange(1000)}" if draw.random() < 0.3 else "")
            for _ in range(draw.randint(1, 8))
        ]  # fmt: skip
        ids = recorder.add_many(records)
        os.write(pipe, "".join(f"{id}\n" for id in ids).encode())
        time.sleep(draw.random() * 0.002)


def born(url: str, seed: int) -> tuple[int, int]:
    """A child's process id, and the pipe that it tells by."""
    reads, writes = os.pipe()
    if (process := os.fork()) == 0:
        try:
            os.close(reads)
            child(url, writes, seed)
        finally:
            os._exit(1)
    os.close(writes)
    return process, reads


def told(pipe: int, into: bytearray) -> None:
    while select.select([pipe], [], [], 0)[0] and (data := os.read(pipe, 1 << 16)):
        into += data


def kills(url: str, many: int, seed: int = 0, wait: float = 60) -> dict[str, object]:
    """What became of so many kills, some seconds after the last."""
    draw = random.Random(seed)
    living = {born(url, seed + place): bytearray() for place in range(AT_ONCE)}
    acknowledged: list[str] = []
    broken = 0
    for number in range(many):
        time.sleep(draw.random() * MOST_MS / 1000 / AT_ONCE)
        for (_, pipe), heard in living.items():
            told(pipe, heard)
        place = draw.choice([*living])
        process, pipe = place
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        broken += not os.WIFSIGNALED(status)  # It had ended by itself, with an error.
        heard = living.pop(place)
        told(pipe, heard)
        os.close(pipe)
        acknowledged += heard[: len(heard) // ID * ID].decode().split()
        living[born(url, seed + number + AT_ONCE)] = bytearray()
        if number % 100 == 99:
            with open_store(url) as store:
                store.count()
    for (process, pipe), heard in living.items():
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        told(pipe, heard)
        os.close(pipe)
        acknowledged += heard[: len(heard) // ID * ID].decode().split()
    with Recorder(url, {"income": Kept()}) as recorder:
        until = time.monotonic() + wait
        while recorder.others() and time.monotonic() < until:
            time.sleep(0.05)
        left = len(recorder.others())
        counts = dict(recorder.counts)
    whole, rows = "ok", list[str]()
    with open_store(url) as store:
        rows = [id for (id,) in store.database.run("SELECT id FROM drivetrain_records")]
        if url.startswith("sqlite:"):
            ((whole,),) = store.database.run("PRAGMA integrity_check")
    there = {*rows}
    return {
        "kills": many + AT_ONCE, "ended by themselves": broken, "acknowledged": len(acknowledged), "in the store": len(there),
        "lost": len({*acknowledged} - there), "twice": len(rows) - len(there), "integrity check": whole, "journals left": left,
        "the last to open": counts,
    }  # fmt: skip


def main() -> None:
    many = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DRIVETRAIN_STATE"] = folder
        begun = time.perf_counter()
        found["SQLite"] = kills(f"sqlite:///{folder}/records.sqlite", many)
        found["SQLite"]["seconds"] = round(time.perf_counter() - begun, 1)
        if reason := why_not():
            found["PostgreSQL"] = f"not tried: {reason}"
        else:
            import psycopg  # Once, here, and not in each child.

            assert psycopg
            with postgres() as server:
                found["PostgreSQL"] = kills(server.url, many // 5)
    write_result(
        "serve_kills",
        "1,000 kills of processes that record: no acknowledged record lost, the store whole",
        found,
    )
    for each in (found["SQLite"], found["PostgreSQL"]):
        if isinstance(each, dict) and (
            each["lost"] or each["twice"] or each["integrity check"] != "ok" or each["journals left"]
        ):
            sys.exit(1)


if __name__ == "__main__":
    main()
