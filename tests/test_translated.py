"""What stands around a translator: figures beside word by word, examples, pictures of where it looked, comparisons, checks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import drivetrain as typed
from tongues import pairs, write_pairs

import drivetrain as dt
from drivetrain.evidence.translated import beside, sections

SMALL = "transformer:1-layers:32-wide"


def test_the_report_shows_the_best_and_the_worst_and_figures_by_length() -> None:
    made = pairs(120)
    sources, references = [a for a, _ in made], [b for _, b in made]
    written = [*references[:-2], "nothing of it", ""]
    worst, best, by_length = sections(sources, written, references)
    assert [row[2] for row in worst["rows"][:2]] == ["", "nothing of it"]
    assert best["rows"][0][0] == "100"
    assert sum(int(row[1]) for row in by_length["rows"]) == 120
    assert len(sections(sources[:1], written[:1], references[:1])) == 2


def test_a_translator_of_words_alone_stands_beside_it() -> None:
    made = pairs(400)
    sides = [a for a, _ in made], [b for _, b in made]
    found = beside((sides[0][:300], sides[1][:300]), sides[0][300:], sides[1][300:], sides[1][300:], "made")
    assert found["metrics"]["bleu"]["value"] == pytest.approx(100)
    assert (
        found["baselines"]["word by word"]["chrf"]["value"] > 40
    )  # Its words are right, and their order is not.
    assert found["against"]["word by word"]["better"] is True
    assert "better than word by word: BLEU higher by" in found["against"]["word by word"]["words"]
    assert found["notes"][0].startswith("BLEU is nrefs:1|case:mixed|eff:no|tok:13a|")
    short = beside(sides, sides[0], [text.split()[0] for text in sides[1]], sides[1], "made")
    assert "it stops too early" in short["notes"][-1]
    assert short["against"]["word by word"]["better"] is False


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of another number of epochs."""
    folder = tmp_path_factory.mktemp("translated")
    write_pairs(folder / "pairs.tsv", 600)
    for name, epochs in (("one", 2), ("two", 6)):
        data = dt.translation.from_csv(folder / "pairs.tsv", "en", "made", tokens=150)
        learner = data.learner(SMALL, out=folder / name, quiet=True, batch_size=32)
        learner.fine_tune(epochs)
    return folder


@pytest.mark.slow
def test_a_result_has_both_and_its_page_examples_and_pictures(runs: Path) -> None:
    result: dict[str, Any] = json.loads((runs / "two" / "result.json").read_text())
    metrics = result["metrics"]["valid"]
    assert metrics["bleu"]["low"] < metrics["bleu"]["value"] < metrics["bleu"]["high"]
    assert set(result["baselines"]["word by word"]) == {"bleu", "chrf"}
    page = (runs / "two" / "report.html").read_text()
    for told in (
        "Worst translations",
        "Best translations",
        "By length",
        "Where it looked",
        "nrefs:1|case:mixed",
    ):
        assert told in page
    assert page.count("<picture>") >= 5


@pytest.mark.slow
def test_two_runs_are_compared_pair_by_pair(runs: Path) -> None:
    found = dt.compare([runs / "one", runs / "two"])
    assert (found.metric, found.best, found.n) == ("bleu", "two", 120)
    assert found.pairs[0].sure
    answer = typed("compare", str(runs / "one"), str(runs / "two"), "--json").json
    assert answer["pairs"][0]["metric"] == "bleu"


def test_check_looks_at_both_sides(tmp_path: Path) -> None:
    made = pairs(300)
    sides = {"en": [a for a, _ in made], "made": [b for _, b in made]}
    for row in (7, 9):
        sides["en"][row], sides["made"][row] = sides["made"][row], sides["en"][row]
    data = dt.translation.from_table(sides, "en", "made")
    assert [fault.kind for fault in data.check().faults] == ["swapped sides"]


def test_a_folder_of_files_of_lines_says_its_parts(tmp_path: Path) -> None:
    made = pairs(60)
    for stem, some in (("train", made[:40]), ("val", made[40:50]), ("test", made[50:])):
        for place, side in enumerate(("en", "made")):
            (tmp_path / f"{stem}.{side}").write_text(
                "\n".join(pair[place] for pair in some), encoding="utf-8"
            )
    data = dt.translation.from_csv(tmp_path, "en", "made")
    assert {part: len(rows) for part, rows in data.split.parts().items()} == {
        "train": 40,
        "valid": 10,
        "test": 10,
    }
    again = data.task.from_recipe(data.recipe or {})
    assert np.array_equal(again.split.valid, data.split.valid)
    whole = dt.translation.from_csv(tmp_path / "train", "en", "made", 0.25)
    assert len(whole.split.valid) == 10
