"""`drivetrain decide`: a screen for a person, the decision's JSON for a program, files that are whole or not there."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from decisions import decision, estimate

from drivetrain import decide, progress
from drivetrain.cli.main import main
from drivetrain.errors import DataError
from drivetrain.files import to_json, write_text
from drivetrain.report import decision as page

Run = Callable[..., tuple[int, str, str]]


@dataclass
class Made:
    """What stands for a decision here: it is what its JSON says."""

    found: dict[str, Any] = field(default_factory=decision)

    def to_json(self) -> dict[str, Any]:
        return self.found

    def save(self, path: str) -> None:
        write_text(path, to_json(self.found))


@dataclass
class Told:
    found: dict[str, Any]
    decision: Made | None = field(default_factory=Made)

    @property
    def same(self) -> bool:
        return self.found["same"]

    def to_json(self) -> dict[str, Any]:
        return self.found


HELD = {"words": "Worse than promised: fewer bought", "verdict": "worse than promised", "rows": 150, "promised": [
    {"name": "buys", "promised": estimate(0.5, 0.05), "came": estimate(0.41, 0.04), "inside": False}]}  # fmt: skip


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run the verb with a decision that is made already."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(progress, "SILENT", 600.0)  # However slow the machine.
    monkeypatch.setattr(decide, "decide", lambda plan, progress=None: Made(), raising=False)
    monkeypatch.setattr(decide, "open_decision", lambda path: Made(), raising=False)
    monkeypatch.setattr(decide, "outcomes", lambda made, rows: Told(HELD), raising=False)

    def typed(*arguments: str) -> tuple[int, str, str]:
        code = main(["decide", *arguments])
        told = capsys.readouterr()
        return code, told.out, told.err

    return typed


def test_a_person_gets_one_screen(run: Run) -> None:
    code, out, err = run("plan.toml")
    assert (code, err) == (0, "")
    assert len(out.splitlines()) <= 44
    assert max(map(len, out.splitlines())) <= 100
    for told in ("price of the insurance", "note: The data are simulated", "extrapolates: 40 is above",
                 "Raise price from 30 to 40 EUR",
                 "538 EUR (412 to 664), 36.8 % of now", "531 EUR (407 to 655)", "71.25 EUR", "changes for 120 of 200 rows",
                 "1,090 0.88 price 31 EUR proposed",
                 "rests on: price -> buys is randomised", "could turn it: slope at 0.133", "search: all 121 settings"):  # fmt: skip
        assert told in " ".join(out.split()), told
    assert "optimal" not in out


def test_a_program_gets_the_decision_itself(run: Run, tmp_path: Path) -> None:
    code, out, err = run("plan.toml", "--json", "--out", "decision.json")
    assert (code, err) == (0, "")
    assert json.loads(out) == json.loads((tmp_path / "decision.json").read_text()) == decision()


def test_the_page_is_written_and_not_over_another(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "decision_html", lambda found, held: f"{found['name']} {held}")
    code, out, err = run("plan.toml", "--html", "page.html")
    assert (code, err) == (0, "page page.html\n")
    assert (tmp_path / "page.html").read_text() == "price of the insurance None"
    code, out, err = run("plan.toml", "--html", "page.html")
    assert (code, out) == (1, "")
    assert "page.html" in err
    assert err.count("\n") == 1
    assert run("plan.toml", "--html", "page.html", "--force")[0] == 0


def test_outcomes_are_held_against_the_promise(run: Run) -> None:
    code, out, _ = run("decision.json", "--outcomes", "came.csv")
    assert code == 0
    assert out.startswith("Worse than promised: fewer bought\n")
    assert "outside" in out
    assert json.loads(run("decision.json", "--outcomes", "came.csv", "--json")[1]) == {"held": HELD}


@pytest.mark.parametrize(
    ("found", "code", "told"),
    [(Told({"same": True, "changed": []}), 0, "the same decision, bit for bit\n"),
     (Told({"same": False, "changed": ["a.csv has changed."]}), 3, "not the same decision\nchanged: a.csv has changed.\n"),
     (Told({"same": False, "changed": ["It can't be decided again."]}, None), 3,
      "not the same decision\nchanged: It can't be decided again.\n")],
)  # fmt: skip
def test_a_replay_says_what_changed(
    run: Run, found: Told, code: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decide, "replay", lambda made, folder, progress: found, raising=False)
    done = run("decision.json", "--replay", "--out", "again.json")
    assert done[:2] == (code, told)
    assert Path("again.json").exists() == (found.decision is not None)


def test_what_a_plan_read_is_looked_for_beside_its_decision(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        decide,
        "replay",
        lambda made, folder, progress: asked.append(folder) or Told({"same": True, "changed": []}),
        raising=False,
    )
    (tmp_path / "there").mkdir()
    run("there/decision.json", "--replay")
    (tmp_path / "there" / "customers.csv").write_text("a\n1\n")
    run("there/decision.json", "--replay")
    assert asked == ["", "there"]


@pytest.mark.parametrize("options", [("--replay",), ("--outcomes", "came.csv")])
def test_a_plan_is_no_decision(run: Run, options: tuple[str, ...]) -> None:
    code, out, err = run("plan.toml", *options)
    assert (code, out) == (2, "")
    assert (
        err == f"drivetrain: {options[0]}: plan.toml is a plan. Give a decision that was written by --out.\n"
    )


def test_what_goes_wrong_is_one_line_and_leaves_no_file(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(plan: str, progress: Any) -> Made:
        raise DataError("profit is not a number.", where="plan.toml, row 7", fix="Look at price.")

    monkeypatch.setattr(decide, "decide", refuses, raising=False)
    code, out, err = run("plan.toml", "--html", "page.html", "--out", "decision.json")
    assert (code, out) == (1, "")
    assert err == "drivetrain: plan.toml, row 7: profit is not a number. Look at price.\n"
    assert [*tmp_path.iterdir()] == []


def test_the_page_and_the_decision_are_two_files(run: Run) -> None:
    code, _, err = run("plan.toml", "--html", "page.html", "--out", "./page.html")
    assert (code, err) == (
        2,
        "drivetrain: --out: the page and the decision can't be one file. Give it another name.\n",
    )


def test_a_decision_that_was_changed_by_hand_is_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = decision(charts={"gain": {"edges": ["a", "b", "c"], "counts": [1, 2]}})
    monkeypatch.setattr(decide, "open_decision", lambda path: Made(odd), raising=False)
    code, out, err = run("decision.json", "--html", "page.html")
    assert (code, out) == (1, "")
    assert err.startswith("drivetrain: decision.json: its page can't be drawn: ValueError")
    assert err.count("\n") == 1
    assert [*tmp_path.iterdir()] == []


def test_ctrl_c_ends_it_cleanly(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(plan: str, progress: Any) -> Made:
        progress("Solving")
        raise KeyboardInterrupt

    monkeypatch.setattr(decide, "decide", stopped, raising=False)
    assert run("plan.toml", "--out", "decision.json") == (130, "", "drivetrain: stopped.\n")
    assert [*tmp_path.iterdir()] == []


def test_a_long_plan_says_what_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "SILENT", 0.0)
    with progress.stages() as stage:
        stage("Simulating")
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):
                thread.join()
    assert "Simulating" in capsys.readouterr().err
    monkeypatch.setattr(progress, "SILENT", 60.0)
    with progress.stages() as stage:
        stage("Quick")
    assert capsys.readouterr().err == ""


PLAN = """
[plan]
name = "known"
draws = 8
simulated = true
[objective]
maximise = "(price - 20) * buys"
unit = "EUR"
[levers]
price = { low = 20, high = 60, step = 1, now = 30, observed = [22, 38] }
[models]
buys = { formula = "sigmoid(4 - 0.1 * price)", claim = "CLAIM" }
"""


@pytest.mark.slow
@pytest.mark.parametrize(("claim", "word"), [("assumed", "test first"), ("undeclared", "comparison only")])
def test_a_plan_whose_answer_is_known(
    claim: str, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SILENT", 600.0)
    (tmp_path / "plan.toml").write_text(PLAN.replace("CLAIM", claim))
    files = {name: str(tmp_path / name) for name in ("plan.toml", "decision.json", "page.html")}
    assert (
        main(
            [
                "decide",
                files["plan.toml"],
                "--json",
                "--out",
                files["decision.json"],
                "--html",
                files["page.html"],
            ]
        )
        == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert (found["levers"][0]["proposed"], found["verdict"]["word"]) == (40.0, word)
    assert found["result"]["proposed"]["value"] == pytest.approx(10, rel=1e-9)
    told = Path(files["page.html"]).read_text()
    assert "extrapolates" in told
    assert "The data are simulated" in told
    assert ("optimal" in told) == found["verdict"]["optimal"] == (claim == "assumed")
    assert main(["decide", files["decision.json"], "--replay"]) == 0
    assert capsys.readouterr().out == "the same decision, bit for bit\n"
