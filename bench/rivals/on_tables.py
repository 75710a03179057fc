"""What users would pick instead for a table, with its defaults: one fit, and its answers for the test rows.

    python on_tables.py FOLDER METHOD SEED     with train.csv, test.csv and set.json in FOLDER; answers in answers.npz

METHOD is LightGBM, LightGBM with early stopping or CatBoost, each for a number also "on the log", or TF-IDF. Needs
lightgbm, catboost, scikit-learn and pandas. Dates are told to all as day, month, weekday and hour; text cells are
categories, but a column with another word in more than half of its rows is left out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def features(table: dict[str, Any], train: pd.DataFrame, test: pd.DataFrame) -> tuple[Any, Any, list[str]]:
    """Both frames with numbers and categories only, and the names of the categories."""
    parts, categories = [train.drop(columns=table["target"]), test.drop(columns=table["target"])], []
    for name in table["dates"]:
        for part in parts:
            when = pd.to_datetime(part.pop(name))
            part[f"{name} days"] = (when - pd.Timestamp(2000, 1, 1)) / pd.Timedelta(days=1)
            part[f"{name} month"], part[f"{name} weekday"] = when.dt.month, when.dt.weekday
            part[f"{name} hour"] = when.dt.hour
    for name in parts[0].columns:
        if pd.api.types.is_numeric_dtype(parts[0][name]):
            continue
        if parts[0][name].nunique() > len(train) / 2:
            parts = [part.drop(columns=name) for part in parts]
            continue
        kinds = pd.CategoricalDtype(sorted(parts[0][name].dropna().unique()))
        parts = [part.assign(**{name: part[name].astype(kinds)}) for part in parts]
        categories.append(name)
    return *parts, categories


def lightgbm(number: bool, early: bool, by_time: bool, seed: int, x: Any, y: Any) -> Any:
    import lightgbm as lgb

    make = lgb.LGBMRegressor if number else lgb.LGBMClassifier
    if not early:
        return make(n_jobs=1, random_state=seed, verbose=-1).fit(x, y)
    order = np.arange(len(y)) if by_time else np.random.default_rng(seed).permutation(len(y))
    held = order[int(len(y) * 0.8) :]
    learnt = np.setdiff1d(order, held)
    model = make(n_estimators=2000, learning_rate=0.05, n_jobs=1, random_state=seed, verbose=-1)
    return model.fit(
        x.iloc[learnt], y[learnt], eval_set=[(x.iloc[held], y[held])],
        callbacks=[lgb.early_stopping(50, verbose=False)],
    )  # fmt: skip


def catboost(number: bool, categories: list[str], seed: int, x: Any, y: Any, test: Any) -> tuple[Any, Any]:
    from catboost import CatBoostClassifier, CatBoostRegressor

    def filled(part: Any) -> Any:
        """It takes no gap in a category but as a word."""
        return part.assign(**{name: part[name].astype(object).fillna("missing") for name in categories})

    x, test = filled(x), filled(test)
    make = CatBoostRegressor if number else CatBoostClassifier
    model = make(
        cat_features=categories, random_seed=seed, thread_count=1, verbose=False, allow_writing_files=False
    )
    return model.fit(x, y), test


def tf_idf(texts: list[str], x: Any, y: Any, test: Any) -> tuple[Any, Any]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    joined = [part[texts].fillna("").agg(" ".join, axis=1) for part in (x, test)]
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    model = make_pipeline(make_union(words, characters), LogisticRegression(max_iter=1000))
    return model.fit(joined[0], y), joined[1]


def main() -> None:
    folder, method, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    table = json.loads((folder / "set.json").read_text())
    train, test = (pd.read_csv(folder / f"{name}.csv") for name in ("train", "test"))
    number, y = table["metric"] != "log loss", train[table["target"]].to_numpy()
    log = method.endswith(" on the log")
    # LightGBM wants codes of the classes; in the order of their names, as tables.py has them.
    y = np.log1p(y) if log else y if number else np.unique(y.astype(str), return_inverse=True)[1]
    if method == "TF-IDF":
        model, test = tf_idf(table["texts"], train, y, test)
    else:
        train, test, categories = features(table, train, test)
        if method.startswith("CatBoost"):
            model, test = catboost(number, categories, seed, train, y, test)
        else:
            model = lightgbm(number, "early" in method, table["by_time"], seed, train, y)
    answers = model.predict(test) if number else model.predict_proba(test)
    np.savez("answers.npz", answers=np.expm1(answers) if log else answers)


if __name__ == "__main__":
    main()
