"""A few kills of processes that record: bench/serve_kills.py has a thousand."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

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
    found = bench.kills(tmp_path, 25)
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
    assert bench.kills(tmp_path / "left", 6, wait=0.2)["lost"] > 0
