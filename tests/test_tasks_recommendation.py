"""Recommendation from a file to a bundle: ratings and picks, splits, what beats what, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import drivetrain
from tables import films, write_csv

import drivetrain as dt
from drivetrain.data.recipe import from_recipe
from drivetrain.data.table import from_columns
from drivetrain.errors import DataError, FileError, TrainingError, UsageError
from drivetrain.learn.baselines.recommend import biases, neighbours
from drivetrain.learn.recommend import items as of_items
from drivetrain.learn.recommend.ease import RIDGES, ease_weights, scorer
from drivetrain.learn.recommend.items import Items, choose, together
from drivetrain.testing.bundles import check_bundle

pytestmark = pytest.mark.slow

NAMES = ("user", "film", "stars", "when")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return films(tmp_path_factory.mktemp("films") / "films.csv")


@pytest.fixture(scope="module")
def picks(file: Path) -> Any:
    """A learner of picks, fitted."""
    learner = dt.recommendation.from_csv(file, "user", "film", timestamp="when").learner(
        out=file.parent / "picks", quiet=True
    )
    learner.fit()
    return learner


@pytest.fixture(scope="module")
def ratings(file: Path) -> Any:
    """A learner of ratings, trained."""
    learner = dt.recommendation.from_csv(file, *NAMES).learner(out=file.parent / "ratings", quiet=True)
    learner.fit()
    return learner


# --- the data ------------------------------------------------------------------------------------------------


def frame(**columns: list[Any]) -> dict[str, list[Any]]:
    users, films_ = ["a", "a", "b", "b", "c"], ["x", "y", "x", "z", "y"]
    return {"user": users, "film": films_, "stars": [5, 1, 4, 2, 3], **columns}


def test_each_user_is_validated_on_their_latest_rows(file: Path) -> None:
    data = dt.recommendation.from_csv(file, *NAMES, valid=0.25)
    assert list(data.signature.inputs) == ["user", "film"]
    table, split = data.table, data.split
    for user in ("u0", "u7", "u31"):
        mine = table["user"] == user
        valid = np.flatnonzero(mine)[np.isin(np.flatnonzero(mine), split.valid)]
        train = np.setdiff1d(np.flatnonzero(mine), valid)
        assert len(valid) == int(np.floor(mine.sum() * 0.25 + 0.5))
        assert max(table["when"][train]) <= min(table["when"][valid])
    assert any("latest rows of each user" in note for note in data.notes)
    by_chance = dt.recommendation.from_csv(file, *NAMES[:3])
    assert any("at random" in note for note in by_chance.notes)


def test_a_history_is_what_was_liked_in_training_and_next_what_was_liked_later() -> None:
    columns = {
        "user": ["a"] * 5 + ["b"] * 5,
        "film": ["p", "q", "r", "s", "t"] * 2,
        "stars": [5, 1, 4, 2, 5, 1, 5, 5, 1, 1],
        "when": list(range(5)) * 2,
    }
    data = dt.recommendation.from_frame(columns, *NAMES, valid=0.4)
    ranking = data.task.ranking
    assert ranking is not None
    rows = ranking.table.take(ranking.split.valid)
    assert [list(rows[name]) for name in ("user", "history", "seen", "next")] == [
        ["a"], [["p", "r"]], [["q"]], [["t"]]
    ]  # fmt: skip
    train = ranking.table.take(ranking.split.train)
    assert list(train["history"]) == [["p", "r"], ["q", "r"]]
    assert ranking.signature.targets["next"].items == ("p", "q", "r")  # t is liked later only


def test_a_pair_that_comes_again_counts_once_and_it_is_said_how() -> None:
    again = frame(user=["a", "a", "b", "b", "a"], film=["x", "y", "x", "z", "x"], stars=[5, 1, 4, 2, 1])
    data = dt.recommendation.from_frame(again, "user", "film", "stars", split=dt.split.none())
    (place,) = np.flatnonzero((data.table["user"] == "a") & (data.table["film"] == "x"))
    assert data.table["stars"][place] == 3.0
    assert any("1 rows rate or pick again" in note and "mean" in note for note in data.notes)
    timed = {**again, "when": [9, 2, 3, 4, 5]}
    data = dt.recommendation.from_frame(timed, *NAMES, split=dt.split.none())
    (place,) = np.flatnonzero((data.table["user"] == "a") & (data.table["film"] == "x"))
    assert data.table["stars"][place] == 5.0  # the last in time, though not in the table
    assert any("the last rating counts" in note for note in data.notes)
    data = dt.recommendation.from_frame(again, "user", "film", split=dt.split.none())
    assert any("each counts once" in note for note in data.notes)


def test_rows_without_user_item_or_rating_are_left_out_and_told() -> None:
    gaps = frame(user=["a", "a", "b", None, "c"], stars=[5, None, 4, 2, 3])
    data = dt.recommendation.from_frame(gaps, "user", "film", "stars", split=dt.split.none())
    assert len(data.table) == 3
    assert any("2 rows without" in note for note in data.notes)


def test_numbers_name_users_as_their_digits_do(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "ids.csv", frame(user=[1, 1, 2, 2, 3]))
    typed = dt.recommendation.from_frame(
        frame(user=[1.0, 1.0, 2.0, 2.0, 3.0]), "user", "film", split=dt.split.none()
    )
    written = dt.recommendation.from_csv(path, "user", "film", split=dt.split.none())
    assert set(typed.table["user"]) == set(written.table["user"]) == {"1", "2", "3"}


def test_a_file_without_a_header_and_the_recipe_of_its_dataset(tmp_path: Path) -> None:
    lines = [f"{u}\t{i}\t{1 + (u + i) % 5}\t{100 + i}" for u in range(8) for i in range(10)]
    (tmp_path / "u.data").write_text("\n".join(lines))
    data = dt.recommendation.from_csv(
        tmp_path / "u.data", *NAMES, header=NAMES, split=dt.split.by_time("when", valid=0.3)
    )
    again = from_recipe(data.recipe or {})
    assert len(data.table) == len(again.table) == 80
    assert np.array_equal(data.split.valid, again.split.valid)
    assert data.signature.to_json() == again.signature.to_json()


def test_only_the_most_liked_can_be_recommended_where_there_are_too_many(file: Path) -> None:
    data = dt.recommendation.from_csv(file, "user", "film", timestamp="when", most_items=10)
    assert len(data.signature.targets["next"].items) == 10
    assert any("the 10 most liked of 60 items" in note for note in data.notes)
    others = data.part("valid").batch()["next"][:, -1]
    assert others.sum() > 0  # they count as missed


@pytest.mark.parametrize(
    ("columns", "arguments", "error", "words"),
    [
        (frame(), ("usr", "film", "stars"), UsageError, "no column 'usr'"),
        (frame(), ("user", "film", "rating"), UsageError, "no column 'rating'"),
        (frame(), ("user", "user", "stars"), UsageError, "different columns"),
        (frame(stars=["good", "bad", "good", "bad", "bad"]), ("user", "film", "stars"), DataError, "'good' is no number"),
        (frame(stars=[3] * 5), ("user", "film", "stars"), DataError, "all ratings are 3"),
        (frame(user=["a"] * 5, film=list("vwxyz")), ("user", "film", "stars"), DataError, "only one user, 'a'"),
        (frame(film=["x"] * 5), ("user", "film", "stars"), DataError, "only one item"),
        (frame(stars=[None] * 5), ("user", "film", "stars"), DataError, "no row has a value of 'stars'"),
    ],
)  # fmt: skip
def test_what_can_not_be_learned_from_is_refused(
    columns: dict[str, list[Any]], arguments: tuple[str, ...], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        dt.recommendation.from_frame(columns, *arguments)
    assert words in str(caught.value)
    assert caught.value.fix  # type: ignore[attr-defined]


def test_a_text_rating_is_named_with_its_row(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "bad.csv", frame(stars=[5, 4, "four", 2, 1]))
    with pytest.raises(DataError) as caught:
        dt.recommendation.from_csv(path, "user", "film", "stars")
    assert caught.value.where == "bad.csv, row 4, stars"
    with pytest.raises(FileError):
        dt.recommendation.from_csv(tmp_path / "nowhere.csv", "user", "film")


def test_check_tells_of_single_rows_and_strangers(file: Path) -> None:
    found = dt.recommendation.from_csv(file, *NAMES).check()
    assert found.ok
    thin = frame(user=list("abcde"), film=["x", "y", "x", "z", "y"])
    faults = dt.recommendation.from_frame(thin, "user", "film", valid=0.4).check().faults
    assert {"single rows", "few users", "not in train"} <= {fault.kind for fault in faults}


# --- the models ----------------------------------------------------------------------------------------------


def test_the_weights_of_ease_are_a_regression_of_each_item_on_the_others() -> None:
    history = (np.random.default_rng(0).random((200, 6)) < 0.4).astype(np.uint8)
    weights = ease_weights(together(history), 5.0)
    for item in range(6):
        others = np.delete(np.arange(6), item)
        x, y = history[:, others].astype(float), history[:, item].astype(float)
        expected = np.linalg.solve(x.T @ x + 5.0 * np.eye(5), x.T @ y)
        assert weights[others, item] == pytest.approx(expected, abs=1e-5)
        assert weights[item, item] == 0


def test_neighbours_add_up_the_cosines_of_the_nearest() -> None:
    history = np.array([[1, 1, 0], [1, 1, 0], [1, 0, 1]], np.uint8)
    scores = neighbours(together(history), 1)(np.array([[1, 0, 0]], np.uint8))
    assert scores[0] == pytest.approx([0, 2 / np.sqrt(6), 1 / np.sqrt(3)], abs=1e-6)


def test_to_choose_a_penalty_who_had_both_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    def count(history: np.ndarray) -> np.ndarray:
        counted.append(len(history))
        return together(history)

    monkeypatch.setattr(of_items, "together", count)
    history = (np.random.default_rng(0).random((50, 6)) < 0.5).astype(np.uint8)
    assert choose(RIDGES, scorer, history, None, 0) in RIDGES
    assert counted == [50]
    counts = together(history)
    ease_weights(counts, 5.0)
    np.testing.assert_array_equal(counts, together(history))


def test_what_is_chosen_by_is_bounded_to_the_items_that_most_have_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(of_items, "MOST_ITEMS", 4)
    history = (np.random.default_rng(0).random((50, 7)) < [0.1, 0.9, 0.8, 0.2, 0.7, 0.15, 0.6]).astype(
        np.uint8
    )
    tried: list[tuple[int, ...]] = []

    def fit(counts: np.ndarray, ridge: float) -> Any:
        tried.append(counts.shape)
        assert np.diag(counts).min() > 15  # those of 0.6 and more
        return scorer(counts, ridge)

    assert choose(RIDGES, fit, history, history * 0, 0) in RIDGES
    assert tried == [(4, 4)] * len(RIDGES)


def test_a_penalty_with_which_nothing_can_be_solved_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        ease_weights(together(np.ones((5, 3), np.uint8)), 1e-30)
    assert caught.value.where == "ridge"


def test_biases_are_shrunk_to_the_mean() -> None:
    users, items = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    of_users, of_items = biases(users, items, np.array([1.0, 1.0, -1.0, -1.0]))
    assert of_users[0] == pytest.approx(2 / 7) == -of_users[1]
    assert of_items == pytest.approx([0, 0])


def test_vectors_say_who_is_had_by_the_same_people() -> None:
    draw = np.random.default_rng(0)
    group = draw.random((300, 1)) < 0.5
    history = np.where(
        group, draw.random((300, 8)) < [0.6] * 4 + [0.1] * 4, draw.random((300, 8)) < [0.1] * 4 + [0.6] * 4
    )
    vectors = Items(history.astype(np.uint8)).vectors
    alike = vectors @ vectors.T
    correlations = np.corrcoef(history.T)
    assert np.abs(alike - correlations)[~np.eye(8, dtype=bool)].max() < 0.1
    assert alike[0, 1] > 0.2 > alike[0, 5]


def test_picks_are_recommended_better_than_by_popularity(picks: Any) -> None:
    result = picks.result
    assert result["task"] == "recommendation"
    ours, simple = result["metrics"]["valid"], result["baselines"]
    assert set(simple) == {"popularity", "item-kNN"}
    names = {"ndcg_at_10", "recall_at_10", "precision_at_10", "coverage", "novelty", "diversity"}
    assert names == ours.keys() == simple["popularity"].keys()
    assert all(value["low"] <= value["value"] <= value["high"] for value in ours.values())
    assert ours["ndcg_at_10"]["value"] > simple["popularity"]["ndcg_at_10"]["value"] + 0.05
    assert result["against"]["popularity"]["better"] is True
    assert any(
        note.startswith("recommends better than popularity: NDCG@10 higher by") for note in result["notes"]
    )
    assert any("fitted again to them too" in note for note in result["notes"])
    assert (picks.run / "report.html").is_file()


def test_ratings_are_predicted_and_ranked_and_the_truth_is_told(ratings: Any) -> None:
    result = ratings.result
    ours, simple = result["metrics"]["valid"], result["baselines"]
    expected = {"global mean", "user and item bias", "popularity", "item-kNN", "sorted by predicted rating"}
    assert set(simple) == expected
    assert (
        ours["root_mean_squared_error"]["value"] < simple["global mean"]["root_mean_squared_error"]["value"]
    )
    assert ours["ndcg_at_10"]["value"] > simple["popularity"]["ndcg_at_10"]["value"]
    assert ours["ndcg_at_10"]["value"] > simple["sorted by predicted rating"]["ndcg_at_10"]["value"]
    assert ratings.description() == "factors, 200 of 'user' and 60 of 'film'"


@pytest.mark.parametrize("model", ["dot", "neural", "mlp", "trees"])
def test_other_models_of_ratings_recommend_all_the_same(file: Path, tmp_path: Path, model: str) -> None:
    data = dt.recommendation.from_csv(file, *NAMES)
    learner = data.learner(model, out=tmp_path / "run", quiet=True)
    result = learner.fit() if model == "trees" else learner.fit(2)
    assert {"root_mean_squared_error", "ndcg_at_10"} <= result["metrics"]["valid"].keys()


def test_models_refuse_data_that_are_not_theirs(file: Path) -> None:
    picks, rated = (dt.recommendation.from_csv(file, "user", "film", rating) for rating in (None, "stars"))
    with pytest.raises(UsageError, match="ranks items"):
        rated.learner("ease")
    with pytest.raises(UsageError, match="by ease alone"):
        picks.learner("dot")
    with pytest.raises(UsageError, match="ease has no dropout"):
        picks.learner(dropout=0.5)
    with pytest.raises(UsageError, match="no option 'rigde'"):
        picks.learner(rigde=3.0)
    with pytest.raises(TrainingError, match="not trained"):
        picks.learner(quiet=True).export(file.parent / "early.bundle")
    table = from_columns({"a": ["x", "y"] * 10, "b": [1.0, 2.0] * 10, "c": [1.0, 3.0] * 10})
    block = dt.DataBlock(
        {"a": dt.Category(), "b": dt.Number()}, {"c": dt.Number()}, split=dt.split.random(0.2)
    )
    with pytest.raises(UsageError, match="two categories"):
        block.from_table(table).learner("dot", quiet=True)
    with pytest.raises(UsageError, match="two categories"):
        block.from_table(table).learner("factors", quiet=True)
    with pytest.raises(UsageError, match="factors has no dropout"):
        rated.learner("factors", dropout=0.5)
    assert rated.learner(dropout=0.5, quiet=True).model_name == "dot"


@pytest.fixture(scope="module")
def fitted_again(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A learner of ratings whose valid rows have a user and two items that train lacks."""
    draw = np.random.default_rng(0)
    rows = [
        (f"u{u}", f"f{i}", int(draw.integers(1, 6)), "train")
        for u in range(20)
        for i in draw.permutation(12)[:8]
    ]
    late = [(user, f"f{i}", 4 + i % 2, "valid") for user in ("u1", "u2", "new") for i in (2, 5, 12, 13)]
    test = [("new", "f3", 5, "test"), ("u1", "f13", 5, "test"), ("u0", "f12", 4, "test")]
    kept = {row[:2]: row for row in [*test, *late, *rows]}
    columns = dict(zip(("user", "film", "stars", "part"), map(list, zip(*kept.values()))))
    folder = tmp_path_factory.mktemp("again")
    path = write_csv(folder / "ratings.csv", columns)
    data = dt.recommendation.from_csv(path, *NAMES[:3], split=dt.split.by_column("part"))
    learner = data.learner(out=folder / "run", quiet=True)
    learner.fit()
    return learner


def test_what_was_measured_is_fitted_again_with_the_rows_that_it_was_measured_on(fitted_again: Any) -> None:
    learner, ranker = fitted_again, fitted_again.data.task.ranker(fitted_again)
    counts = {name: len(rows) for name, rows in learner.data.split.parts().items()}
    everything = counts["train"] + counts["valid"]
    assert len(learner.shipped.data.rows("train")) == everything
    assert any(
        f"fitted again to {everything}, the valid rows too" in note for note in learner.result["notes"]
    )
    assert "new" not in learner.data.signature.inputs["user"].classes
    assert "new" in learner.shipped.data.signature.inputs["user"].classes
    assert not {"f12", "f13"} & {*ranker.items}
    assert {"f12", "f13"} <= {*ranker.shipped.items}
    assert ranker.shipped.ridge == ranker.ridge
    assert ranker.shipped.data.task.known["liked"] == ranker.data.task.known["liked"]
    whole = ranker.shipped.data.table.take(ranker.shipped.data.split.train)
    assert "new" in whole["user"]
    assert "f13" in whole["history"][whole["user"].tolist().index("u2")]
    # What was measured is as it was.
    np.testing.assert_array_equal(
        learner.outputs("valid")[0]["stars"], learner.run_arrays(learner.data.part("valid").batch())["stars"]
    )
    assert learner.data.split.valid.size == counts["valid"]


def test_what_was_fitted_again_is_what_is_exported_recommended_and_evaluated(
    fitted_again: Any, tmp_path: Path
) -> None:
    from drivetrain.bundle import open_bundle
    from drivetrain.runtime import Predictor

    path = fitted_again.export(tmp_path / "a.bundle")
    check_bundle(path, flips=20)
    bundle = open_bundle(path)
    assert bundle.recommender is not None
    assert {"f12", "f13"} <= {*bundle.recommender.signature.targets["next"].items}
    known, unknown = (Predictor(path).predict({"user": user, "film": "f13"}) for user in ("new", "nobody"))
    assert known.targets["stars"]["value"] != unknown.targets["stars"]["value"]
    assert fitted_again.predict({"user": "new", "film": "f13"}).targets["stars"]["value"] == pytest.approx(
        known.targets["stars"]["value"], abs=1e-5
    )
    assert "f13" in [each.item for each in dt.recommendation.recommend(fitted_again, "u3", 14).items]
    assert dt.recommendation.similar(path, "f13", 3)
    source = fitted_again.data.recipe["source"]
    done = drivetrain("evaluate", path, source, "--json")
    assert done.code == 0, done.err
    assert done.json["metrics"]["ndcg_at_10"]["value"] > 0
    assert "fitted again" in bundle.card
    assert "21 classes" in bundle.card  # with the new user


def test_a_run_that_is_taken_up_is_fitted_again_too(fitted_again: Any) -> None:
    from drivetrain.learn.by_name import resume

    again = resume(fitted_again.run, quiet=True)
    batch = again.shipped.data.part("train").batch()
    np.testing.assert_array_equal(
        again.shipped.run_arrays(batch)["stars"], fitted_again.shipped.run_arrays(batch)["stars"]
    )


def test_without_a_valid_part_nothing_is_claimed(file: Path, tmp_path: Path) -> None:
    data = dt.recommendation.from_csv(file, "user", "film", split=dt.split.none())
    result = data.learner(out=tmp_path / "run", quiet=True).fit()
    assert result["metrics"]["train"]["ndcg_at_10"]["value"] is None


def test_a_run_is_taken_up_and_exports_the_same(picks: Any, tmp_path: Path) -> None:
    from drivetrain.learn.by_name import resume

    again = resume(picks.run, quiet=True)
    assert again.ridge == picks.ridge
    assert np.array_equal(again.weights, picks.weights)


# --- bundles and the command line ----------------------------------------------------------------------------


@pytest.mark.slow
def test_bundles_keep_their_promises(picks: Any, ratings: Any, tmp_path: Path) -> None:
    one = check_bundle(picks.export(tmp_path / "picks.bundle"), flips=60)
    assert one.vectors is not None
    assert one.seen is None
    assert not any("u1" in case.raw["history"].decode() for case in one.cases)
    both = check_bundle(ratings.export(tmp_path / "ratings.bundle"), flips=60)
    assert both.recommender is not None
    assert both.recommender.task == "recommendation"


@pytest.mark.slow
def test_the_command_line_from_ratings_to_recommendations(file: Path, tmp_path: Path) -> None:
    done = drivetrain(
        "train", file, "--task", "recommendation", "--user", "user", "--item", "film", "--rating", "stars",
        "--timestamp", "when", "--test", "0.2", "--epochs", "3", "--out", tmp_path / "run", "--export", tmp_path / "a.bundle",
        "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert {"root_mean_squared_error", "ndcg_at_10"} <= done.json["metrics"]["valid"].keys()
    assert drivetrain("verify", tmp_path / "a.bundle", "--json").code == 0
    told = drivetrain("recommend", tmp_path / "a.bundle", "u3", "--seen", file, "--n", "4", "--json").json
    assert [*told] == ["user", "items", "notes"]
    assert len(told["items"]) == 4
    assert all(1 <= each["rating"] <= 5 for each in told["items"])
    shown = drivetrain("recommend", tmp_path / "a.bundle", "nobody", "--n", "2")
    assert "has no history here" in shown.out
    alike = drivetrain("similar", tmp_path / "a.bundle", "Western 1", "--n", "3", "--json").json
    assert len(alike["similar"]) == 3
    missing = drivetrain("similar", tmp_path / "a.bundle", "Wesern 1", "--json")
    assert missing.code == 2
    assert "Western" in missing.json["fix"]
    measured = drivetrain("evaluate", tmp_path / "a.bundle", file, "--json").json
    assert measured["part"] == "test"
    assert {"root_mean_squared_error", "ndcg_at_10"} <= measured["metrics"].keys()
    again = drivetrain("export", tmp_path / "run", tmp_path / "b.bundle", "--json")
    assert again.code == 0, again.out


def test_the_command_line_says_what_is_missing_or_foreign(file: Path, tmp_path: Path) -> None:
    start = ("train", file, "--task", "recommendation", "--json")
    assert drivetrain(*start, "--item", "film").json["where"] == "--user"
    foreign = drivetrain(*start, "--user", "user", "--item", "film", "--target", "stars")
    assert (foreign.code, foreign.json["where"]) == (2, "--target")
    epochs = drivetrain(
        *start, "--user", "user", "--item", "film", "--epochs", "3", "--out", tmp_path / "run"
    )
    assert (epochs.code, epochs.json["where"]) == (2, "--epochs")
    wrong = drivetrain(*start, "--user", "user", "--item", "flim")
    assert "film" in wrong.json["fix"]
