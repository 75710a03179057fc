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
from drivetrain.errors import UsageError
from drivetrain.findings.translated import beside, sections

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


def test_what_measures_disagree_on_is_told() -> None:
    """By BLEU a few texts that are right outweigh many that have none of their words, by chrF they don't."""
    made = [
        (f"{row} {row + 1} {row + 2} {row + 3} {row + 4}", f"{row} {row + 4} {row + 1} {row + 3} {row + 2}")
        for row in range(300)
    ]
    sources, references = [a for a, _ in made], [b for _, b in made]
    written = [text if row % 3 == 0 else "x y z x y" for row, text in enumerate(references)]
    found = beside((sources, references), sources, written, references, "b")
    assert found["against"]["word by word"]["better"] is True
    assert any(
        "another measure says otherwise: it is worse than word by word: chrF" in note
        for note in found["notes"]
    )


def test_what_word_by_word_did_not_learn_of_is_told() -> None:
    found = beside((["a b", "a " * 101], ["x y", "x"]), ["a"], ["x"], ["x"], "b")
    assert found["notes"][-1] == "word by word was learned of 1 of the 2 training pairs"


def test_words_alone_are_measured_without_bleu() -> None:
    words = [
        f"{a}{b}"
        for a in "bcdfghklmn"
        for b in ("one", "two", "six", "ten", "sun", "red", "tip", "lot", "pan", "cup")
    ]
    found = beside((words, words), words, words, [word.upper() for word in words], "b")
    assert list(found["metrics"]) == list(found["baselines"]["word by word"]) == ["chrf"]
    assert found["against"]["word by word"]["measure"] == "chrf"
    by_length = sections(words, words, words)[-1]
    assert by_length["columns"] == ["words read", "texts", "chrF (95 % interval)", "words written"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs of another number of epochs."""
    folder = tmp_path_factory.mktemp("translated")
    write_pairs(folder / "pairs.tsv", 600)
    for name, epochs in (("one", 2), ("two", 8)):
        data = dt.translation.from_csv(folder / "pairs.tsv", "en", "made", tokens=150)
        learner = data.learner(SMALL, out=folder / name, quiet=True, batch_size=16)
        learner.fine_tune(epochs)
    learner.export(folder / "made.bundle")
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


def test_check_tells_what_was_left_out(tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text("a\tb\n" + "one\ttwo\n" * 9 + "three\t\n")
    words = ("check", tmp_path / "pairs.tsv", "--task", "translation", "--source", "a", "--target", "b")
    assert "note: left out, a side is empty or no text: 1 row (11)" in typed(*words).out
    assert typed(*words, "--json").json["notes"] == ["left out, a side is empty or no text: 1 row (11)"]


@pytest.mark.slow
def test_short_texts_have_pictures_too(runs: Path) -> None:
    from drivetrain.tasks.translated import pictures

    data = dt.translation.from_csv(runs / "pairs.tsv", "en", "made", tokens=150)
    learner = data.learner(SMALL, quiet=True)
    assert len(pictures(learner, ["The fox"] * 4, ["fuk"] * 4)) == 3


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


@pytest.mark.slow
def test_files_are_translated_line_by_line(runs: Path, tmp_path: Path) -> None:
    bundle, lines, out = runs / "made.bundle", tmp_path / "lines.txt", tmp_path / "out.txt"
    lines.write_bytes(
        "The fox sees a dog.\n\nA dog likes été.\r\n".encode()
        + b"\xed\xa0\x80\nThe river\xe2\x80\xa8sees a dog."
    )
    done = typed("predict", bundle, lines, "--out", out, "--trusted")
    assert done.code == 3
    assert "lines.txt: empty, and so is the answer: 1 line (2)" in done.err
    written = out.read_text().split("\n")
    assert [bool(line) for line in written] == [True, False, True, False, True, False]
    answers = typed("predict", bundle, lines, "--json", "--trusted").json["answers"]
    assert [answer.get("text") for answer in answers] == [*written[:3], None, written[4]]
    assert answers[3]["where"] == "lines.txt, line 4"
    searched = typed("predict", bundle, lines, "--json", "--trusted", "--beam", 3).json["answers"]
    assert searched[1]["text"] == ""


@pytest.mark.slow
def test_what_was_not_read_is_told_by_its_reason(runs: Path, tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text("The fox sees a dog \u16a0.\n\u16a0\n" + "The fox sees a dog. " * 400, encoding="utf-8")
    answers = typed("predict", runs / "made.bundle", lines, "--json", "--trusted").json["answers"]
    told = [answer["unusual"]["en"].partition(": ")[2] for answer in answers]
    assert [each.partition("; ")[0] for each in told] == [
        "unknown to the model in part",
        "unknown to the model",
        "not read to the end, for being too long",
    ]


@pytest.mark.slow
def test_tables_are_translated_by_their_column(runs: Path, tmp_path: Path) -> None:
    bundle, table, out = runs / "made.bundle", tmp_path / "rows.tsv", tmp_path / "out.csv"
    table.write_text('note\ten\n"a\tThe fox sees a dog.\nb"\tA dog sees.\nshort\n', encoding="utf-8")
    assert typed("predict", bundle, table, "--keep", "note", "--out", out, "--trusted").code == 3
    told = out.read_text().splitlines()
    assert told[0] == '"note","origin","answer","unusual","error"' or told[0].startswith(
        '"origin","note","answer"'
    )
    assert len(told) == 4
    assert "this line has 1 cell and the first has 2" in told[3]


@pytest.mark.slow
def test_what_predict_refuses(runs: Path, tmp_path: Path) -> None:
    bundle = runs / "made.bundle"
    (tmp_path / "lines.txt").write_text("a dog\n")
    for words, told in (
        (["A dog sees."], "Texts come in a file, one in each line"),
        ([tmp_path / "lines.txt", "--keep", "en"], "lines have no columns to keep"),
        ([tmp_path / "lines.txt", "--parts"], "neither parts"),
        ([tmp_path / "lines.txt", "--beam", "0"], ""),
        ([tmp_path / "lines.txt", "--out", tmp_path / "out.doc"], "Name it .csv, .jsonl"),
    ):
        done = typed("predict", bundle, *words, "--trusted")
        assert done.code in (1, 2), words
        assert told in done.line


@pytest.mark.slow
def test_evaluate_measures_what_is_written(runs: Path, tmp_path: Path) -> None:
    other = write_pairs(tmp_path / "test.tsv", 60, seed=3)
    answer = typed("evaluate", runs / "made.bundle", other, "--json", "--trusted").json
    assert answer["n"] == 60
    assert answer["part"] == "all"
    assert answer["metrics"]["bleu"]["low"] < answer["metrics"]["bleu"]["value"]
    assert any(note.startswith("BLEU is nrefs:1") for note in answer["notes"])
    assert typed("evaluate", runs / "made.bundle", other, "--json", "--trusted", "--beam", 3).json["n"] == 60
    own = typed("evaluate", runs / "made.bundle", runs / "pairs.tsv", "--json", "--trusted").json
    assert own["part"] == "valid"
    result = json.loads((runs / "two" / "result.json").read_text())
    assert own["metrics"]["bleu"]["value"] == pytest.approx(result["metrics"]["valid"]["bleu"]["value"])
    assert "this is the file that the model was trained on" in own["note"]


def test_what_is_written_is_searched_by_no_verb_that_looks_at_all_outputs() -> None:
    made = pairs(30)
    data = dt.translation.from_table({"en": [a for a, _ in made], "made": [b for _, b in made]}, "en", "made")
    for verb in (data.learning_curve, lambda: dt.tune(data, trials=1, quiet=True)):
        with pytest.raises(UsageError, match="is written token by token"):
            verb()


@pytest.mark.slow
def test_odd_texts_are_answered_and_what_is_odd_is_told(runs: Path, tmp_path: Path) -> None:
    odd = ["fox " * 20_000, "\U0001f600", "السلام عليكم", "zzz qqq", "\u202eevil", "NA", "a\tb"]
    (tmp_path / "odd.txt").write_text("\n".join(odd), encoding="utf-8")
    done = typed("predict", runs / "made.bundle", tmp_path / "odd.txt", "--json", "--trusted")
    assert done.code == 0
    assert len(done.json["answers"]) == len(odd)
    assert done.json["answers"][0]["unusual"]["en"].endswith("not read to the end, for being too long")


@pytest.mark.slow
def test_without_valid_rows_the_training_rows_are_measured(tmp_path: Path) -> None:
    made = pairs(40)
    data = dt.translation.from_table(
        {"en": [a for a, _ in made], "made": [b for _, b in made]}, "en", "made", 0.0
    )
    learner = data.learner(SMALL, out=tmp_path / "run", quiet=True)
    learner.fine_tune(1)
    assert list(learner.result["metrics"]) == ["train"]


def test_nothing_apart_is_no_minus() -> None:
    from drivetrain.figures import rough

    assert [rough(value) for value in (-0.0, 0.0, -1.2345)] == ["0", "0", "-1.23"]
