"""What items are called: read from a file as people have it, kept in the bundle, printed and understood."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import drivetrain
from tables import films

import drivetrain as dt
from drivetrain.bundle import open_bundle
from drivetrain.bundle.optional import titles_in
from drivetrain.codecs.base import from_spec
from drivetrain.codecs.number import Number
from drivetrain.data.interactions.titles import read_titles
from drivetrain.errors import BundleError, DataError, UsageError
from drivetrain.files import to_json
from drivetrain.metrics import measure

ITEMS = {"1", "2", "3"}


@pytest.mark.parametrize(
    "text",
    [
        "film,title\n1,Ä Film\n2,The End\n3,Up\n9,Unknown\n",
        "movieId,title,genres\n1,Ä Film,Drama\n2,The End,Drama\n3,Up,Comedy\n",
        "film;year;called\n1;1999;Ä Film\n2;1998;The End\n3;1999;Up\n",
        "1|Ä Film|1|0|http://a/1\n2|The End|1|0|http://a/2\n3|Up|1|0|http://a/3\n",
    ],
    ids=["by name", "another name for items", "by what is in it", "without a header"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_columns_of_items_and_titles_are_found(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "films.csv"
    path.write_bytes(text.encode(encoding))
    assert read_titles(path, "film", ITEMS) == {"1": "Ä Film", "2": "The End", "3": "Up"}


@pytest.mark.parametrize(
    ("text", "told"), [("a,b\nx,y\nz,w\n", "no column holds the items"), ("a\n1\n2\n3\n", "no column beside")]
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "films.csv").write_text(text)
    with pytest.raises(DataError, match=told):
        read_titles(tmp_path / "films.csv", "film", ITEMS)


def test_an_answer_and_its_range_stay_on_the_scale_and_are_measured_so() -> None:
    codec = Number(center=3.0, spread=1.0, interval=1.0, scale=(1.0, 5.0))
    assert codec.decode(np.float32(5.7)) == {"value": 5.0, "low": 4.0, "high": 5.0}
    assert codec.decode(np.float32(0.2)) == {"value": 1.0, "low": 1.0, "high": 2.0}
    found = measure(codec, np.array([5.7, 0.2], np.float32), np.array([5.0, 1.0], np.float32))
    assert found["mean_absolute_error"].value == 0
    assert from_spec(codec.spec()) == codec
    with pytest.raises(ValueError, match="scale"):
        Number(scale=(5.0, 1.0))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("titles")
    path = films(folder / "ratings.csv", users=80, items=24)
    names = sorted({line.split(",")[1] for line in path.read_text().splitlines()[1:]})
    rows = [f"{name},{name.upper()}: the film" for name in names]
    (folder / "films.csv").write_text("\n".join(["film,title", *rows]) + "\n")
    done = drivetrain(
        "train", path, "--task", "recommendation", "--user", "user", "--item", "film", "--rating", "stars",
        "--titles", folder / "films.csv", "--epochs", 1, "--no-check", "--out", folder / "run",
        "--export", folder / "a.bundle", "--json",
    )  # fmt: skip
    assert done.code == 0, done.out
    return folder


@pytest.mark.slow
class TestBundle:
    def test_recommendations_are_told_and_asked_for_by_title(self, home: Path) -> None:
        bundle = home / "a.bundle"
        done = drivetrain("recommend", bundle, "anybody", "--liked", "western 1: THE film", "--json")
        assert done.code == 0
        first = done.json["items"][0]
        assert first["title"] == f"{first['item'].upper()}: the film"
        assert first["reasons"][0] == {
            **first["reasons"][0],
            "item": "Western 1",
            "title": "WESTERN 1: the film",
        }
        assert "WESTERN 1: the film" in first["why"]
        assert first["title"] in drivetrain("recommend", bundle, "anybody", "--liked", "Western 1").out

    def test_similar_takes_a_title_and_offers_the_nearest(self, home: Path) -> None:
        by_title = drivetrain("similar", home / "a.bundle", "WESTERN 1: the film", "--json").json
        assert (
            by_title["similar"]
            == drivetrain("similar", home / "a.bundle", "Western 1", "--json").json["similar"]
        )
        assert by_title["similar"][0]["title"].endswith(": the film")
        with pytest.raises(UsageError, match="Did you mean WESTERN 1: the film"):
            dt.Recommender(home / "a.bundle").similar("WESTERN 1: te film")

    def test_the_report_shows_an_example_and_both_measures(self, home: Path) -> None:
        page = (home / "run" / "report.html").read_text()
        assert "An example" in page
        assert ": the film" in page
        assert "liked later" in page
        assert ">mean absolute error</th>" in page
        assert ">NDCG@10</th>" in page

    def test_ratings_stay_within_those_of_training(self, home: Path) -> None:
        (target,) = open_bundle(home / "a.bundle").signature.targets.values()
        assert isinstance(target, Number)
        assert target.scale == (1.0, 5.0)

    @pytest.mark.parametrize("titles", [["a"], {"Western 1": 3}, {"no item": "a"}])
    def test_titles_of_something_else_are_refused(self, home: Path, titles: object) -> None:
        inner = open_bundle(home / "a.bundle").recommender
        assert inner is not None
        with pytest.raises(BundleError, match=r"titles\.json"):
            titles_in({"titles.json": memoryview(to_json(titles).encode())}, inner.signature)

    def test_liked_and_seen_are_not_both_taken(self, home: Path) -> None:
        done = drivetrain(
            "recommend",
            home / "a.bundle",
            "u1",
            "--liked",
            "Western 1",
            "--seen",
            home / "ratings.csv",
            "--json",
        )
        assert (done.code, done.json["where"]) == (2, "--seen")
