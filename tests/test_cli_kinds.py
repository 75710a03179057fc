"""What columns are taken for, from the command line: told once, and the same in a bundle's answers as in training."""

import re

import numpy as np
import pytest
from commands import drivetrain

pytest.importorskip("polars")
pytestmark = pytest.mark.slow


def shop(path):
    """Money, which tells the class, times of day and years of two digits; and an index that was saved."""
    rng = np.random.default_rng(0)
    rows = [",paid,at,since,class"]
    for row in rng.permutation(400).tolist():
        dear = rng.random() < 0.5
        paid = np.exp(rng.normal(8 if dear else 5, 0.5))
        at, since = (
            f"{rng.integers(24)}:{rng.integers(60):02d}",
            f"{rng.integers(1, 29)}-Nov-{rng.integers(90, 99)}",
        )
        rows.append(f'{row * 3},"${paid:,.2f}",{at},{since},{"dear" if dear else "cheap"}')
    path.write_text("\n".join(rows) + "\n")
    return path


def test_what_a_column_is_holds_in_the_bundle_and_is_told_once(tmp_path):
    table, bundle, asked = shop(tmp_path / "shop.csv"), tmp_path / "shop.bundle", tmp_path / "asked.csv"
    options = ("--target", "class", "--epochs", "3", "--out", tmp_path / "run", "--export", bundle)
    done = drivetrain("train", table, *options)
    assert done.code == 0, done.err
    told = " ".join((done.out + done.err).split())
    assert len(re.findall("saved index", told)) == 1
    assert "in $" in told
    assert "times of day from" in told
    asked.write_text(
        'paid,at,since\n"$12,000.00",14:35,4-Nov-95\n12000,14:35:00,1995-11-04\n12000 $,2:35 PM,4 Nov 1995\n$5,0:01,1-Nov-90\n'
    )
    answers = drivetrain("predict", bundle, asked, "--json").json["answers"]
    first, second, third, other = [answer["probabilities"] for answer in answers]
    assert first == second == third != other
    assert answers[0]["label"] == "dear"
    assert answers[3]["label"] == "cheap"


def test_a_price_is_learned_and_asked_in_the_way_it_is_written(tmp_path):
    table, bundle = tmp_path / "t.csv", tmp_path / "t.bundle"
    sizes = np.random.default_rng(0).uniform(1, 9, 300)
    prices = [f"{size * 1000:,.2f}".translate(str.maketrans(",.", ".,")) + " €" for size in sizes]
    table.write_text("size;price\n" + "".join(f"{size:.4f};{price}\n" for size, price in zip(sizes, prices)))
    options = (
        "--target",
        "price",
        "--model",
        "linear",
        "--epochs",
        "5",
        "--out",
        tmp_path / "run",
        "--export",
        bundle,
    )
    done = drivetrain("train", table, *options)
    assert done.code == 0, done.err
    judged = drivetrain("evaluate", bundle, table, "--json")
    assert judged.code in (0, 3), judged.err
    assert "in €" in " ".join(done.err.split())
