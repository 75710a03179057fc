"""What `check` finds in pairs of texts, and that it finds nothing where nothing is."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from drivetrain.data.checks.pairs import check_pairs
from drivetrain.data.faults import Fault
from drivetrain.data.read.parallel import read_pairs
from drivetrain.data.split import Split
from drivetrain.data.table import from_columns

WORDS = [
    ("the", "le"), ("woman", "femme"), ("child", "enfant"), ("runs", "court"), ("through", "traverse"), ("street", "rue"),
    ("green", "vert"), ("with", "avec"), ("young", "jeune"), ("holding", "tenant"), ("behind", "derrière"), ("yellow", "jaune"),
    ("bridge", "pont"), ("wearing", "portant"), ("something", "quelque"), ("outside", "dehors"), ("mountain", "montagne"),
]  # fmt: skip


def made(n: int = 300, seed: int = 0) -> list[tuple[str, str]]:
    drawn = np.random.default_rng(seed)
    rows = [drawn.integers(0, len(WORDS), drawn.integers(4, 14)) for _ in range(n)]
    return [(" ".join(WORDS[i][0] for i in row), " ".join(WORDS[i][1] for i in row)) for row in rows]


def found(pairs: list[tuple[str, str]], valid: int = 50) -> dict[str, Fault]:
    """Faults by kind; the last `valid` pairs validate."""
    table = from_columns({"en": [a for a, _ in pairs], "fr": [b for _, b in pairs]})
    rows = np.arange(len(pairs))
    split = Split(rows[: len(pairs) - valid], rows[len(pairs) - valid :], rows[:0])
    return {fault.kind: fault for fault in check_pairs(table, "en", "fr", split).faults}


@pytest.mark.parametrize("seed", range(6))
def test_ordinary_pairs_have_no_faults(seed: int) -> None:
    assert not found(made(seed=seed))


def test_pairs_of_one_language_are_not_swapped() -> None:
    pairs = [(a, " ".join(a.split()[::-1]) + " now") for a, _ in made()]
    assert not found(pairs).keys() - {"same sides"}
    assert not found([(a, a.upper() + "!") for a, _ in made()]).keys()


def test_a_name_may_be_the_same_in_two_languages_but_not_most_of_them() -> None:
    names = [(f"name{row}", f"name{row}") for row in range(60)]
    assert "same sides" not in found([*made(), *names])
    assert (
        found([*made(40), *names])["same sides"].message == "Pairs whose sides are the same text: 60 of 100."
    )


def test_copies_across_the_split() -> None:
    pairs = made()
    pairs[260] = (pairs[3][0].upper(), pairs[3][1])
    pairs[270] = (pairs[4][0], pairs[5][1] + " rue")
    faults = found(pairs)
    assert faults["leak"].message == "Pairs of valid or test that stand in train: 1 of 50."
    assert faults["leak"].where == ["train: table, row 4 = valid: table, row 261"]
    assert faults["repeated texts"].message == (
        "'en': texts of valid or test that stand in train: 1 of 50, with another text on the other side in 1."
    )


@pytest.mark.parametrize("share", [0.01, 0.2])
def test_swapped_sides(share: float) -> None:
    pairs = made()
    rows = list(range(0, 300, round(1 / share)))
    for row in rows:
        pairs[row] = pairs[row][::-1]
    fault = found(pairs)["swapped sides"]
    assert set(fault.where) <= {f"table, row {row + 1}" for row in rows}
    assert len(fault.where) >= 0.9 * len(rows)
    assert fault.fix == "Exchange 'en' and 'fr' there."


def test_sides_that_are_not_translated() -> None:
    pairs = made()
    pairs[7] = (pairs[7][0], pairs[7][0].title())
    pairs[9] = (pairs[9][0], "the young woman with the yellow street runs through something outside")
    pairs[11] = ("Ann", "Ann")
    faults = found(pairs)
    assert faults["same sides"].where == ["table, row 8"]
    assert faults["untranslated"].where == ["table, row 10"]
    assert "'fr': texts that look like those of 'en': 1 text" in faults["untranslated"].message


def test_lengths_that_are_absurdly_apart() -> None:
    pairs = made()
    pairs[20] = (pairs[20][0], " ".join(b for _, b in pairs[30:40]))
    pairs[21] = (" ".join(a for a, _ in pairs[40:60]), "rue")
    fault = found(pairs)["lengths apart"]
    assert [place.partition(":")[0] for place in fault.where] == ["table, row 21", "table, row 22"]


def test_faults_of_each_side_name_it() -> None:
    pairs = made()
    pairs[30] = (pairs[30][0], pairs[30][1] + " derri\u00c3\u00a8re")
    pairs[31] = ("...", pairs[31][1])
    faults = found(pairs)
    assert faults["wrong encoding"].message.startswith("'fr': ")
    assert faults["empty texts"].message == "'en': Texts without a word: 1 of 300."


def test_few_rows_and_none() -> None:
    assert not found(made(3), valid=1)
    assert not found([("", ""), ("a", "")], valid=1).keys() - {"empty texts"}


@pytest.mark.skipif(
    "DRIVETRAIN_DATA" not in os.environ, reason="DRIVETRAIN_DATA names no folder of data sets"
)
def test_multi30k_has_next_to_no_false_alarms() -> None:
    table = read_pairs(Path(os.environ["DRIVETRAIN_DATA"], "multi30k_en_fr"), "en", "fr").take(
        np.arange(24_000, 31_014)
    )
    parts = [np.flatnonzero(table["split"] == part) for part in ("train", "valid", "test")]
    kinds = {fault.kind for fault in check_pairs(table, "en", "fr", Split(*parts)).faults}
    assert kinds <= {"leak", "repeated texts", "near duplicates"}
