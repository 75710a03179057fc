"""Regressions against those of statsmodels 0.15.0, whose figures are below, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from drivetrain.errors import DataError, UsageError
from drivetrain.evidence.regression import Errors, Family, regress, root

NAMES = ("one", "a", "b")


def made() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(5)
    x = np.column_stack([np.ones(60), rng.normal(size=60), rng.uniform(0, 3, 60)])
    eta = x @ [0.2, 0.5, -0.4]
    linear = eta + rng.normal(size=60) * (1 + abs(x[:, 1]))
    logit = (rng.random(60) < 1 / (1 + np.exp(-eta))) * 1.0
    return x, {"linear": linear, "logit": logit, "poisson": rng.poisson(np.exp(eta)) * 1.0}


BETA: dict[Family, list[float]] = {
    "linear": [-0.2625916038, 0.1945006181, -0.0573502074],
    "logit": [0.3496063344, 0.3966063943, -0.0798836409],
    "poisson": [0.3529244487, 0.4213271577, -0.5250884693],
}
ERRORS: list[tuple[Family, Errors, list[float]]] = [
    ("linear", "classic", [0.4991379496, 0.2503726562, 0.274495915]),
    ("linear", "HC1", [0.5257136054, 0.2738299712, 0.3034061423]),
    ("linear", "HC2", [0.5324710872, 0.2782833443, 0.3081136223]),
    ("linear", "HC3", [0.5536155688, 0.2902983257, 0.3211708987]),
    ("logit", "classic", [0.5715210212, 0.2940787131, 0.3119265278]),
    ("logit", "HC0", [0.5593928788, 0.2757786085, 0.3120412927]),
    ("poisson", "classic", [0.2886787978, 0.1528839929, 0.1951759366]),
    ("poisson", "HC0", [0.2476999264, 0.1259831753, 0.1845788461]),
]


@pytest.mark.parametrize(("family", "errors", "wanted"), ERRORS)
def test_coefficients_and_errors_are_those_of_statsmodels(
    family: Family, errors: Errors, wanted: list[float]
) -> None:
    x, y = made()
    found = regress(x, y[family], family=family, errors=errors, names=NAMES)
    assert found.beta == pytest.approx(BETA[family], abs=1e-9)
    assert found.standard_errors == pytest.approx(wanted, rel=1e-7)


def test_deviances_are_those_of_statsmodels() -> None:
    x, y = made()
    for family, deviance, null in (
        ("logit", 80.99795025505593, 82.91079711765818),
        ("poisson", 50.727527874054736, 63.30258473363826),
    ):
        found = regress(x, y[family], family=family)
        assert (found.deviance, found.null_deviance) == pytest.approx((deviance, null))


def test_rows_in_clusters_get_errors_of_clusters() -> None:
    x, y = made()
    found = regress(x, y["linear"], clusters=np.arange(60) % 12, names=NAMES, errors="HC1")
    assert found.standard_errors == pytest.approx([0.5535301392, 0.1861937338, 0.3326575737], rel=1e-8)
    assert found.p_values() == pytest.approx([0.6444965181, 0.3186144718, 0.8662539952])
    assert found.intervals()[1, 1] == pytest.approx(0.6043102631)
    coefficient = found.of("a")
    assert coefficient.p == pytest.approx(0.3186144718)
    assert "12 clusters" in coefficient.estimate.method


def test_draws_of_few_clusters_are_as_wide_as_their_interval() -> None:
    x, y = made()
    for clusters in (None, np.arange(60) % 4):
        found = regress(x, y["linear"], clusters=clusters, names=NAMES)
        drawn = found.sample(np.random.default_rng(0).standard_normal((len(NAMES), 40_000)))
        wide = np.diff(np.quantile(drawn, [0.025, 0.975], axis=1), axis=0)[0]
        np.testing.assert_allclose(wide, np.diff(found.intervals(), axis=1)[:, 0], rtol=0.03)


def test_the_jackknife_of_clusters_is_what_leaving_each_out_does() -> None:
    x, y = made()
    clusters = np.arange(60) % 12
    whole = regress(x, y["linear"], clusters=clusters)
    without = np.stack([regress(x[clusters != g], y["linear"][clusters != g]).beta for g in range(12)])
    apart = without - whole.beta
    assert whole.covariance == pytest.approx(apart.T @ apart * 11 / 12)


def test_a_column_that_one_cluster_alone_tells_has_an_error_all_the_same() -> None:
    x, y = made()
    clusters = np.arange(60) % 12
    own = np.column_stack([x, clusters == 3])
    found = regress(own, y["linear"], clusters=clusters)
    assert np.isfinite(found.standard_errors).all()


def test_a_weight_of_two_is_a_row_twice_and_of_zero_is_none() -> None:
    x, y = made()
    weights = np.arange(60) % 3 * 1.0
    times = weights.astype(int)
    for family in ("linear", "logit", "poisson"):
        weighed = regress(x, y[family], family=family, weights=weights)
        repeated = regress(np.repeat(x, times, axis=0), np.repeat(y[family], times), family=family)
        assert weighed.beta == pytest.approx(repeated.beta, abs=1e-8)
        assert weighed.n == np.count_nonzero(weights)


def test_an_offset_is_a_coefficient_that_is_known() -> None:
    x, y = made()
    for family in ("linear", "logit", "poisson"):
        all_of_them = regress(x, y[family], family=family)
        rest = regress(x[:, :2], y[family], family=family, offset=x[:, 2] * all_of_them.beta[2])
        assert rest.beta == pytest.approx(all_of_them.beta[:2], abs=1e-7)


def test_a_ridge_draws_all_but_the_ones_towards_nothing() -> None:
    x, y = made()
    found = regress(x, y["logit"], family="logit", ridge=1e8)
    assert found.beta[1:] == pytest.approx([0, 0], abs=1e-6)
    assert found.predict(x[:1])[0] == pytest.approx(y["logit"].mean(), abs=1e-5)


def test_samples_have_the_mean_and_the_covariance() -> None:
    x, y = made()
    found = regress(x, y["linear"], names=NAMES)
    drawn = found.sample(np.random.default_rng(0).normal(size=(3, 40_000)))
    assert drawn.mean(axis=1) == pytest.approx(found.beta, abs=0.02)
    assert np.cov(drawn) == pytest.approx(found.covariance, abs=0.01)
    assert root(found.covariance) @ root(found.covariance).T == pytest.approx(found.covariance)
    value, error = found.contrast(np.array([1.0, 0, 2.0]))
    assert value == pytest.approx(found.beta[0] + 2 * found.beta[2])
    assert error == pytest.approx(np.std(drawn[0] + 2 * drawn[2]), rel=0.02)


def test_what_cannot_be_fitted_is_told_with_its_column() -> None:
    x, y = made()
    with pytest.raises(DataError, match="'b' is a combination"):
        regress(np.column_stack([x[:, :2], x[:, 1] * 3 - 1]), y["linear"], names=NAMES)
    with pytest.raises(DataError, match="'a' tells 0 from 1 exactly"):
        regress(x, (x[:, 1] > 0) * 1.0, family="logit", names=NAMES)
    with pytest.raises(DataError, match="row 4, column 'a'"):
        regress(
            np.where((np.arange(60)[:, None] == 3) & (np.arange(3) == 1), np.nan, x), y["linear"], names=NAMES
        )
    with pytest.raises(DataError, match=r"row 1.*no outcome for logit"):
        regress(x, y["linear"] * 0 + 2, family="logit")
    with pytest.raises(DataError, match="3 rows for 3 columns"):
        regress(x[:3], y["linear"][:3])
    with pytest.raises(DataError, match="one cluster"):
        regress(x, y["linear"], clusters=np.zeros(60))
    with pytest.raises(UsageError, match="no column 'c'"):
        regress(x, y["linear"], names=NAMES).of("c")


def test_several_coefficients_together_are_tested_by_the_loss_of_leaving_them_out() -> None:
    x, y = made()
    full = regress(x, y["linear"], errors="classic")
    less = regress(x[:, :1], y["linear"], errors="classic")
    f = (less.deviance - full.deviance) / 2 / (full.deviance / 57)
    stats = pytest.importorskip("scipy.stats")
    assert full.joint_p([1, 2]) == pytest.approx(stats.f.sf(f, 2, 57))
    assert full.joint_p([1]) == pytest.approx(full.p_values()[1])
    assert np.isnan(full.joint_p([]))
