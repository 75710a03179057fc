"""What predicts on the way to an uplift, beside scikit-learn, and which rows are held back together."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain.effects.bases import PENALTIES, fit, logistic, ridge
from drivetrain.effects.folds import fold_of

MADE = np.random.default_rng(0)
X = MADE.normal(size=(300, 5)) * [1, 10, 0.1, 1, 1]
Y = X @ [1.0, 0.2, 3.0, 0.0, 0.0] + MADE.normal(size=300)


def test_ridge_is_that_of_scikit_learn_with_the_penalty_that_leaves_out_best() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    theirs = linear_model.RidgeCV(PENALTIES * len(Y), scoring="neg_mean_squared_error").fit(z, Y)
    assert ridge(X, Y)(X) == pytest.approx(theirs.predict(z), abs=0.01)


def test_logistic_is_that_of_scikit_learn() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    z, share = (X - X.mean(axis=0)) / X.std(axis=0), (Y > 0) * 1.0
    theirs = linear_model.LogisticRegression(C=1.0, tol=1e-10, max_iter=1000).fit(z, share)
    assert logistic(X, share)(X) == pytest.approx(theirs.predict_proba(z)[:, 1], abs=1e-5)


@pytest.mark.parametrize("base", ["linear", "trees"])
def test_what_is_alike_is_predicted_alike(base: str) -> None:
    assert (fit(base, X, np.ones(300))(X[:3]) == 1).all()  # type: ignore[arg-type]
    assert fit(base, X[:, :0], Y)(X[:2, :0]) == pytest.approx(Y.mean())  # type: ignore[arg-type]
    assert (fit(base, X[:0], Y[:0])(X[:3]) == 0).all()  # type: ignore[arg-type]


def test_constant_and_doubled_columns_do_no_harm() -> None:
    wide = np.concatenate([X, X, np.ones((300, 1))], axis=1)
    assert ridge(wide, Y)(wide) == pytest.approx(ridge(X, Y)(X), abs=0.05)
    assert logistic(wide, (Y > 0) * 1.0)(wide).min() >= 0


def test_trees_find_a_corner_and_keep_shares_shares() -> None:
    pytest.importorskip("lightgbm")
    x = np.random.default_rng(1).normal(size=(1500, 2))
    corner = ((x[:, 0] > 0) & (x[:, 1] > 0)) * 1.0
    found = fit("trees", x, corner, share=True)(x)
    assert 0 <= found.min() <= found.max() <= 1
    assert np.mean((found - corner) ** 2) < 0.3 * np.mean(
        (fit("linear", x, corner, share=True)(x) - corner) ** 2
    )


def test_folds_are_even_within_and_whole_by_cluster() -> None:
    within = np.repeat([0, 1], [90, 10])
    fold = fold_of(100, 5, 1, within=within)
    assert np.bincount(fold[within == 1], minlength=5).tolist() == [2] * 5
    assert np.bincount(fold).tolist() == [20] * 5
    cluster = np.arange(100) % 13
    told = fold_of(100, 5, 1, cluster=cluster)
    assert all(len(np.unique(told[cluster == each])) == 1 for each in range(13))
