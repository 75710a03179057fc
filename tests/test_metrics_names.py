"""One name of each metric, one direction, one that models are chosen by."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.codecs.ranking import Ranking
from drivetrain.codecs.series import Series
from drivetrain.codecs.tags import Tags
from drivetrain.codecs.tokens import Tokens
from drivetrain.errors import DrivetrainError, UsageError
from drivetrain.metrics import Metric, kinds, measure, metrics_of, names
from drivetrain.metrics.names import chosen, deciding, known, metric, printed
from drivetrain.report import words

TARGETS = (
    (Category(classes=("no", "yes"), costs=((0.0, 1.0), (2.0, 0.0))), (4, 2), np.array([0, 1, 1, 0])),
    (Number(log=True, interval=1.0, center=0.0, spread=1.0), (4,), np.arange(4.0)),
    (Tags(tags=("a", "b")), (4, 2), np.eye(2, dtype=np.uint8)[[0, 1, 1, 0]]),
    (Ranking(items=("a", "b")), (4, 2), np.ones((4, 3), np.uint8)),
    (Tokens(size=5), (4, 3, 5), np.array([[1, 2, 4], [3, 3, 0], [2, 0, 0], [4, 4, 4]])),
    (Series(("y",), 2, (0.1, 0.9)), (4, 2, 3), np.ones((4, 2, 1))),
)


@pytest.mark.parametrize(("codec", "shape", "true"), TARGETS, ids=lambda part: getattr(part, "op", ""))
def test_every_metric_that_is_measured_has_a_name_and_its_target_one_that_decides(codec, shape, true) -> None:  # type: ignore[no-untyped-def]
    # Tokens are told one by one: their scores are as many as there are places, and no output of one shape.
    measuring = metrics_of(codec).measure if codec.varies else measure
    found = measuring(codec, np.full(shape, 0.5, np.float32), true)
    assert found.keys() <= {metric.key for metric in metrics_of(codec).METRICS}
    assert deciding(codec) in found
    assert len(TARGETS) == len(kinds())


def test_errors_fall_and_the_rest_rises() -> None:
    falls = {key for key, found in known().items() if not found.higher}
    words = ("error", "loss", "cost", "wrong", "nats", "bits", "perplexity")
    of_series = ("mae", "mase", "rmse", "smape", "wql")  # Which the field knows by these names.
    assert falls == {key for key in known() if key in of_series or any(word in key for word in words)}


def test_a_metric_is_meant_by_its_key_or_its_printed_name() -> None:
    known = ["sick.accuracy", "sick.auc", "sick.log_loss", "age.r2"]
    assert printed("age.r2") == "R² of age"
    for wanted in ("sick.log_loss", "log loss of sick", "Log Loss of sick"):
        assert chosen(wanted, known) == "sick.log_loss"
    assert chosen("R² of age", known) == "age.r2"
    assert chosen("auc", ["auc"]) == chosen("AUC", ["auc"]) == "auc"
    assert chosen(None, known, ["log_loss"]) == "sick.log_loss"
    assert chosen(None, known, ["ndcg_at_10"]) == "sick.accuracy"
    with pytest.raises(UsageError, match=r"Did you mean sick\.log_loss"):
        chosen("sick.logloss", known)


def test_names_are_different() -> None:
    assert len({found.name for found in known().values()}) == len(known())


@pytest.mark.parametrize("key", ["msis", "ter", "sales.msis"])
def test_an_unknown_metric_is_an_error_and_no_guess_of_its_direction(key: str) -> None:
    with pytest.raises(DrivetrainError, match="whether more of it is better"):
        metric(key)


class _Series:
    """What an outsider's file of metrics has."""

    METRICS = (
        Metric("mase", "mean absolute scaled error", higher=False, sentence="{value} times the naive error on {rows}"),
        Metric("skill", "skill", higher=True, share=True),
    )  # fmt: skip
    DECIDES = "mase"


def test_a_metric_of_an_outsider_is_read_and_judged_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "kinds", lambda: {**kinds(), "series": _Series})
    assert (
        words.sentence("mase", {"value": 0.8, "n": 9}, "valid", "rows")
        == "0.8 times the naive error on 9 validation rows"
    )
    baselines = {
        name: {"mase": {"value": value}, "skill": {"value": value}}
        for name, value in (("a", 0.5), ("b", 1.5))
    }
    assert words.best_baseline("mase", baselines) == "a"
    assert (
        words.best_baseline(
            "sales.skill", {n: {f"sales.{k}": v for k, v in b.items()} for n, b in baselines.items()}
        )
        == "b"
    )
    assert "not better" in words.comparison("mase", {"value": 0.8}, baselines)
    assert "not better" not in words.comparison("mase", {"value": 0.4}, baselines)


def test_two_kinds_mean_the_same_by_one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other(_Series):
        METRICS = (Metric("r2", "R²", higher=False),)

    monkeypatch.setattr(names, "kinds", lambda: {**kinds(), "series": Other})
    with pytest.raises(DrivetrainError, match="'r2'"):
        metric("accuracy")


def test_where_nothing_is_measured_there_is_nothing_to_choose() -> None:
    with pytest.raises(UsageError, match="nothing measures the target"):
        chosen(None, [])
