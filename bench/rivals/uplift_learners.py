"""Effects on the rows of files by the learners of causalml and econml, as their documentation would have it, with LightGBM
where they take a model. `python uplift_learners.py FOLDER` reads x, w, y, test_x and e (the known propensity, or none) of each
given-*.npz, writes each learner's effects on test_x to found-*.npz, and prints a line {file: {learner: CPU seconds}}.
`python uplift_learners.py thornton OUT` writes the public experiment."""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

warnings.filterwarnings("ignore")


def experiment(out: str) -> None:
    """Thornton (2008), American Economic Review 98:1829-1863: who was offered money to fetch the result of an HIV test?"""
    from causaldata import thornton_hiv

    rows = thornton_hiv.load_pandas().data[["got", "any", "age", "distvct", "hiv2004", "villnum"]].dropna()
    np.savez(
        out, x=rows[["age", "distvct", "hiv2004"]].to_numpy(float), w=rows["any"].to_numpy(float),
        y=rows["got"].to_numpy(float), cluster=rows["villnum"].to_numpy(float),
    )  # fmt: skip


def learners(known: bool) -> dict[str, Callable[[Any], Any]]:
    from causalml.inference.meta import BaseDRRegressor, BaseSRegressor, BaseTRegressor, BaseXRegressor
    from econml.dml import CausalForestDML
    from econml.dr import DRLearner, LinearDRLearner
    from econml.metalearners import XLearner
    from lightgbm import LGBMClassifier, LGBMRegressor

    def tree() -> Any:
        return LGBMRegressor(n_estimators=100, num_leaves=15, learning_rate=0.05, verbose=-1, n_jobs=1)

    def share() -> Any:
        return LGBMClassifier(n_estimators=100, num_leaves=15, learning_rate=0.05, verbose=-1, n_jobs=1)

    def causalml(made: Any, needs: bool) -> Callable[[Any], Any]:
        def run(d: Any) -> Any:
            given = {"p": d["e"]} if needs and known else {}
            made.fit(d["x"], d["w"], d["y"], **given)
            later = {"p": d["test_e"]} if needs and known else {}
            return np.asarray(made.predict(d["test_x"], **later)).ravel()

        return run

    def econml(made: Any) -> Callable[[Any], Any]:
        def run(d: Any) -> Any:
            w = d["w"].astype(int)
            made.fit(d["y"], w, X=d["x"])
            return np.asarray(made.effect(d["test_x"])).ravel()

        return run

    return {
        "causalml S": causalml(BaseSRegressor(learner=tree()), False),
        "causalml T": causalml(BaseTRegressor(learner=tree()), False),
        "causalml X": causalml(BaseXRegressor(learner=tree()), True),
        "causalml DR": causalml(BaseDRRegressor(learner=tree()), True),
        "econml DRLearner": econml(
            DRLearner(model_propensity=share(), model_regression=tree(), model_final=tree(), random_state=0)
        ),
        "econml LinearDRLearner": econml(LinearDRLearner(random_state=0)),
        "econml XLearner": econml(XLearner(models=tree(), propensity_model=share())),
        "econml CausalForestDML": econml(
            CausalForestDML(
                model_y=tree(),
                model_t=share(),
                discrete_treatment=True,
                n_estimators=200,
                n_jobs=1,
                random_state=0,
            )
        ),
    }


def main() -> None:
    if sys.argv[1] == "thornton":
        return experiment(sys.argv[2])
    told: dict[str, dict[str, float]] = {}
    for path in sorted(Path(sys.argv[1]).glob("given-*.npz")):
        data = dict(np.load(path))
        found, told[path.name] = {}, {}
        for name, run in learners("e" in data).items():
            started = time.process_time()
            found[name] = run(data)
            told[path.name][name] = time.process_time() - started
        np.savez(path.with_name(path.name.replace("given", "found")), **found)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
