"""What somebody who may write into the repository can put there. Nothing of it is served, followed or waited for; the next golden
answer is the same and there at once; what happened is told, a line for each."""

from __future__ import annotations

import json
import os
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import serving
from test_serve_reload import HOUSES, put

from drivetrain.serve.counters import Counters
from drivetrain.serve.logs import Log
from drivetrain.serve.path import answer_items
from drivetrain.serve.repository import Repository
from drivetrain.serve.router import Router
from drivetrain.serve.run import _teller
from drivetrain.serve.server import Server
from drivetrain.serve.settings import Settings
from drivetrain.serve.types import Asked, Request

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links and pipes are made")
NASTY = 'x"}\n{"level":"info","event":"all is well"}\x1b[2J\u2028<script>'


def outside(root: Path) -> Path:
    """A good bundle that is not in the repository."""
    other = root.parent / "outside"
    other.mkdir(exist_ok=True)
    shutil.copy(HOUSES, other / "1.bundle")
    return other


def linked_version(root: Path) -> None:
    (root / "houses" / "9.bundle").symlink_to(outside(root) / "1.bundle")


def linked_folder(root: Path) -> None:
    (root / "houses" / "9").symlink_to(outside(root))


def linked_name(root: Path) -> None:
    (root / "other").symlink_to(outside(root))


def linked_by_steps(root: Path) -> None:
    (root / "houses" / "9.bundle").symlink_to("../../models/houses/../../outside/1.bundle")
    outside(root)


def linked_to_secrets(root: Path) -> None:
    (root / "houses" / "9").symlink_to("/proc/self")


def linked_in_a_circle(root: Path) -> None:
    (root / "houses" / "9").symlink_to("10")
    (root / "houses" / "10").symlink_to("9")
    (root / "houses" / "11").symlink_to(root)


def linked_within_a_bundle(root: Path) -> None:
    folder = root / "houses" / "9"
    folder.mkdir()
    with zipfile.ZipFile(HOUSES) as packed:
        packed.extractall(folder)
    (folder / "model.onnx").rename(root.parent / "model.onnx")
    (folder / "model.onnx").symlink_to(root.parent / "model.onnx")


def a_pipe(root: Path) -> None:
    os.mkfifo(root / "houses" / "9.bundle")
    (root / "houses" / "10").mkdir()
    os.mkfifo(root / "houses" / "10" / "manifest.json")


def a_version_that_is_none(root: Path) -> None:
    for name in ("0x9", "9 ", "-9", "9e3", "\u0669", "9.0", "09", "99999999999999999999"):
        shutil.copy(HOUSES, root / "houses" / f"{name}.bundle")


def a_name_that_is_none(root: Path) -> None:
    for name in (
        "%2e%2e",
        "a:predict",
        "caf\u00e9",
        "-rf",
        "a b",
        "x" * 200,
        NASTY.replace("/", ""),
        "name\udcff",
    ):
        (root / name).mkdir()
        shutil.copy(HOUSES, root / name / "1.bundle")


def a_bomb(root: Path) -> None:
    with zipfile.ZipFile(root / "houses" / "9.bundle", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("manifest.json", b" " * 2**26)


def a_hole(root: Path) -> None:
    with open(root / "houses" / "9.bundle", "wb") as file:
        file.truncate(2**40)


def a_crowd(root: Path) -> None:
    for number in range(500):
        (root / "houses" / f"file {number}").touch()
        (root / f"{number} folder").mkdir()


def a_deep_hole(root: Path) -> None:
    folder = root / "houses" / "9"
    for _ in range(200):
        folder = folder / "d"
    folder.mkdir(parents=True)


def a_stranger(root: Path) -> None:
    shutil.copy(serving.BUNDLES / "format-1-pictures.bundle", root / "houses" / "9.bundle")
    data = (root / "houses" / "9.bundle").read_bytes()
    (root / "houses" / "9.bundle").write_bytes(data.replace(b"Softmax", b"Sofsmax"))


def turned_while_served(root: Path) -> None:
    (root / "houses" / "1.bundle").unlink()
    (root / "houses" / "1.bundle").symlink_to(outside(root) / "1.bundle")


ATTACKS: list[Callable[[Path], None]] = [
    linked_version, linked_folder, linked_name, linked_by_steps, linked_to_secrets, linked_in_a_circle, linked_within_a_bundle,
    a_pipe,
    a_version_that_is_none, a_name_that_is_none, a_bomb, a_hole, a_crowd, a_deep_hole, a_stranger, turned_while_served,
]  # fmt: skip
SILENT = (a_crowd, a_deep_hole, a_pipe)
"""What makes no version at all is not told of; of a pipe nothing is."""


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_nothing_of_it_is_served(attack: Callable[[Path], None], tmp_path: Path) -> None:
    root = tmp_path / "models"
    put(root, 1, HOUSES.read_bytes())
    settings = Settings(str(root), threads=1)
    there = Repository(settings)
    handle = os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    there.observers.append(_teller(Log(handle), Counters()))
    there.scan()
    items = serving.golden_items(serving.servable("houses"))
    server = Server(settings, repository=there, router=Router(there))

    def answers() -> list[object]:
        found = serving.run(answer_items(server, Asked("houses"), items, Request("POST", "/")))
        assert found.version == 1
        return [answer.to_json() for answer in found.answers]

    golden = answers()
    attack(root)
    begin = time.process_time()
    for _ in range(3):
        there.scan()
    assert answers() == golden
    assert time.process_time() - begin < 1.5, "nothing of it takes long"
    assert [*there.models] == ["houses"]
    assert [*there.models["houses"].held] == [1]
    os.close(handle)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    told = [line for line in lines if line["event"] in ("refused", "model refused", "model failed")]
    assert all(line["event"].startswith("model ") is ("model" in line) for line in lines)
    assert len({line["reason"] for line in told}) == len(told), "each is told once"
    assert bool(told) == (attack not in SILENT)
    assert {path.name for path in tmp_path.iterdir()} <= {"models", "outside", "log", "model.onnx"}, (
        "nothing was written"
    )
