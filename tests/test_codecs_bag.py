"""bag@1: which words are known and found, as a column that models see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import drivetrain as dt
from drivetrain.codecs.bag import Bag
from drivetrain.data.dataset import Dataset
from drivetrain.errors import DataError, DrivetrainError
from drivetrain.learn.by_name import make_learner


def test_frequent_words_are_known_and_each_counts_once() -> None:
    codec = Bag(most=3).fit(["The cat, the dog!", "the cat", "dog", "a bird", None])
    assert codec.words == ("cat", "dog", "the")
    assert codec.encode(codec.read("THE the cat-bird")).tolist() == [1, 0, 1]
    assert codec.encode(codec.read(None)).tolist() == [0, 0, 0]
    assert codec.fit(["other words, other words"]) is codec


def test_texts_are_cleaned_as_asked() -> None:
    texts = ["<b>Naïve</b> NAIVE", "<b>naïve</b> no"] * 2
    assert Bag().fit(texts).words == ("b", "naïve", "naive", "no")
    plain = Bag(strip_html=True, strip_accents=True, stop_words=("no",)).fit(texts)
    assert plain.words == ("naive",)
    assert Bag(lower=False, strip_html=True).fit(texts).words[0] in ("NAIVE", "Naïve")
    with pytest.raises(DataError, match="no word is in enough texts"):
        Bag(rare=3).fit(["a b", "c d"])
    with pytest.raises(DrivetrainError, match="an input only"):
        plain.decode(np.zeros(1))


def table(word: str) -> Dataset:
    draw = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(30)])
    texts = [" ".join(draw.choice(words, 10)) for _ in range(120)]
    labels = ["yes" if "word7" in text.split() else "no" for text in texts]
    return dt.tabular.from_frame({"text": texts, "label": labels}, "label", columns={"text": word})


def test_a_column_is_said_to_be_a_bag_of_words() -> None:
    codec: Any = table("bag:no-html:cased:20-most:no-stop-words").signature.inputs["text"]
    assert isinstance(codec, Bag)
    assert (codec.most, codec.lower, codec.strip_html) == (20, False, True)
    assert "the" in codec.stop_words
    assert len(codec.words) == 20


@pytest.mark.slow
@pytest.mark.parametrize("model", ["regression", "trees", "linear"])
def test_models_of_columns_see_it(model: str) -> None:
    from drivetrain.bundle.tensors import made_names
    from drivetrain.runtime import OnnxSession

    data = table("bag")
    learner = make_learner(data, model, bare=True)
    learner.fit(*([20] if model == "linear" else []))
    batch = data.part("valid").batch()
    said = OnnxSession(learner.graph(), made_names(data.signature)).run({"text": batch["text"]})["label"]
    np.testing.assert_allclose(said, learner.run_arrays(batch)["label"], rtol=1e-4, atol=1e-5)
    if model != "linear":
        assert learner.validate()["accuracy"].value > 0.9
