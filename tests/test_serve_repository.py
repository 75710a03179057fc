"""Models come and go while they are asked: what is whole is served, what is not never is, and who has begun finishes."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from drivetrain.errors import BundleError, CheckFailed, DrivetrainError, FileError
from drivetrain.serve.repository import Event, Repository
from drivetrain.serve.router import NotServed, Router
from drivetrain.serve.settings import ModelSettings, Settings
from drivetrain.serve.source import Local
from drivetrain.serve.types import Asked, Refusal


class Opened:
    """What a text file is as a model: it answers with its text."""

    batcher = None

    def __init__(self, path: Path, name: str, version: int) -> None:
        self.text = (path / "manifest.json" if path.is_dir() else path).read_text()
        if self.text.startswith("bad"):
            raise CheckFailed("the golden cases don't hold", where=path)
        if self.text.startswith("half"):
            raise BundleError("the file is cut off.", where=path)
        if self.text.startswith("crash"):
            raise RuntimeError("a runtime's own error")
        self.name, self.version, self.hash, self.batcher = name, version, self.text, None


def opening(log: list[str] | None = None) -> Any:
    def opened(path: Path, name: str, version: int, *, threads: int | None = None) -> Any:
        if log is not None:
            log.append(f"{name} {version}")
        return Opened(Path(path), name, version)

    return opened


def put(root: Path, name: str, version: int, text: str) -> Path:
    """A version, as a careful writer puts it there: under another name, then renamed."""
    path = root / name / f"{version}.bundle"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(f".{version}.tmp").write_text(text)
    os.replace(path.with_name(f".{version}.tmp"), path)
    return path


def repository(root: Path, log: list[str] | None = None, **models: ModelSettings) -> Repository:
    return Repository(Settings(str(root), models=models), open=opening(log))


def says(
    repository: Repository, model: str = "a", version: int | None = None, label: str | None = None
) -> str:
    with Router(repository, 0).lease(Asked(model, version, label)) as lease:
        return lease.servable.text


def events(repository: Repository) -> list[Event]:
    found: list[Event] = []
    repository.observers.append(found.append)
    return found


def test_newest_version_answers_and_a_new_one_takes_over(tmp_path: Path) -> None:
    put(tmp_path, "a", 1, "one")
    put(tmp_path, "b", 1, "other")
    there = repository(tmp_path)
    there.scan()
    assert says(there) == "one"
    assert says(there, "b") == "other"
    put(tmp_path, "a", 2, "two")
    put(tmp_path, "a", 10, "ten")
    there.scan()
    assert says(there) == "ten"
    assert [*there.models["a"].versions] == [10]
    assert {version: state.state for version, state in there.models["a"].states.items()} == {
        1: "unloaded", 2: "unloaded", 10: "ready",
    }  # fmt: skip


@pytest.mark.parametrize("text", ["bad golden case", "half of it", "crash"])
def test_what_fails_is_never_served_and_the_old_one_answers_on(tmp_path: Path, text: str) -> None:
    log: list[str] = []
    put(tmp_path, "a", 1, "one")
    there = repository(tmp_path, log)
    told = events(there)
    there.scan()
    put(tmp_path, "a", 2, text)
    for _ in range(4):
        there.scan()
    assert says(there) == "one"
    assert there.models["a"].states[2].state == "failed"
    assert there.models["a"].states[2].reason
    assert str(tmp_path) not in there.models["a"].states[2].reason
    assert log == ["a 1", "a 2"], "it is tried once"
    assert [(event.kind, event.version) for event in told] == [("ready", 1), ("failed", 2)]
    with pytest.raises(NotServed):
        says(there, version=2)
    put(tmp_path, "a", 2, "two")
    there.scan(), there.scan()
    assert says(there) == "two"


def test_what_failed_is_not_tried_again_before_its_bytes_change(tmp_path: Path) -> None:
    log: list[str] = []
    put(tmp_path, "a", 1, "one")
    path = put(tmp_path, "a", 2, "bad")
    there = repository(tmp_path, log)
    there.scan()
    os.utime(path, (1, 1))
    there.scan(), there.scan(), there.scan()
    assert log == ["a 2", "a 1"]


def test_what_is_being_written_is_tried_when_it_has_come_to_rest(tmp_path: Path) -> None:
    log: list[str] = []
    put(tmp_path, "a", 1, "one")
    there = repository(tmp_path, log)
    there.scan()
    slow = tmp_path / "a" / "2.bundle"
    for text in ("half", "half of", "half of i", "half of it"):
        slow.write_text(text)
        there.scan()
    assert log == ["a 1", "a 2"]
    slow.write_text("whole")
    there.scan()
    assert says(there) == "one"
    there.scan()
    assert says(there) == "whole"


def test_replaced_or_cut_off_files_of_a_loaded_version_change_nothing_before_they_hold(
    tmp_path: Path,
) -> None:
    path = put(tmp_path, "a", 1, "one")
    there = repository(tmp_path)
    there.scan()
    path.write_text("half")
    there.scan()
    assert says(there) == "one"
    assert there.models["a"].states[1].state == "ready"
    assert "cut off" in there.models["a"].states[1].reason
    put(tmp_path, "a", 1, "new one")
    there.scan(), there.scan()
    assert says(there) == "new one"
    assert not there.models["a"].states[1].reason
    path.unlink()
    put(tmp_path, "a", 3, "bad")
    there.scan(), there.scan()
    assert says(there) == "new one", "its files are gone, and nothing better is there"


def test_the_same_bytes_copied_again_are_not_flipped(tmp_path: Path) -> None:
    put(tmp_path, "a", 1, "one")
    there = repository(tmp_path)
    there.scan()
    before = there.models["a"].versions[1]
    put(tmp_path, "a", 1, "one")
    told = events(there)
    there.scan()
    assert there.models["a"].versions[1] is before
    assert not told


def test_a_folder_that_is_gone_takes_its_model_with_it(tmp_path: Path) -> None:
    put(tmp_path, "a", 1, "one")
    put(tmp_path, "b", 1, "other")
    there = repository(tmp_path)
    there.scan()
    shutil.rmtree(tmp_path / "a")
    there.scan()
    assert says(there) == "one", "it may be replaced just now"
    there.scan()
    assert [*there.models] == ["b"]
    shutil.rmtree(tmp_path)
    there.scan(), there.scan(), there.scan()
    assert says(there, "b") == "other", "a disk that is gone is no wish"
    assert "." in there.faults


def test_requests_under_way_keep_their_version_and_then_it_is_gone(tmp_path: Path) -> None:
    put(tmp_path, "a", 1, "one")
    there = repository(tmp_path)
    there.scan()
    told = events(there)
    lease = Router(there).lease(Asked("a"))
    later = lease.hold()
    lease.close()
    put(tmp_path, "a", 2, "two")
    there.scan()
    gone = weakref.ref(later.servable)
    assert later.servable.text == "one"
    assert says(there) == "two"
    assert [event.kind for event in told] == ["ready"]
    later.close()
    later.close()
    del lease, later
    assert gone() is None
    assert [event.kind for event in told] == ["ready", "retired"]


def test_labels_versions_and_keep_say_what_is_loaded(tmp_path: Path) -> None:
    for version in (1, 2, 3, 4):
        put(tmp_path, "a", version, f"v{version}")
    settings = ModelSettings(labels={"stable": 1, "canary": 4})
    there = repository(tmp_path, a=settings)
    there.scan()
    assert [*there.models["a"].versions] == [1, 4]
    assert says(there, label="stable") == "v1"
    there = repository(tmp_path, a=ModelSettings(keep=3))
    there.scan()
    assert [*there.models["a"].versions] == [2, 3, 4]
    there = repository(tmp_path, a=ModelSettings(versions=(2,)))
    there.scan()
    assert [*there.models["a"].versions] == [2]
    assert says(there) == "v2"
    with pytest.raises(NotServed) as refused:
        says(there, version=9)
    assert refused.value.v1 == "Servable not found for request: Specific(a, 9)"
    assert refused.value.v2 == "Request for unknown model: 'a' version 9 is not found"
    with pytest.raises(NotServed) as refused:
        says(there, label="stabel")
    assert refused.value.v1 == "Unrecognized servable version label: stabel"
    assert refused.value.v1_status == 400


def test_where_the_newest_fails_the_next_is_kept(tmp_path: Path) -> None:
    for version, text in ((1, "one"), (2, "two"), (3, "bad")):
        put(tmp_path, "a", version, text)
    there = repository(tmp_path)
    there.scan()
    assert says(there) == "two"
    assert [*there.models["a"].versions] == [2]


def test_unknown_models_are_refused_in_the_words_of_the_originals(tmp_path: Path) -> None:
    put(tmp_path, "houses", 1, "one")
    put(tmp_path, "broken", 1, "bad")
    there = repository(tmp_path)
    there.scan()
    with pytest.raises(NotServed) as refused:
        says(there, "house")
    fault = refused.value
    assert (fault.status, fault.v1) == (404, "Servable not found for request: Latest(house)")
    assert fault.v2 == "Request for unknown model: 'house' is not found"
    assert "Did you mean houses?" in fault.fix
    with pytest.raises(NotServed) as refused:
        says(there, "broken")
    assert refused.value.v2 == "Request for unknown model: 'broken' has no available versions"
    assert refused.value.status == 404


def test_one_bundle_that_must_not_be_served_is_an_error_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "my model.bundle"
    path.write_text("one")
    there = repository(path)
    there.scan()
    assert [*there.models] == ["my_model"]
    assert says(there, "my_model", 1) == "one"
    path.write_text("bad")
    there.scan()
    assert says(there, "my_model") == "one"
    with pytest.raises(CheckFailed):
        repository(path).scan()
    with pytest.raises(DrivetrainError, match="no such file"):
        repository(tmp_path / "nothing.bundle").scan()


def test_settings_are_read_again_and_faulty_ones_change_nothing(tmp_path: Path) -> None:
    for version in (1, 2):
        put(tmp_path, "a", version, f"v{version}")
    now: dict[str, Any] = {"labels": {"champion": 1}}

    def reread() -> Settings:
        if "fault" in now:
            raise DrivetrainError("there is no 'lables'")
        return Settings(str(tmp_path), models={"a": ModelSettings(**now)})

    there = Repository(reread(), open=opening(), reread=reread)
    there.scan()
    assert says(there, label="champion") == "v1"
    now["labels"] = {"champion": 2}
    there.scan()
    assert says(there, label="champion") == "v2"
    told = events(there)
    now["fault"] = True
    there.scan(), there.scan()
    assert says(there, label="champion") == "v2"
    assert [event.kind for event in told] == ["refused"]


def test_a_load_that_its_caller_gave_up_is_not_lost(tmp_path: Path) -> None:
    put(tmp_path, "a", 1, "one")
    slow = threading.Event()

    def opened(path: Path, name: str, version: int, *, threads: int | None = None) -> Any:
        if version == 2:
            slow.wait(5)
        return Opened(path, name, version)

    there = Repository(Settings(str(tmp_path)), open=opened)
    there.scan()
    put(tmp_path, "a", 2, "two")

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(there.load("a"), 0.05)
        slow.set()
        await there.load("a")
        assert says(there) == "two"
        there.close()

    asyncio.run(main())


def test_what_comes_back_is_told_again(tmp_path: Path) -> None:
    put(tmp_path, "a", 1, "one")
    put(tmp_path, "a", 1, "one").with_name("latest.bundle").write_text("x")
    there = repository(tmp_path)
    told = events(there)
    there.scan()
    there.scan()
    (tmp_path / "a" / "latest.bundle").unlink()
    there.scan()
    (tmp_path / "a" / "latest.bundle").write_text("x")
    there.scan()
    assert [event.kind for event in told] == ["refused", "ready", "refused"]


def test_a_repository_that_is_gone_is_told_by_its_path(tmp_path: Path) -> None:
    root = tmp_path / "models"
    put(root, "a", 1, "one")
    there = repository(root)
    there.scan()
    told = events(there)
    root.rename(tmp_path / "elsewhere")
    there.scan(), there.scan()
    assert [event.reason for event in told] == [f"{root}: no such file or folder"]
    assert says(there) == "one"


def test_load_and_unload_by_hand(tmp_path: Path) -> None:
    for version, text in ((1, "one"), (2, "two"), (3, "bad")):
        put(tmp_path, "a", version, text)
    there = repository(tmp_path)
    there.scan()

    async def main() -> None:
        await there.load("a", 1)
        assert [*there.models["a"].versions] == [1, 2]
        with pytest.raises(Refusal, match="golden cases"):
            await there.load("a", 3)
        await there.unload("a", 2)
        assert [*there.models["a"].versions] == [1]
        await there.unload("a")
        assert not there.models["a"].versions
        assert not [row for row in there.index() if row["state"] == "READY"]
        with pytest.raises(NotServed):
            says(there)
        await there.load("a")
        assert says(there) == "two"
        assert there.index(ready=True) == [{"name": "a", "version": "2", "state": "READY", "reason": ""}]
        with pytest.raises(Refusal, match="no model 'b'"):
            await there.load("b")
        with pytest.raises(Refusal, match="no version 9"):
            await there.unload("a", 9)

    asyncio.run(main())


def test_a_link_that_is_turned_outside_after_it_was_found_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "models"
    put(root, "a", 1, "one")
    put(tmp_path, "outside", 1, "secret")
    (root / "a" / "2").symlink_to(root / "a" / "1.bundle")
    local = Local(str(root))
    (root / "a" / "2.bundle").symlink_to("1.bundle")
    found = local.listing().found["a"][2]
    (root / "a" / "2.bundle").unlink()
    (root / "a" / "2.bundle").symlink_to(tmp_path / "outside" / "1.bundle")
    with pytest.raises(FileError, match="leads out"):
        local.local(found)


def test_what_there_is_no_memory_for_is_not_opened_and_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[str] = []
    put(tmp_path, "a", 1, "one")
    there = repository(tmp_path, log)
    there.scan()
    put(tmp_path, "a", 2, "two" * 1000)
    monkeypatch.setenv("DRIVETRAIN_MEMORY_GB", "1e-6")
    there.scan()
    assert says(there) == "one"
    assert "memory" in there.models["a"].states[2].reason
    monkeypatch.undo()
    there.scan()
    assert says(there) == "two" * 1000
    assert log == ["a 1", "a 2"]


def test_reasons_for_callers_name_no_place_of_this_machine(tmp_path: Path) -> None:
    put(tmp_path, "a", 1, "one")
    put(tmp_path, "a", 2, "crash")
    put(tmp_path, "a", 3, "bad")
    (tmp_path / "a" / "4").mkdir()
    (tmp_path / "a" / "4" / "x.onnx").write_text("")
    there = repository(tmp_path)
    told = events(there)
    there.scan()
    reasons = [row["reason"] for row in there.index() if row["version"] != "1"]
    assert len(reasons) == 3
    assert not [reason for reason in reasons if not reason or str(tmp_path) in reason or "/" in reason]
    assert [event.version for event in told if event.kind == "failed"] == [4, 3, 2]


def test_a_look_that_fails_is_not_the_last(tmp_path: Path) -> None:
    put(tmp_path, "a", 1, "one")
    there = Repository(Settings(str(tmp_path), reload_seconds=0.01), open=opening())
    there.scan()
    faults = [RuntimeError("an observer's own fault")]

    def observer(event: Event) -> None:
        if faults:
            raise faults.pop()

    there.observers.append(observer)
    put(tmp_path, "a", 2, "two")

    async def main() -> None:
        watching = asyncio.create_task(there.watch())
        async with asyncio.timeout(5):
            while says(there) != "two":
                await asyncio.sleep(0.01)
            put(tmp_path, "a", 3, "three")
            while says(there) != "three":
                await asyncio.sleep(0.01)
        watching.cancel()
        there.close()

    asyncio.run(main())


@pytest.mark.parametrize("seed", range(6))
def test_whatever_comes_and_goes_a_version_that_holds_answers(tmp_path: Path, seed: int) -> None:
    """A hundred random turns: good, corrupt and slowly written versions, deletions, labels."""
    chance = random.Random(seed)
    settings = {"a": ModelSettings()}
    there = Repository(
        Settings(str(tmp_path), models=settings),
        open=opening(),
        reread=lambda: Settings(str(tmp_path), models=dict(settings)),
    )
    put(tmp_path, "a", 1, "v1 0")
    there.scan()
    good, leases = {"v1 0"}, list[Any]()
    for turn in range(100):
        version = chance.randrange(1, 6)
        path = tmp_path / "a" / f"{version}.bundle"
        deed = chance.choice(
            ["good", "good", "bad", "half", "crash", "delete", "label", "lease", "end", "look"]
        )
        if deed == "good":
            good.add(f"v{version} {turn}")
            put(tmp_path, "a", version, f"v{version} {turn}")
        elif deed in ("bad", "crash"):
            put(tmp_path, "a", version, f"{deed} {turn}")
        elif deed == "half":
            path.write_text(f"half {turn}")
        elif deed == "delete" and len([*path.parent.glob("*.bundle")]) > 1:
            path.unlink(missing_ok=True)
        elif deed == "label":
            settings["a"] = ModelSettings(labels={"x": version}, keep=chance.randrange(1, 3))
        elif deed == "lease":
            leases.append((lease := Router(there).lease(Asked("a")), lease.servable.text))
        elif deed == "end" and leases:
            leases.pop()[0].close()
        there.scan()
        assert says(there) in good, (turn, deed)
        assert all(lease.servable.text == text for lease, text in leases)
        for held in there.models["a"].held.values():
            assert held.retired is None
    for lease, _ in leases:
        lease.close()
    held = sum(one.leases for one in there.models["a"].held.values())
    assert held == 0


def test_watching_sees_what_is_new(tmp_path: Path) -> None:
    put(tmp_path, "a", 1, "one")
    there = Repository(Settings(str(tmp_path), reload_seconds=0.02), open=opening())
    there.scan()

    async def main() -> None:
        watching = asyncio.create_task(there.watch())
        put(tmp_path, "a", 2, "two")
        async with asyncio.timeout(5):
            while says(there) != "two":
                await asyncio.sleep(0.01)
        watching.cancel()
        there.close()

    asyncio.run(main())
