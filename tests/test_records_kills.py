"""A few kills of processes that record: bench/serve_kills.py has a thousand."""

from __future__ import annotations

import http.client
import importlib.util
import os
import signal
import sqlite3
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from served import HOUSES, Served, served

from drivetrain.records import open_store

BENCH = Path(__file__).parent.parent / "bench"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    spec = importlib.util.spec_from_file_location("serve_kills", BENCH / "serve_kills.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="forks beside pytest's threads are warned of")
def test_no_acknowledged_record_is_lost(bench: Any, tmp_path: Path) -> None:
    found = bench.kills(f"sqlite:///{tmp_path / 'r.sqlite'}", 25)
    assert found["acknowledged"] > 100
    assert (found["lost"], found["twice"], found["ended by themselves"], found["journals left"]) == (
        0,
        0,
        0,
        0,
    )
    assert found["integrity check"] == "ok"


@pytest.mark.slow
@pytest.mark.skipif(sys.version_info >= (3, 12), reason="forks beside pytest's threads are warned of")
def test_the_count_can_fail(bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what the dead left is not taken over, records are missed."""
    monkeypatch.setattr("drivetrain.records.writer.drain", lambda *_: 0)
    assert bench.kills(f"sqlite:///{tmp_path / 'r.sqlite'}", 6, wait=0.2)["lost"] > 0


@pytest.mark.slow
def test_a_server_whose_workers_are_killed_loses_no_answer_that_came_with_an_id(tmp_path: Path) -> None:
    """Two workers, asked all the time, of which one is killed eight times; outcomes are told as soon as answers are there."""
    url, ids = f"sqlite:///{tmp_path / 'records.sqlite'}", list[str]()
    done = threading.Event()
    told = {"stored": 0, "unknown": 0}

    def ask(server: Served) -> None:
        while not done.is_set():
            with suppress(OSError, http.client.HTTPException):
                status, answer = server.ask(
                    "POST", f"/models/{server.models[0]}/predict", {"area": 80.0, "town": "Ulm"}
                )
                if status == 200:
                    ids.extend(answer["ids"])
                    status, _ = server.ask(
                        "POST", f"/models/{server.models[0]}/outcomes", {"id": ids[-1], "value": 1}
                    )
                    told["stored" if status == 200 else "unknown"] += 1

    with served(HOUSES, "--workers", "2", "--records", url, "--trusted") as server:
        callers = [threading.Thread(target=ask, args=[server]) for _ in range(3)]
        for caller in callers:
            caller.start()
        for _ in range(8):
            time.sleep(0.4)
            for process in server.workers[:1]:
                os.kill(process, signal.SIGKILL)
        time.sleep(2)
        done.set()
        for caller in callers:
            caller.join()
        metrics = server.ask("GET", "/metrics")[1]
        assert server.stop() == 0
    assert len(ids) > 20
    assert 'drivetrain_records_total{outcome="recorded"}' in metrics
    with open_store(url) as store:
        assert {*ids} <= {each.id for each in store.find(limit=100_000)}
        assert store.count()[0].outcomes >= told["stored"] > 10
    with closing(sqlite3.connect(tmp_path / "records.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert not list((tmp_path / "records.sqlite.journals").iterdir())
