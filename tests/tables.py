"""Tables made for tests and for the documentation: like real ones, with what real ones have wrong."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

WORK = ["Private", "Self-employed", "Local-gov", "State-gov"]
EDUCATION = ["HS-grad", "Some-college", "Bachelors", "Masters", "Doctorate"]


def write_csv(path: Path, columns: dict[str, list[Any]], separator: str = ",") -> Path:
    """Columns as a CSV file; None is an empty cell."""
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, delimiter=separator)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values()))
    return path


def incomes(path: Path, rows: int = 600, seed: int = 0) -> Path:
    """Like the Adult census: numbers, categories with gaps, and an income class that depends on them."""
    draw = np.random.default_rng(seed)
    age = draw.integers(17, 80, rows)
    hours = np.clip(draw.normal(40, 10, rows), 5, 90).round().astype(int)
    school = draw.integers(0, len(EDUCATION), rows)
    gain = np.where(draw.random(rows) < 0.1, draw.lognormal(8.5, 1, rows).round(), 0).astype(int)
    score = 0.06 * (hours - 40) + 0.9 * school - 0.003 * (age - 48) ** 2 + 0.4 * np.log1p(gain) - 0.5
    rich = draw.random(rows) < 1 / (1 + np.exp(-score))
    work = [WORK[place] if draw.random() > 0.06 else "?" for place in draw.integers(0, len(WORK), rows)]
    return write_csv(path, {
        "id": list(range(1, rows + 1)), "age": age.tolist(), "workclass": work,
        "education": [EDUCATION[place] for place in school], "capital-gain": gain.tolist(),
        "hours-per-week": hours.tolist(), "income": [">50K" if yes else "<=50K" for yes in rich],
    })  # fmt: skip


def rentals(path: Path, days: int = 200, seed: int = 0) -> Path:
    """Bicycles rented each day: a date, the weather, a count that grows and has weekends."""
    draw = np.random.default_rng(seed)
    start = np.datetime64("2024-01-01")
    date = start + np.arange(days)
    warmth = 12 - 10 * np.cos(2 * np.pi * np.arange(days) / 365) + draw.normal(0, 3, days)
    weekend = (np.arange(days) % 7) >= 5
    count = np.clip(
        100 + 0.5 * np.arange(days) + 12 * warmth - 60 * weekend + draw.normal(0, 25, days), 0, None
    )
    return write_csv(path, {
        "day": [str(when) for when in date], "temperature": warmth.round(1).tolist(),
        "weather": [["clear", "mist", "rain"][place] for place in draw.integers(0, 3, days)],
        "rented": [f"{round(value):,}" for value in count],
    })  # fmt: skip


GENRES = ["Western", "Musical", "Thriller", "Comedy", "Science fiction"]


def reviews(path: Path, rows: int = 200, seed: int = 0) -> Path:
    """Texts of a few sentences that speak well of something (1) or ill (0)."""
    draw = np.random.default_rng(seed)
    said = (
        ["a dull game", "crashes a lot", "a waste of money", "full of ads"],
        ["a lovely game", "great fun", "works well", "easy to learn"],
    )
    rest = ["on my phone", "I had it for a week", "with my sister", "there are many levels"]
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["text", "positive"])
        for liked in draw.integers(2, size=rows):
            words = [*draw.choice(said[liked], 2, replace=False), *draw.choice(rest, 2, replace=False)]
            table.writerow([". ".join(words) + ".", liked])
    return path


def films(path: Path, users: int = 200, items: int = 60, seed: int = 0) -> Path:
    """Ratings of films: everybody has a taste for some genres, some films are known to all, and picks come in time."""
    draw = np.random.default_rng(seed)
    genre = np.arange(items) % len(GENRES)
    known = 1 / (1 + draw.permutation(items)) ** 0.6
    good = draw.normal(0, 0.5, items)
    rows: dict[str, list[Any]] = {"user": [], "film": [], "stars": [], "when": []}
    for user in range(users):
        taste = draw.dirichlet(np.full(len(GENRES), 0.4))
        weight = known * np.exp(4 * taste[genre])
        seen = draw.choice(items, draw.integers(8, 25), replace=False, p=weight / weight.sum())
        stars = (
            2.8 + draw.normal(0, 0.4) + good[seen] + 1.8 * taste[genre[seen]] + draw.normal(0, 0.6, len(seen))
        )
        start = draw.integers(0, 300)
        for place, (film, value) in enumerate(zip(seen.tolist(), stars.tolist())):
            rows["user"].append(f"u{user}")
            rows["film"].append(f"{GENRES[genre[film]]} {film // len(GENRES) + 1}")
            rows["stars"].append(int(np.clip(round(value), 1, 5)))
            rows["when"].append(str(np.datetime64("2024-01-01") + int(start) + place))
    return write_csv(path, rows)


def ratings(path: Path, users: int = 40, items: int = 36, seed: int = 0) -> Path:
    """Films with stars: three tastes, and a third of the films for each."""
    draw = np.random.default_rng(seed)
    columns: dict[str, list[Any]] = {"user": [], "film": [], "stars": [], "when": []}
    for user in range(users):
        for film in draw.choice(items, 15, replace=False):
            fits = film % 3 == user % 3
            if fits or draw.random() < 0.5:
                columns["user"].append(f"u{user}")
                columns["film"].append(f"film {film}")
                columns["stars"].append(int(np.clip(round(draw.normal(4.2 if fits else 2.5, 0.7)), 1, 5)))
                columns["when"].append(1_600_000_000 + int(draw.integers(0, 10_000_000)))
    return write_csv(path, columns)
