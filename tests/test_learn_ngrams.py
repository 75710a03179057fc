"""The linear model of n-grams: what it learns, its graph, its learner, and the baseline of texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import drivetrain as dt
from drivetrain.bundle.graph import check_graph
from drivetrain.bundle.tensors import made_names
from drivetrain.data.dataset import Dataset
from drivetrain.errors import TrainingError, UsageError
from drivetrain.learn.baselines.supervised import fit_baselines
from drivetrain.learn.by_name import make_learner, resume
from drivetrain.learn.closed_form import solver as linear_solver
from drivetrain.learn.closed_form.solver import Choice, Labels, Numbers, solve
from drivetrain.runtime import OnnxSession


def reviews(rows: int = 200, seed: int = 0) -> dict[str, list[Any]]:
    """Two texts, of whose words some tell a class, and the number of one of them."""
    draw = np.random.default_rng(seed)
    words = np.array([f"word{number}" for number in range(40)])
    title = [" ".join(draw.choice(words, draw.integers(4, 9))) for _ in range(rows)]
    body = [" ".join(draw.choice(words, draw.integers(8, 20))) for _ in range(rows)]
    stars = [float(text.count("word7") + 2 * text.count("word12")) for text in body]
    sure = draw.random(rows) < 0.95
    label = ["good" if (number > 1) == known else "bad" for number, known in zip(stars, sure)]
    topic = ["a" if "word1" in text.split() else "bc"[number > 1] for text, number in zip(title, stars)]
    return {"title": title, "body": body, "stars": stars, "label": label, "topic": topic}


def table(*targets: str, rows: int = 200) -> Dataset:
    columns = reviews(rows)
    kept = {name: columns[name] for name in ("title", "body", *targets)}
    return dt.tabular.from_frame(kept, list(targets), columns={"title": "text", "body": "text"})


@pytest.mark.parametrize("target", ["label", "topic", "stars"])
def test_it_learns_from_words_and_its_graph_says_the_same(target: str) -> None:
    data = table(target)
    learner = make_learner(data, "ngrams", bare=True)
    learner.fit()
    found = learner.validate()
    assert found["r2"].value > 0.5 if target == "stars" else found["accuracy"].value > 0.7
    graph = learner.graph()
    check_graph(graph, data.signature)
    batch = data.part("valid").batch()
    session = OnnxSession(graph, made_names(data.signature))
    empty = {name: np.zeros_like(batch[name][:1]) for name in data.signature.inputs}
    for inputs in ({name: batch[name] for name in data.signature.inputs}, empty):
        said = session.run(inputs)[target]
        np.testing.assert_allclose(said, learner.run_arrays(inputs)[target], rtol=1e-4, atol=1e-5)


def test_several_targets_and_the_same_again() -> None:
    data = table("label", "stars", rows=100)
    learners = [make_learner(data, "ngrams", bare=True) for _ in range(2)]
    for learner in learners:
        learner.fit()
    first, second = (learner.outputs()[0] for learner in learners)
    assert {*first} == {"label", "stars"}
    assert all((first[name] == second[name]).all() for name in first)


def test_a_class_that_training_lacks_is_never_answered() -> None:
    from drivetrain.learn.closed_form.ngram_model import fit_ngrams

    data = table("topic")
    batch = data.part("train").batch()
    for lacking in ([0], [2], [0, 1]):
        kept = ~np.isin(batch["topic"], lacking)
        some = {name: array[kept] for name, array in batch.items()}
        said = fit_ngrams(data.signature, some).predict(data.part("valid").batch())["topic"]
        assert not said[:, lacking].any()
        np.testing.assert_allclose(said.sum(axis=1), 1, rtol=1e-5)


def test_what_it_sees_nothing_of_is_told() -> None:
    columns = reviews(60)
    data = dt.tabular.from_frame(
        {name: columns[name] for name in ("body", "stars", "label")}, "label", columns={"body": "text"}
    )
    learner = make_learner(data, "ngrams", bare=True)
    learner.fit()
    assert "ngrams sees nothing of 'stars': no text" in learner.notes


def test_it_needs_a_text() -> None:
    columns = {"x": np.random.default_rng(0).normal(size=50), "y": ["a", "b"] * 25}
    with pytest.raises(TrainingError, match="learns from texts, and no input is one"):
        make_learner(dt.tabular.from_frame(columns, "y"), "ngrams")
    with pytest.raises(UsageError, match="ngrams has no dropout"):
        make_learner(table("label"), "ngrams", dropout=0.5)
    with pytest.raises(UsageError, match="penalty must be a number above 0"):
        make_learner(table("label"), "ngrams", penalty=0.0)


def test_the_solver_finds_what_scikit_learn_does(monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy import sparse
    from sklearn.linear_model import LogisticRegression, Ridge

    monkeypatch.setattr(linear_solver, "CLOSE", 1e-9)
    draw = np.random.default_rng(0)
    dense = draw.normal(size=(300, 6)) * (draw.random((300, 6)) < 0.5)
    features = sparse.csr_matrix(dense.astype(np.float32))
    numbers = dense @ np.arange(6.0) + draw.normal(size=300)
    codes = (numbers > 0).astype(int) + (numbers > 3)
    numbers = (numbers - numbers.mean()) / numbers.std()
    for goal, theirs in (
        (Labels.of(codes, False), LogisticRegression(C=10).fit(dense, codes)),
        (
            Labels.of(np.minimum(codes, 1), True),
            LogisticRegression(C=10, class_weight="balanced").fit(dense, codes > 0),
        ),
        (Numbers(numbers), Ridge(alpha=0.1).fit(dense, numbers)),
    ):
        weights, _ = solve(features, goal, Choice(0.1, 0.0))
        np.testing.assert_allclose(weights.T, np.atleast_2d(theirs.coef_), atol=0.05)


def test_rare_n_grams_weigh_more_where_that_tells_more() -> None:
    data = table("label", "stars")
    fitted = {
        rarity: make_learner(data, "ngrams", bare=True, penalty=0.1, rarity=rarity) for rarity in (0.0, 1.0)
    }
    batch = data.part("valid").batch()
    for rarity, learner in fitted.items():
        learner.fit()
        assert learner.chosen_settings()["rarity"] == rarity
        said = OnnxSession(learner.graph(), made_names(data.signature)).run(
            {name: batch[name] for name in data.signature.inputs}
        )
        for target, outputs in learner.run_arrays(batch).items():
            np.testing.assert_allclose(said[target], outputs, rtol=1e-4, atol=1e-5)
    apart = [learner.outputs()[0]["label"] for learner in fitted.values()]
    assert not np.allclose(*apart)
    with pytest.raises(UsageError, match="rarity must be a number from 0 to 2"):
        make_learner(data, "ngrams", rarity=-1.0)


def test_texts_have_a_baseline() -> None:
    data = table("label", "stars")
    found = fit_baselines(data.signature, data.part("train").batch(), data.part("valid").batch())
    names = [each.name for each in found]
    assert names == [
        "majority class of label",
        "TF-IDF and logistic regression of label",
        "mean of stars",
        "TF-IDF and ridge regression of stars",
    ]
    true = data.part("valid").batch()["label"]
    assert np.mean(found[1].outputs.argmax(axis=1) == true) > np.mean(found[0].outputs.argmax(axis=1) == true)


@pytest.mark.slow
def test_a_run_is_exported_and_solved_again(tmp_path: Path) -> None:
    columns = reviews(120)
    lines = ["body,label", *(f"{text},{label}" for text, label in zip(columns["body"], columns["label"]))]
    (tmp_path / "reviews.csv").write_text("\n".join(lines))
    data = dt.tabular.from_csv(tmp_path / "reviews.csv", "label", columns={"body": "text"})
    learner = data.learner("ngrams", out=tmp_path / "run", quiet=True)
    result = learner.fit()
    assert "TF-IDF and logistic regression" in result["baselines"]
    path = learner.export(tmp_path / "reviews.bundle")
    assert path.stat().st_size < 8 * 2**20
    answer = dt.Predictor(path).predict({"body": columns["body"][0]})
    assert answer.targets["label"]["label"] in ("good", "bad")
    again = resume(tmp_path / "run", quiet=True)
    assert (again.outputs()[0]["label"] == learner.outputs()[0]["label"]).all()
