"""Recommendations from a bundle: scores, reasons, wishes, strangers, what a bundle may hold, and no torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tables import films

import drivetrain as dt
from drivetrain.bundle import Bundle, bundle_bytes, open_bundle, open_bundle_bytes
from drivetrain.bundle.npy import to_npy
from drivetrain.data.interactions.known import read_seen
from drivetrain.errors import BundleError, DataError, UsageError
from drivetrain.files import to_json
from drivetrain.metrics.ranking import diversity, novelty
from drivetrain.runtime import OnnxSession, Recommender, verify_bundle

pytestmark = pytest.mark.slow

HISTORY = ["Western 1", "Western 2", "Musical 1"]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return films(tmp_path_factory.mktemp("films") / "films.csv")


def made(file: Path, name: str, **options: Any) -> Path:
    data = dt.recommendation.from_csv(file, "user", "film", timestamp="when", **options)
    learner = data.learner(
        out=file.parent / name, quiet=True, **({} if options.get("rating") else {"ridge": 30.0})
    )
    learner.fit()
    return learner.export(file.parent / f"{name}.bundle")


@pytest.fixture(scope="module")
def picks(file: Path) -> Path:
    return made(file, "picks")


@pytest.fixture(scope="module")
def ratings(file: Path) -> Path:
    return made(file, "ratings", rating="stars")


@pytest.fixture(scope="module")
def recommender(picks: Path) -> Recommender:
    return dt.Recommender(picks)


def vector(recommender: Recommender, items: list[str]) -> np.ndarray:
    return np.array([[item in items for item in recommender.items]], np.uint8)


def test_scores_are_shares_of_the_graph_s_and_the_sum_of_their_reasons(
    picks: Path, recommender: Recommender
) -> None:
    graph = OnnxSession(open_bundle(picks).graph, open_bundle(picks).tensors)
    (scores,) = graph.run({"history": vector(recommender, HISTORY)})["next"]
    allowed = scores > -1
    shares = scores / np.maximum(scores, 0)[allowed].sum()
    everything = recommender.recommend(history=HISTORY, n=57)
    assert len(everything) == allowed.sum() == 57
    for each in everything:
        place = recommender.items.index(each.item)
        assert each.score == pytest.approx(shares[place], abs=1e-6)
        alone = [dict(graph_reasons(graph, recommender, item))[each.item] for item in HISTORY]
        assert scores[place] == pytest.approx(sum(alone), abs=1e-5)
        assert [reason.adds for reason in each.reasons] == sorted(
            (reason.adds for reason in each.reasons), reverse=True
        )
    assert sum(max(each.score, 0) for each in everything) == pytest.approx(1, abs=1e-6)
    assert sum(each.usual for each in everything) == pytest.approx(1, abs=1e-6)
    assert "times the usual" in everything[0].why


def graph_reasons(graph: OnnxSession, recommender: Recommender, item: str) -> list[tuple[str, float]]:
    (scores,) = graph.run({"history": vector(recommender, [item])})["next"]
    return list(zip(recommender.items, scores.tolist()))


def test_what_was_had_comes_again_only_on_request(recommender: Recommender) -> None:
    assert not {each.item for each in recommender.recommend(history=HISTORY, n=60)} & set(HISTORY)
    again = recommender.recommend(history=HISTORY, n=60, exclude_seen=False)
    assert set(HISTORY) <= {each.item for each in again}
    assert recommender.recommend(history=recommender.items).items == ()


def test_a_stranger_gets_what_is_popular_and_it_is_said(recommender: Recommender) -> None:
    found = recommender.recommend("nobody", 5)
    assert found.notes == ("user 'nobody' has no history here: these are what most people have",)
    assert [each.usual for each in found] == sorted((each.usual for each in found), reverse=True)
    assert all(each.score == each.usual and not each.reasons for each in found)
    assert found[0].why.startswith("popular: ")
    assert "nobody in particular" in recommender.recommend(n=2).notes[0]
    assert recommender.recommend(history=[]).notes
    odd = recommender.recommend(history=["Western 1", "Western 99"])
    assert odd.notes == ("1 of 2 items of the history are not known to the model",)
    lost = recommender.recommend(history=["Western 99"])
    assert not lost[0].reasons


def test_wishes_change_the_list_as_they_say(recommender: Recommender) -> None:
    def figures(**wishes: float) -> tuple[float, float, float]:
        found = recommender.recommend(history=HISTORY, n=8, **wishes)
        chosen = np.array([[recommender.items.index(each.item) for each in found]])
        usual = np.array([each.usual for each in found]).mean()
        shares = np.array(
            [{e.item: e.usual for e in everything}.get(item, 1.0) for item in recommender.items]
        )
        assert recommender._vectors is not None
        return novelty(chosen, shares)[0], diversity(chosen, recommender._vectors)[0], float(usual)

    everything = recommender.recommend(history=HISTORY, n=60)
    plain = figures()
    assert figures(novelty=0.5)[0] > plain[0] + 0.2
    assert figures(diversity=0.7)[1] > plain[1] + 0.01
    assert figures(popularity_correction=1.0)[2] <= plain[2]
    assert figures(novelty=0.0, diversity=0.0) == plain
    corrected = recommender.recommend(history=HISTORY, n=60, popularity_correction=1.0)
    lifts = [each.score - each.usual for each in corrected]
    assert lifts == sorted(lifts, reverse=True)


@pytest.mark.parametrize(
    ("wishes", "error", "words"),
    [
        ({"novelty": 1.5}, UsageError, "novelty is a number from 0 to 1"),
        ({"diversity": -0.1}, UsageError, "diversity"),
        ({"popularity_correction": float("nan")}, UsageError, "popularity_correction"),
        ({"n": 0}, UsageError, "n is a whole number from 1"),
        ({"n": True}, UsageError, "whole number"),
        ({"history": "Western 1"}, UsageError, "a list of items"),
        ({"history": [["Western 1"]]}, DataError, "text"),
    ],
)
def test_wishes_that_can_not_be_are_refused(
    recommender: Recommender, wishes: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        recommender.recommend("u1", **wishes)


def test_similar_items_are_of_the_same_kind(recommender: Recommender) -> None:
    found = recommender.similar("Western 1", 5)
    assert sum(each.item.startswith("Western") for each in found) >= 4
    assert [each.similarity for each in found] == sorted((e.similarity for e in found), reverse=True)
    assert len(recommender.similar("Western 1", 500)) == 59
    with pytest.raises(UsageError, match="knows no item 'Wester 1'") as caught:
        recommender.similar("Wester 1")
    assert "Western 1" in caught.value.fix


def test_ratings_say_what_was_liked_and_what_somebody_would_give(ratings: Path) -> None:
    recommender = dt.Recommender(ratings)
    assert recommender.liked == pytest.approx(3.4, abs=0.4)
    found = recommender.recommend("u1", 6, history={"Western 1": 5, "Western 2": 4, "Musical 1": 1})
    assert "Musical 1" not in {each.item for each in found}
    assert {reason.item for each in found for reason in each.reasons} <= {"Western 1", "Western 2"}
    assert all(each.rating is not None and 1 <= each.rating <= 5 for each in found)
    assert recommender.recommend("stranger", 2, history=["Western 1"])[0].rating is None
    disliked = recommender.recommend(history={"Western 1": 1})
    assert "liked nothing that is known" in disliked.notes[0]
    assert "Western 1" not in {each.item for each in recommender.recommend(history={"Western 1": 1}, n=60)}
    for value in ("five", None, float("nan"), True):
        with pytest.raises(DataError, match="is no rating"):
            recommender.recommend(history={"Western 1": value})


def test_histories_are_in_a_bundle_only_where_that_was_asked_for(file: Path, picks: Path) -> None:
    assert open_bundle(picks).seen is None
    assert b"u17" not in picks.read_bytes()
    keeping = dt.Recommender(made(file, "keeping", keep_seen=True))
    given = dt.Recommender(picks).recommend("u17", 5, history=read_seen(file, keeping.facts, "u17"))
    kept = keeping.recommend("u17", 5)
    assert [each.item for each in kept] == [each.item for each in given]
    assert not kept.notes


def test_who_has_had_what_is_read_from_a_file(file: Path, ratings: Path, tmp_path: Path) -> None:
    facts = dt.Recommender(ratings).facts
    found = read_seen(file, facts, "u17")
    assert isinstance(found, dict)
    assert len(found) >= 8
    assert read_seen(file, facts, "stranger") is None
    seen = {"u17": found}
    by_file = dt.Recommender(ratings, seen=seen).recommend("u17", 4)
    assert [each.item for each in by_file] == [
        each.item for each in dt.Recommender(ratings).recommend("u17", 4, history=found)
    ]
    (tmp_path / "bad.csv").write_text("user,film,stars\nu17,Western 1,many\n")
    with pytest.raises(DataError, match="'many' is not a number"):
        read_seen(tmp_path / "bad.csv", facts, "u17")
    (tmp_path / "other.csv").write_text("who,film,stars\nu17,Western 1,3\n")
    with pytest.raises(DataError, match="no column 'user'"):
        read_seen(tmp_path / "other.csv", facts, "u17")
    (tmp_path / "bare.csv").write_text("u17,Western 1,3\nu18,Western 2,5\n")
    assert read_seen(tmp_path / "bare.csv", {**facts, "header": ["user", "film", "stars"]}, "u18") == {
        "Western 2": 5
    }


def test_ratings_are_read_from_a_file_as_they_were_in_training(tmp_path: Path) -> None:
    rows = [
        "user;film;stars", "a;x;3,5", "a;y;1.000,5", "b;x;4", "b;z;2,5", "c;y;1", "a;z;", "a;x;-", "?;x;5", "a;NA;5",
    ]  # fmt: skip
    (tmp_path / "ratings.csv").write_text("\n".join(rows) + "\n")
    data = dt.recommendation.from_csv(tmp_path / "ratings.csv", "user", "film", "stars")
    assert data.table["stars"].tolist() == [3.5, 1000.5, 4, 2.5, 1]
    facts = data.task.ranking.task.known
    assert read_seen(tmp_path / "ratings.csv", facts, "a") == {"x": 3.5, "y": 1000.5}
    assert data.signature.targets["stars"].read("2,5") == 2.5


def test_a_learner_recommends_like_its_bundle(file: Path) -> None:
    data = dt.recommendation.from_csv(file, "user", "film", timestamp="when")
    learner = data.learner(out=file.parent / "learner", quiet=True, ridge=30.0)
    learner.fit()
    from_learner = dt.recommendation.recommend(learner, "u17", 5)
    history = read_seen(file, {"user": "user", "item": "film"}, "u17")
    from_bundle = dt.recommendation.recommend(file.parent / "picks.bundle", "u17", 5, history=history)
    assert [each.item for each in from_learner] == [each.item for each in from_bundle]
    alike = dt.recommendation.similar(learner, "Western 1", 3)
    assert alike[0].item == dt.recommendation.similar(file.parent / "picks.bundle", "Western 1", 3)[0].item


def test_a_bundle_of_another_task_does_not_recommend(tmp_path: Path) -> None:
    from bundle_examples import house_bundle

    path = tmp_path / "houses.bundle"
    path.write_bytes(house_bundle())
    with pytest.raises(UsageError, match="does not recommend"):
        dt.Recommender(path)


# --- optional members ----------------------------------------------------------------------------------------


def rewritten(bundle: Bundle, members: dict[str, bytes], graph: bytes | None = None) -> bytes:
    return bundle_bytes(
        name=bundle.name, task=bundle.task, signature=bundle.signature, graph=graph or bundle.graph, cases=bundle.cases,
        profile=bundle.profile, card=bundle.card, facts=bundle.facts, members=members,
    )  # fmt: skip


def lopsided(bundle: Bundle) -> dict[str, Callable[[], dict[str, bytes]]]:
    vectors = bundle.vectors
    assert vectors is not None
    return {
        "a vector for each of": lambda: {"item_vectors.npy": to_npy(vectors[1:])},
        "not a vector": lambda: {"item_vectors.npy": to_npy(vectors.astype(np.float64))},
        "doesn't hold a vector": lambda: {"item_vectors.npy": to_npy(np.full_like(vectors, np.nan))},
        "two lists": lambda: {"seen.json": to_json({"u1": [["Western 1"]]}).encode()},
        "has not two lists": lambda: {"seen.json": to_json({"u1": [["Western 1"], [3]]}).encode()},
        "users of a ranking": lambda: {"seen.json": b"[]"},
        "not what recommends": lambda: {"recommender.bundle": rewritten(bundle, {})},
        "this is not a bundle": lambda: {"recommender.bundle": b"PK"},
        "not a member": lambda: {"seen.csv": b""},
    }


LOPSIDED = [
    "a vector for each of", "not a vector", "doesn't hold a vector", "two lists", "has not two lists", "users of a ranking",
    "not what recommends", "this is not a bundle", "not a member",
]  # fmt: skip


@pytest.mark.parametrize("words", LOPSIDED)
def test_optional_members_that_do_not_fit_are_refused(picks: Path, words: str) -> None:
    bundle = open_bundle(picks)
    with pytest.raises(BundleError, match=words):
        open_bundle_bytes(rewritten(bundle, lopsided(bundle)[words]()))


def test_a_bundle_within_a_bundle_within_a_bundle_is_refused(ratings: Path, picks: Path) -> None:
    bundle = open_bundle(ratings)
    inner = rewritten(bundle, {"recommender.bundle": picks.read_bytes()})
    with pytest.raises(BundleError, match="holds none"):
        open_bundle_bytes(rewritten(bundle, {"recommender.bundle": inner}))
    with pytest.raises(BundleError, match="not what recommends"):
        open_bundle_bytes(rewritten(bundle, {"recommender.bundle": rewritten(bundle, {})}))


def test_a_recommender_that_was_swapped_does_not_answer(ratings: Path, tmp_path: Path) -> None:
    from drivetrain.learn.recommend.ease_graph import export_ease

    bundle = open_bundle(ratings)
    inner = bundle.recommender
    assert inner is not None
    (n,) = inner.signature.inputs["history"].shape
    weights = np.random.default_rng(0).normal(0, 0.1, (n, n)).astype(np.float32)
    swapped = rewritten(inner, {}, export_ease(weights, np.full(n, 0.1, np.float32), inner.signature))
    path = tmp_path / "swapped.bundle"
    path.write_bytes(rewritten(bundle, {"recommender.bundle": swapped}))
    report = verify_bundle(path)
    assert not report.ok
    assert report.failed is not None
    assert report.failed["message"].startswith("recommender: ")
    with pytest.raises(dt.DrivetrainError, match="golden cases don't hold"):
        dt.Recommender(path)
    assert verify_bundle(ratings).ok


def test_without_vectors_there_are_no_similar_items(picks: Path) -> None:
    bare = dt.Recommender(open_bundle_bytes(rewritten(open_bundle(picks), {})))
    assert len(bare.recommend(history=HISTORY)) == 10
    with pytest.raises(UsageError, match="no vectors"):
        bare.similar("Western 1")
    with pytest.raises(UsageError, match="no vectors"):
        bare.recommend(history=HISTORY, diversity=0.5)


@pytest.mark.slow
def test_no_torch_and_no_polars_is_imported(picks: Path, file: Path) -> None:
    code = (
        "import sys; from drivetrain.cli.main import main\n"
        f"code = main(['recommend', {str(picks)!r}, 'u3', '--seen', {str(file)!r}, '--diversity', '0.3', '--json'])\n"
        f"code += main(['similar', {str(picks)!r}, 'Western 1', '--json'])\n"
        "assert code == 0; print({'torch', 'polars', 'sklearn', 'onnx'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "set()"
