"""What a learner is made with where nobody said."""

from __future__ import annotations

import pytest
import several

import drivetrain as dt
from drivetrain.learn import epochs


def test_a_category_is_told_from_few_rows_or_from_texts_in_five_epochs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert epochs.usual_epochs(several.pictures()) == 5
    assert epochs.usual_epochs(several.amounts()) == 10
    assert epochs.usual_epochs(several.columns()) == 5
    words = [f"it is {word} and no {number}" for number in range(30) for word in ("good", "bad")]
    data = dt.tabular.from_frame({"text": words, "y": ["a", "b"] * 30}, "y", columns={"text": "text"})
    monkeypatch.setattr(epochs, "FEW_ROWS", 40)
    assert epochs.usual_epochs(several.columns()) == 10
    assert epochs.usual_epochs(data) == 5
