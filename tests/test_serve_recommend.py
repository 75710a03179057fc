"""Recommendations over HTTP: asked for by who and by what they had, told as the runtime tells them; a rating by its own inputs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tables import films
from wired import Told, look, over, tell

import drivetrain as dt
from drivetrain.serve.server import Server

pytestmark = pytest.mark.slow

HISTORY = ["Western 1", "Western 2", "Musical 1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of a model of picks and one of ratings."""
    made = tmp_path_factory.mktemp("films")
    file = films(made / "films.csv")
    for name, options in (("picks", {}), ("ratings", {"rating": "stars"})):
        data = dt.recommendation.from_csv(file, "user", "film", timestamp="when", **options)
        learner = data.learner(out=made / name, quiet=True, **({} if options else {"ridge": 30.0}))
        learner.fit()
        learner.export(made / f"{name}.bundle")
        (made / "models" / name / "1").mkdir(parents=True)
        shutil.copy(made / f"{name}.bundle", made / "models" / name / "1" / "model.bundle")
    return made


@pytest.fixture(scope="module")
def server(folder: Path) -> Server:
    return over(folder / "models")


def ask(server: Server, model: str, body: Any, **more: Any) -> Told:
    return tell(f"/models/{model}/predict", body, server=server, **more)


def test_what_is_recommended_is_what_the_runtime_recommends(folder: Path, server: Server) -> None:
    want = json.loads(
        json.dumps(dt.Recommender(folder / "picks.bundle").recommend(history=HISTORY, n=5).to_json())
    )
    told = ask(server, "picks", {"history": HISTORY, "n": 5})
    assert told.status == 200
    found = told.json()["recommendations"]
    assert [each["item"] for each in found["items"]] == [each["item"] for each in want["items"]]
    assert found["items"][0]["reasons"] == want["items"][0]["reasons"]
    by_query = ask(server, "picks", {"history": HISTORY}, query={"n": "5"}).json()["recommendations"]
    assert [each["item"] for each in by_query["items"]] == [each["item"] for each in want["items"]]
    several = ask(
        server, "picks", [{"history": HISTORY}, {"histroy": 1}, {"history": 1}, {"n": "x"}, {"n": -1}, 1]
    ).json()["answers"]
    assert ["error" in each for each in several] == [False, True, True, True, True, True]
    assert ask(server, "picks", {"n": 10**6}).status == 400
    assert ask(server, "picks", {"history": HISTORY}, headers={"accept": "text/csv"}).status == 406


def test_a_user_and_an_item_get_a_rating(server: Server) -> None:
    inputs = [each["name"] for each in look("/models/ratings", server).json()["inputs"]]
    told = ask(server, "ratings", dict(zip(inputs, ("user 1", "Western 1"))))
    assert told.status in (200, 400)
    assert ask(server, "ratings", {"history": HISTORY, "n": 3}).json()["recommendations"]["items"]


def test_it_is_described(server: Server) -> None:
    about = look("/models/picks", server).json()
    assert about["program"] == "recommend"
    assert about["recommend"]["count"] == len(about["recommend"]["items"])
    told = look("/openapi.json", server).json()["paths"]["/models/picks/predict"]["post"]
    answered = Draft202012Validator(told["responses"]["200"]["content"]["application/json"]["schema"])
    answered.validate(ask(server, "picks", {"history": HISTORY}).json())
    answered.validate(ask(server, "picks", [{"history": HISTORY}]).json())
