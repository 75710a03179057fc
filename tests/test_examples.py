"""The examples run as somebody would run them, and come to what their first line promises."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def run(name: str, folder: Path) -> str:
    """What an example prints. examples/demo.py is run by `make demo`, in CI too."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "DRIVETRAIN_CACHE": str(folder / "cache")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def number(pattern: str, text: str) -> float:
    found = re.search(pattern + r" (-?[\d.]+)", text)
    assert found, text
    return float(found[1])


def test_one_neuron_finds_the_line(tmp_path: Path) -> None:
    told = run("one_neuron.py", tmp_path)
    assert number("for 10 it says", told) == pytest.approx(19, abs=0.05)
    assert number("weight", told) == pytest.approx(2, abs=0.05)
    assert number("bias", told) == pytest.approx(-1, abs=0.05)


def test_the_first_network_reads_digits(tmp_path: Path) -> None:
    told = run("first_network.py", tmp_path)
    assert "0 is what it says of a 0" in told
    (result,) = (tmp_path / "runs").glob("*/result.json")
    accuracy = json.loads(result.read_text())["metrics"]["valid"]["accuracy"]
    assert accuracy["value"] >= 0.93
    assert accuracy["n"] > 300
