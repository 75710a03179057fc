"""One name of each metric, one direction, one that models are chosen by."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain.codecs.category import Category
from drivetrain.codecs.number import Number
from drivetrain.codecs.ranking import Ranking
from drivetrain.codecs.tags import Tags
from drivetrain.errors import UsageError
from drivetrain.metrics import kinds, measure
from drivetrain.metrics.names import METRICS, chosen, deciding, metric, printed

TARGETS = (
    (Category(classes=("no", "yes"), costs=((0.0, 1.0), (2.0, 0.0))), (4, 2), np.array([0, 1, 1, 0])),
    (Number(log=True, interval=1.0, center=0.0, spread=1.0), (4,), np.arange(4.0)),
    (Tags(tags=("a", "b")), (4, 2), np.eye(2, dtype=np.uint8)[[0, 1, 1, 0]]),
    (Ranking(items=("a", "b")), (4, 2), np.ones((4, 3), np.uint8)),
)


@pytest.mark.parametrize(("codec", "shape", "true"), TARGETS, ids=lambda part: getattr(part, "op", ""))
def test_every_metric_that_is_measured_has_a_name_and_its_target_one_that_decides(codec, shape, true) -> None:  # type: ignore[no-untyped-def]
    found = measure(codec, np.full(shape, 0.5, np.float32), true)
    assert found.keys() <= METRICS.keys()
    assert deciding(codec) in found
    assert len(TARGETS) == len(kinds())


def test_errors_fall_and_the_rest_rises() -> None:
    falls = {key for key, found in METRICS.items() if not found.higher}
    words = ("error", "loss", "cost", "wrong")
    assert falls == {key for key in METRICS if any(word in key for word in words)}


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


def test_names_are_different_and_an_unknown_one_is_its_own() -> None:
    assert len({found.name for found in METRICS.values()}) == len(METRICS)
    assert metric("own_thing").name == "own thing"
    assert metric("own_thing").higher
