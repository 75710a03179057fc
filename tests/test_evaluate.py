"""What evaluate measures, of bundles that are made by hand."""

from __future__ import annotations

from pathlib import Path

import bundle_examples as examples
import pytest

from drivetrain.evaluate import evaluate


@pytest.fixture
def houses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Answers 1000 (Ulm) or 3000 (Bonn) + 12.5 x area."""
    monkeypatch.setenv("DRIVETRAIN_STATE", str(tmp_path / "state"))
    (tmp_path / "houses.bundle").write_bytes(examples.house_bundle())
    return tmp_path / "houses.bundle"


def test_an_error_smaller_than_float32s_step_is_measured(houses: Path, tmp_path: Path) -> None:
    """In float32 the step at 16,777,217 is 2: the truth would be rounded to what is answered."""
    area = (2**24 - 1000) / 12.5
    rows = "".join(f"{area},Ulm,{2**24 + 1}\n" for _ in range(3))
    (tmp_path / "large.csv").write_text(f"area,town,price\n{rows}")
    found = evaluate(houses, tmp_path / "large.csv", quiet=True)
    assert found["metrics"]["mean_absolute_error"]["value"] == pytest.approx(1)
