"""A shadow is asked, compared and counted, and its caller never knows."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import serving

from drivetrain.records import open_store
from drivetrain.serve.path import answer_items, answer_tensors
from drivetrain.serve.repository import Repository
from drivetrain.serve.router import Router
from drivetrain.serve.server import Server
from drivetrain.serve.settings import ModelSettings, Settings
from drivetrain.serve.shadow import alike
from drivetrain.serve.types import Asked, Request

METRIC = "drivetrain_shadow_answers_total"


def shadowed(root: Path, champion: str, challenger: str, **more: Any) -> Server:
    for version, name in ((1, champion), (2, challenger)):
        (root / "a").mkdir(parents=True, exist_ok=True)
        shutil.copy(serving.BUNDLES / f"{serving.MODELS[name]}.bundle", root / "a" / f"{version}.bundle")
    model = ModelSettings(labels={"champion": 1, "challenger": 2}, shadow=("challenger",))
    settings = Settings(str(root), threads=1, reload_seconds=0, models={"a": model}, **more)
    there = Repository(settings)
    there.scan()
    return Server(settings, repository=there, router=Router(there))


def outcomes(server: Server) -> dict[str, float]:
    words = ("same", "different", "failed", "left_out")
    found = {
        word: server.counters.total(METRIC, model="a", version="1", shadow="2", outcome=word)
        for word in words
    }
    return {word: count for word, count in found.items() if count}


def asked(server: Server, items: list[Any]) -> Any:
    async def main() -> Any:
        found = await answer_items(server, Asked("a", label="champion"), items, Request("POST", "/"))
        await server.shadows.close()
        return found

    return asyncio.run(main())


def test_the_same_model_says_the_same(tmp_path: Path) -> None:
    server = shadowed(tmp_path, "houses", "houses")
    items = serving.golden_items(serving.servable("houses"))
    found = asked(server, [*items, {"nothing": 1}])
    assert found.version == 1
    assert outcomes(server) == {"same": len(items) + 1}
    held = server.repository.models["a"].held
    assert [one.leases for one in held.values()] == [0, 0]


def test_another_model_fails_or_differs_and_nobody_hears_of_it(tmp_path: Path) -> None:
    server = shadowed(tmp_path, "houses", "pictures")
    items = serving.golden_items(serving.servable("houses"))
    found = asked(server, items)
    assert all("error" not in answer.to_json() for answer in found.answers)
    assert outcomes(server) == {"failed": len(items)}


def test_arrays_are_compared_too(tmp_path: Path) -> None:
    server = shadowed(tmp_path, "houses", "houses")
    servable = server.repository.models["a"].versions[1]

    async def main() -> None:
        case = servable.bundle.cases[0]
        feeds = {name: np.asarray(value)[None] for name, value in case.encoded.items()}
        await answer_tensors(server, Asked("a", version=1), feeds, Request("POST", "/"))
        await server.shadows.close()

    asyncio.run(main())
    assert outcomes(server) == {"same": 1}


def test_what_a_shadow_says_is_recorded_of_items_and_of_arrays(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'records.sqlite'}"
    server = shadowed(tmp_path / "models", "houses", "houses", records=url)
    servable = server.repository.models["a"].versions[1]
    feeds = {name: np.asarray(value)[None] for name, value in servable.bundle.cases[0].encoded.items()}

    async def main() -> None:
        await server.start()
        request = Request("POST", "/", id="r-1")
        await answer_items(server, Asked("a", version=1), serving.golden_items(servable)[:1], request)
        await answer_tensors(server, Asked("a", version=1), feeds, request)
        await server.stop()

    asyncio.run(main())
    with open_store(url) as store:
        found = sorted((each.version, each.source) for each in store.find())
    assert found == [(1, "http"), (1, "http"), (2, "shadow"), (2, "shadow")]


def test_too_many_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivetrain.serve.shadow.MOST", 0)
    server = shadowed(tmp_path, "houses", "houses")
    asked(server, serving.golden_items(serving.servable("houses"))[:1])
    assert outcomes(server) == {"left_out": 1}


def test_alike() -> None:
    one = np.float32([1, 1000, np.nan, np.inf])
    assert alike(one, one)
    assert alike(np.float32([1, 1000]), np.float32([1.009, 1009]))
    assert not alike(np.float32([1, 1000]), np.float32([1.03, 1000]))
    assert not alike(np.float32([1]), np.float32([np.nan]))
    assert not alike(np.float32([1]), np.float64([1]))
    assert alike(np.array(["a"], object), np.array(["a"], object))
