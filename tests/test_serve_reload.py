"""Real bundles come and go under callers: the bench of reloads in small, and what it costs the event loop and the memory."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
import weakref
from pathlib import Path

import pytest
import serving

from drivetrain.serve.path import answer_items
from drivetrain.serve.repository import Repository
from drivetrain.serve.router import Router
from drivetrain.serve.server import Server
from drivetrain.serve.settings import Access, Kept, Key, ModelSettings, Settings
from drivetrain.serve.types import Asked, Request

BENCH = Path(__file__).parent.parent / "bench" / "serve_reload.py"
HOUSES = serving.BUNDLES / "format-2-houses.bundle"


def put(root: Path, version: int, data: bytes) -> None:
    folder = root / "houses"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f".{version}").write_bytes(data)
    os.replace(folder / f".{version}", folder / f"{version}.bundle")


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_nobody_notices_reloads(workers: int) -> None:
    pytest.importorskip("httptools")
    command = [
        sys.executable,
        str(BENCH),
        "--print",
        "--reloads",
        "8",
        "--corrupt",
        "4",
        "--workers",
        str(workers),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    figures = json.loads(done.stdout)
    assert figures["failures"] == {}
    assert figures["mixed_version_answers"] == figures["answers_of_corrupt_versions"] == 0
    assert figures["corrupt_unreported"] == []
    assert figures["versions_seen"] == 5
    assert figures["back_to_an_older_version"]["longest_ms"] < (100 if workers > 1 else 1)


def test_callers_are_answered_while_versions_come_and_go_and_what_went_is_freed(tmp_path: Path) -> None:
    data = HOUSES.read_bytes()
    put(tmp_path, 1, data)
    settings = Settings(str(tmp_path), threads=1, reload_seconds=0.02)
    there = Repository(settings)
    there.scan()
    gone = weakref.ref(there.models["houses"].versions[1])
    item = serving.golden_items(there.models["houses"].versions[1])[0]
    told: list[tuple[str, int | None]] = []
    there.observers.append(lambda event: told.append((event.kind, event.version)))

    async def main() -> None:
        server = Server(settings, repository=there, router=Router(there))
        await server.start()
        seen, longest, since = set[int](), 0.0, time.perf_counter()

        async def ask() -> None:
            nonlocal since, longest
            answered = await answer_items(server, Asked("houses"), [item], Request("POST", "/"))
            assert not hasattr(answered.answers[0], "error")
            seen.add(answered.servable.version)
            await asyncio.sleep(0.001)
            longest, since = max(longest, time.perf_counter() - since), time.perf_counter()

        put(tmp_path, 3, data[: len(data) // 2])
        put(tmp_path, 2, data)
        async with asyncio.timeout(20):
            while ("retired", 1) not in told or ("failed", 3) not in told:
                await ask()
        await ask()
        assert seen == {1, 2}
        assert longest < 0.5, "the event loop went on"
        # Its bytes are in memory: what becomes of its file is seen, and changes nothing.
        (tmp_path / "houses" / "2.bundle").write_bytes(b"")
        async with asyncio.timeout(20):
            while not there.models["houses"].states[2].reason:
                await ask()
        shutil.rmtree(tmp_path / "houses" / "2.bundle", ignore_errors=True)
        await ask()
        await server.stop()

    asyncio.run(main())
    assert gone() is None, "no circle keeps what was let go of"


def test_a_redacted_name_that_the_model_does_not_have_is_no_setting(tmp_path: Path) -> None:
    put(tmp_path, 1, HOUSES.read_bytes())
    kept = {"redact": ("area",)}
    read = lambda: Settings(str(tmp_path), threads=1, models={"houses": ModelSettings(records=Kept(**kept))})  # noqa: E731
    there = Repository(read(), reread=read)
    there.scan()
    there.observers.append(lambda event: told.append(event.reason))
    told: list[str] = []
    kept["redact"] = ("aera",)
    there.scan()
    there.scan()
    records = there.models["houses"].settings.records
    assert records is not None
    assert records.redact == ("area",), "what was to be kept out stays out"
    assert len([reason for reason in told if "aera" in reason]) == 1
    fresh = Repository(read(), reread=read)
    fresh.scan()
    assert fresh.models["houses"].states[1].state == "failed"


def test_what_the_settings_name_and_is_not_there_is_told_once(tmp_path: Path) -> None:
    put(tmp_path, 1, HOUSES.read_bytes())
    labels, shares = {"champion": 9, "stable": 1}, {"stable": 0.5, "8": 0.5}
    models = {
        "houses": ModelSettings(labels=labels, traffic=shares, versions=(1, 7)),
        "hosues": ModelSettings(),
    }
    access = Access(keys=(Key("shop", "0" * 64, models=("house", "houses")),))
    there = Repository(Settings(str(tmp_path), threads=1, models=models, access=access))
    told: list[str] = []
    there.observers.append(lambda event: told.append(event.reason) if event.kind == "refused" else None)
    there.scan()
    there.scan()
    assert told == [
        "house: the key 'shop' is for it, and there is no such model. Did you mean houses?",
        "houses: the label 'champion' names version 9, which isn't there",
        "houses: the traffic '8' names version 8, which isn't there",
        "houses: the list of versions names version 7, which isn't there",
        "hosues: the settings name it, and there is no such model. Did you mean houses?",
    ]
    put(tmp_path, 9, HOUSES.read_bytes())
    there.scan()
    assert len(told) == 5


def test_a_name_that_is_redacted_of_all_models_need_not_be_each_ones(tmp_path: Path) -> None:
    put(tmp_path, 1, HOUSES.read_bytes())
    kept = Kept(redact=("area", "nothing"))
    settings = Settings(
        str(tmp_path),
        threads=1,
        models={"houses": ModelSettings(records=kept)},
        defaults=ModelSettings(records=kept),
    )
    there = Repository(settings)
    told: list[str] = []
    there.observers.append(lambda event: told.append(event.reason))
    there.scan()
    there.scan()
    assert there.models["houses"].newest == 1
    assert [reason for reason in told if reason] == [
        "defaults, records: 'nothing' is to be redacted, and no model has it"
    ]


def test_settings_that_hold_are_those_that_were_read_last(tmp_path: Path) -> None:
    put(tmp_path, 1, HOUSES.read_bytes())
    keep = {"keep": 1}
    read = lambda: Settings(str(tmp_path), threads=1, models={"houses": ModelSettings(**keep)})  # noqa: E731
    there = Repository(read(), reread=read)
    there.scan()
    server = Server(read(), repository=there, router=Router(there))
    keep["keep"] = 2
    there.scan()
    assert server.model_settings("houses").keep == 2
