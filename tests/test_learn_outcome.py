"""What is said of a training when it is over."""

from __future__ import annotations

from drivetrain.learn.outcome import worse_metric


def history(valid: list[float], rows: int) -> list[dict[str, float]]:
    return [
        {"epoch": number, "train_error": 1 / number, "valid_error": error, "valid_rows": rows}
        for number, error in enumerate(valid, 1)
    ]


def test_a_metric_that_got_worse_by_more_than_chance_is_told() -> None:
    (told,) = worse_metric(history([0.3, 0.1, 0.2], rows=1000))
    assert "best in epoch 2 (0.1) and ended at 0.2" in told


def test_what_could_be_chance_is_not() -> None:
    assert worse_metric(history([0.3, 0.1, 0.12], rows=200)) == []
    assert worse_metric(history([0.3, 0.2, 0.1], rows=200)) == []
    assert worse_metric([]) == []
