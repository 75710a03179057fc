"""Files of a kind are found by name: in this package, in one that is registered, in one that is installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from drivetrain import extensions
from drivetrain.codecs import codec_names, from_spec
from drivetrain.codecs.number import Number
from drivetrain.data.store.pack import pack
from drivetrain.errors import DrivetrainError

CODEC = """
from dataclasses import dataclass
from typing import ClassVar
from drivetrain.codecs.number import Number

@dataclass(frozen=True)
class Weight(Number):
    op: ClassVar[str] = "weight@1"
    like: ClassVar[str] = "number"
"""


@pytest.fixture
def outsider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    package = tmp_path / "weighing"
    (package / "codecs").mkdir(parents=True)
    (package / "codecs" / "weight.py").write_text(CODEC)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield package
    extensions.forget()
    for name in [name for name in sys.modules if name.partition(".")[0] == "weighing"]:
        del sys.modules[name]


def test_a_file_is_found_by_its_name() -> None:
    module = extensions.find("codecs", "number")
    assert module is not None
    assert module.Number is Number
    assert extensions.facet("metrics", Number()) is extensions.find("metrics", "number")
    assert extensions.kind_of(Number) == "number"


@pytest.mark.parametrize("name", ["base", "Number", "../number", "number.x", "_hidden", "", "nothing"])
def test_what_is_no_name_of_a_file_is_not_found(name: str) -> None:
    assert extensions.find("codecs", name) is None


def test_there_may_be_no_such_room() -> None:
    assert extensions.find("attic", "number") is None
    assert extensions.find("codecs.number", "number") is None
    assert extensions.names("attic") == ()


def test_a_registered_package_has_kinds_like_any_other(outsider: Path) -> None:
    assert extensions.find("codecs", "weight") is None
    extensions.register("weighing")
    assert "weight" in codec_names()
    codec = from_spec({"op": "weight@1", "scaling": "robust"})
    assert codec.spec()["op"] == "weight@1"
    assert extensions.facet("metrics", codec) is extensions.find("metrics", "number"), (
        "as it says that it is like one"
    )
    (outsider / "metrics").mkdir()
    (outsider / "metrics" / "weight.py").write_text("")
    extensions.register("weighing")
    assert extensions.facet("metrics", codec) is sys.modules["weighing.metrics.weight"]


SIZE = """
import os
from dataclasses import dataclass
from typing import Any, ClassVar
import numpy as np
from drivetrain.codecs.number import Number

@dataclass(frozen=True)
class Size(Number):
    op: ClassVar[str] = "size@1"
    from_files: ClassVar[bool] = True

    def read(self, raw: Any) -> float:
        return float(len(raw) if isinstance(raw, bytes) else os.path.getsize(raw))
"""


@pytest.mark.slow
def test_processes_that_encode_know_a_registered_package(
    outsider: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drivetrain.data.store.pack.PROCESSES_FROM", 2)
    (outsider / "codecs" / "size.py").write_text(SIZE)
    extensions.register("weighing")
    paths = [tmp_path / f"{place}.txt" for place in range(400)]
    for place, path in enumerate(paths):
        path.write_text("x" * (1 + place))
    packed = pack(
        from_spec({"op": "size@1", "center": 0.0, "spread": 1.0}), [str(path) for path in paths], workers=2
    )
    assert not packed.errors
    assert np.asarray(packed.array).tolist() == list(range(1, 401))


def test_our_own_files_can_not_be_taken(outsider: Path) -> None:
    (outsider / "codecs" / "number.py").write_text("")
    extensions.register("weighing")
    assert extensions.find("codecs", "number") is sys.modules["drivetrain.codecs.number"]


def test_a_file_of_ours_that_is_about_no_kind_is_not_taken_for_one(outsider: Path) -> None:
    (outsider / "codecs" / "estimate.py").write_text(
        CODEC.replace("Weight", "Estimate").replace("weight", "estimate")
    )
    extensions.register("weighing")
    codec = from_spec({"op": "estimate@1"})
    assert extensions.facet("metrics", codec) is extensions.find("metrics", "number")
    (outsider / "metrics").mkdir()
    (outsider / "metrics" / "estimate.py").write_text("")
    extensions.register("weighing")
    assert extensions.facet("metrics", codec) is sys.modules["weighing.metrics.estimate"]


def test_what_can_not_be_imported_is_told(outsider: Path) -> None:
    (outsider / "metrics").mkdir()
    (outsider / "metrics" / "weight.py").write_text("import not_there_at_all")
    extensions.register("weighing")
    with pytest.raises(
        DrivetrainError, match="'weighing' can't be imported: ModuleNotFoundError: No module named 'not_there"
    ):
        extensions.find("metrics", "weight")
    with pytest.raises(DrivetrainError, match="'not_there_either' can't be imported"):
        extensions.register("not_there_either")


def test_an_installed_package_is_found_by_its_entry_point(outsider: Path) -> None:
    installed = outsider.parent / "weighing-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: weighing\nVersion: 1\n")
    (installed / "entry_points.txt").write_text("[drivetrain.extensions]\nweighing = weighing\n")
    code = "from drivetrain.codecs import from_spec; print(from_spec({'op': 'weight@1'}).op)"
    path = f"import sys; sys.path.insert(0, {str(outsider.parent)!r}); "
    done = subprocess.run([sys.executable, "-c", path + code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "weight@1"
