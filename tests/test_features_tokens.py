"""N-grams of tokens: which runs there are, how they weigh, and that the graph counts each once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import drivetrain as dt
from drivetrain.bundle.graph import check_graph
from drivetrain.bundle.tensors import made_names
from drivetrain.data.dataset import Dataset
from drivetrain.learn.baselines.supervised import fit_baselines
from drivetrain.learn.by_name import make_learner
from drivetrain.learn.features.tokens import BITS, buckets_of
from drivetrain.ragged import Ragged, graph_inputs
from drivetrain.runtime import OnnxSession


def texts(rows: int = 160, seed: int = 0) -> dict[str, list[Any]]:
    """Some texts come with "not bad" or "bad": runs of two words tell what one can't."""
    draw = np.random.default_rng(seed)
    words = [f"w{number}" for number in range(20)]
    texts: list[str] = []
    labels: list[str] = []
    for row in range(rows):
        found = draw.choice(words, draw.integers(3, 30)).tolist()
        found.insert(int(draw.integers(0, len(found))), "not bad" if row % 2 else "bad")
        found.insert(0, "" if row % 2 else "not")
        texts.append(" ".join(found).strip())
        labels.append("good" if row % 2 else "poor")
    return {"text": texts, "label": labels}


def table(kind: str = "tokens") -> Dataset:
    return dt.tabular.from_frame(texts(), "label", columns={"text": kind})


def ragged(*rows: list[int]) -> Ragged:
    values = [token for row in rows for token in row]
    return Ragged.of(np.array(values, np.int64), np.array([len(row) for row in rows]))


def test_runs_are_those_of_each_row_alone() -> None:
    rows = [[3, 1, 3], [], [7], [1, 3, 1, 3]]
    found_rows, buckets = buckets_of(ragged(*rows), 2)
    runs = [
        (row, tuple(tokens[start : start + length]))
        for length in (1, 2)
        for row, tokens in enumerate(rows)
        for start in range(len(tokens) - length + 1)
    ]
    assert found_rows.tolist() == [row for row, _ in runs]
    names = dict(zip([run for _, run in runs], buckets.tolist()))
    assert [names[run] for _, run in runs] == buckets.tolist()
    assert len({*names.values()}) == len(names)
    assert all(0 <= bucket < 2**BITS for bucket in names.values())


@pytest.mark.parametrize("kind", ["tokens", "tokens:characters", "tokens:bpe:60-most"])
def test_it_learns_of_tokens_and_its_graph_says_the_same(kind: str) -> None:
    data = table(kind)
    learner = make_learner(data, "ngrams", bare=True)
    learner.fit()
    assert learner.validate()["accuracy"].value > 0.9
    graph = learner.graph()
    check_graph(graph, data.signature)
    session = OnnxSession(graph, made_names(data.signature))
    columns = data.part("valid").batch()
    several = graph_inputs(columns, data.signature.inputs)
    np.testing.assert_allclose(
        session.run(several)["label"], learner.run_arrays(columns)["label"], rtol=1e-4, atol=1e-5
    )
    # What comes often counts once; nothing, one alone, and a token that no text had.
    rows = [[], [5], [5] * 40, [4, 5, 4, 5, 4], [2**19]]
    odd = {"text": ragged(*rows)}
    together = session.run(graph_inputs(odd, ["text"]))["label"]
    np.testing.assert_allclose(together, learner.run_arrays(odd)["label"], rtol=1e-4, atol=1e-5)
    for row in range(len(rows)):
        alone = session.run(graph_inputs({"text": odd["text"][row : row + 1]}, ["text"]))["label"]
        np.testing.assert_allclose(alone[0], together[row], atol=1e-6)


def test_tokens_have_a_baseline() -> None:
    data = table()
    found = fit_baselines(data.signature, data.part("train").batch(), data.part("valid").batch())
    assert [each.name for each in found] == ["majority class", "TF-IDF and logistic regression"]
