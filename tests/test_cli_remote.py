"""`drivetrain predict http://...`: what is printed and written is what a bundle here gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import serving
from loopback import Running
from loopback import serving as up

from drivetrain.cli.main import main
from drivetrain.serve.access import digest
from drivetrain.serve.settings import Access, Key

MODELS = ("houses", "trees", "pictures", "sounds", "said", "blend", "sales", "writer")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return serving.a_repository(tmp_path_factory.mktemp("remote"), *MODELS)


@pytest.fixture(scope="module")
def running(models: Path) -> Iterator[Running]:
    with up(models) as found:
        yield found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files to ask with, in the folder that we are in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DRIVETRAIN_KEY", raising=False)
    (tmp_path / "rows.csv").write_text("id,area,town\n1,40,Ulm\n2,abc,Bonn\n3,250.5,Bonn\n")
    picture = serving.golden_items(serving.servable("pictures"))[0]["image"]
    for name in ("one.png", "two.png"):
        (tmp_path / name).write_bytes(picture)
    (tmp_path / "no.png").write_bytes(b"nothing")
    (tmp_path / "tone.wav").write_bytes(serving.golden_items(serving.servable("sounds"))[0]["tone"])
    rows = ["day,store,region,units,price"]
    rows += [f"2024-01-{n:02d},a,north,{50 + n % 7 if n < 20 else ''},2.0" for n in range(1, 23)]
    (tmp_path / "history.csv").write_text("\n".join(rows))
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: Any) -> tuple[int, str, str]:
    code = main(["predict", *map(str, words)])
    told = capsys.readouterr()
    return code, told.out, told.err


ASKED = [
    ("houses", "rows.csv"), ("houses", "rows.csv", "--keep", "id"), ("pictures", "one.png", "no.png", "two.png"),
    ("sounds", "tone.wav"), ("sales", "history.csv"), ("sales", "history.csv", "--horizon", "2"),
    ("pictures", "no.png"),
]  # fmt: skip


@pytest.mark.parametrize("asked", ASKED, ids=" ".join)
@pytest.mark.parametrize("form", ["people", "json"])
def test_what_is_said_is_what_a_bundle_says(
    running: Running,
    models: Path,
    home: Path,
    capsys: pytest.CaptureFixture[str],
    asked: tuple[str, ...],
    form: str,
) -> None:
    name, *words = asked
    more = ["--json"] if form == "json" else []
    here = said(capsys, models / name / "1" / "model.bundle", *words, "--trusted", *more)
    there = said(capsys, f"{running.url}/models/{name}", *words, *more)
    assert there == here
    if form == "json":
        json.loads(there[1])


def test_answers_are_written_as_those_of_a_bundle(
    running: Running, models: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, file in (("houses", "rows.csv"), ("sales", "history.csv")):
        for extension in ("csv", "jsonl"):
            said(
                capsys,
                models / name / "1" / "model.bundle",
                file,
                "--trusted",
                "--out",
                f"here.{extension}",
                "--force",
            )
            code, _, _ = said(
                capsys, f"{running.url}/models/{name}", file, "--out", f"there.{extension}", "--force"
            )
            assert code in (0, 3)
            assert (home / f"there.{extension}").read_bytes() == (home / f"here.{extension}").read_bytes()


def test_a_version_is_chosen_and_an_address_may_be_that_of_the_page(
    running: Running, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in ("models/houses/versions/1", "models/houses/page", "models/houses/predict", "models/houses/"):
        assert said(capsys, f"{running.url}/{path}", "rows.csv")[0] == 3
    code, _, err = said(capsys, f"{running.url}/models/houses/versions/7", "rows.csv")
    assert code == 1
    assert "7" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--trusted",), "--trusted: a model on a server has no such option."),
        (("--beam", "3"), "--beam"),
        (("--chart", "a.png"), "--chart"),
        (("--horizon", "3"), "forecasts nothing"),
        (("--out", "a.xyz"), "a.xyz"),
    ],
)
def test_options_of_no_use_are_refused(
    running: Running, home: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    code, out, err = said(capsys, f"{running.url}/models/houses", "rows.csv", *words)
    assert code == 2
    assert told in err
    assert out == ""


def test_what_is_no_model_there(running: Running, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "this is no address of a model" in said(capsys, running.url, "rows.csv")[2]
    code, _, err = said(capsys, "localhost:8000/models/houses", "rows.csv")
    assert (code, "Write http://localhost:8000/models/houses" in err) == (2, True)
    code, _, err = said(capsys, f"{running.url}/models/hoses", "rows.csv")
    assert code == 1
    assert "houses" in err
    code, _, err = said(capsys, "http://127.0.0.1:9/models/x", "rows.csv")
    assert code == 1
    assert "nobody answers there" in err
    code, _, err = said(capsys, f"{running.url}/models/writer", "rows.csv")
    assert code == 2
    assert "goes on with a text" in err


def test_a_key(
    models: Path, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "dt_" + "q" * 43
    with up(
        serving.a_repository(home / "few", "houses"), access=Access(keys=(Key("me", digest(secret)),))
    ) as locked:
        address = f"{locked.url}/models/houses"
        code, _, err = said(capsys, address, "rows.csv")
        assert code == 1
        assert "key" in err
        assert said(capsys, address, "rows.csv", "--key", secret)[0] == 3
        monkeypatch.setenv("DRIVETRAIN_KEY", secret)
        assert said(capsys, address, "rows.csv")[0] == 3
    code, _, err = said(capsys, models / "houses" / "1" / "model.bundle", "rows.csv", "--key", secret)
    assert code == 2
    assert "needs no key" in err
