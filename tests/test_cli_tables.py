"""Tables of the command line in a window of 80 columns."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from drivetrain.cli.common import metrics_table

MODELS = ("this model", "the most frequent class", "linear model", "gradient boosted trees")


@pytest.mark.parametrize(("models", "lines"), [(1, 3), (2, 3), (4, 5)])
def test_a_value_and_its_interval_are_never_broken_inside(models: int, lines: int) -> None:
    estimate = {"value": 0.0123, "low": 0.0071, "high": 0.0204}
    console = Console(file=io.StringIO(), width=80, soft_wrap=True)
    columns = {name: {"calibration_error": estimate} for name in MODELS[:models]}
    console.print(metrics_table(columns, "valid, with 95 % intervals", console))
    assert isinstance(console.file, io.StringIO)
    told = console.file.getvalue()
    assert told.count("[0.007, 0.020]") == models
    assert told.count("0.012") == models
    assert max(map(len, told.splitlines())) <= 80
    assert len(told.splitlines()) <= lines + 1
