"""The tables of bench/tables.py: for a set and a seed a folder with train.csv, test.csv and set.json.

Nobody sees the test rows before he is measured. The seed draws them: 20 % of the rows at random. By time the seed
moves the origin, from 80 % of the rows back by 5 % each, and the next 20 % are the test. Adult has its official test
rows, ACS the year 2018 after 2015 to 2017; there the seed draws training rows, where they are capped, and the chance of
the model. Columns that name a row or leak the target are in neither file.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from common import data_folder

MOST = 20_000  # Training rows; Adult has all of its 32,561.


@dataclass(frozen=True)
class Table:
    """One set: what is asked of it, and what a person would say about it to any of the programs."""

    read: Callable[[int], tuple[pl.DataFrame, pl.DataFrame]]
    target: str
    metric: str  # log loss, RMSE or log RMSE
    texts: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    by_time: bool = False  # The training rows are in the order of time.
    options: list[str] = field(default_factory=list)  # Of `drivetrain train`.

    def write(self, folder: Path, seed: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, frame in zip(("train", "test"), self.read(seed)):
            frame.write_csv(folder / f"{name}.csv")
        told = {key: value for key, value in asdict(self).items() if key not in ("read", "options")}
        (folder / "set.json").write_text(json.dumps(told))


def csv(folder: str, name: str) -> pl.DataFrame:
    """Every cell as it is written: what it means is for each program to say."""
    return pl.read_csv(data_folder(folder) / name, infer_schema=False)


def at_random(frame: pl.DataFrame, seed: int, train: int = MOST) -> tuple[pl.DataFrame, pl.DataFrame]:
    drawn = np.random.default_rng(seed).permutation(len(frame))
    test = len(frame) // 5
    return frame[np.sort(drawn[test:][:train])], frame[np.sort(drawn[:test])]


def by_time(frame: pl.DataFrame, seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    origin = int(len(frame) * (0.8 - 0.05 * seed))
    return capped(frame[:origin], seed), frame[origin : origin + len(frame) // 5]


def capped(frame: pl.DataFrame, seed: int) -> pl.DataFrame:
    """At most MOST rows, their order kept."""
    return frame[np.sort(np.random.default_rng(seed).permutation(len(frame))[:MOST])]


def adult(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    return csv("adult_census", "train.csv"), csv("adult_census", "test.csv")


def acs(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    frame = csv("acs_employment_ma", "employment_ma.csv").drop("id")
    last = pl.col("year") == "2018"
    return capped(frame.filter(~last).drop("year"), seed), frame.filter(last).drop("year")


def ames(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    return at_random(csv("ames_house_prices", "house.csv").drop("Id"), seed)


def bikes() -> pl.DataFrame:
    """`casual` and `registered` sum up to the target."""
    return csv("bike_sharing", "hour.csv").drop("instant", "casual", "registered")


def thousand(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    return at_random(bikes().drop("dteday"), seed, train=1_000)


def credit(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    return at_random(csv("credit_default_uci", "credit.csv"), seed)


def cards(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Purchases (not refunds), each once."""
    frame = csv("delaware_card_transactions", "transactions.csv").unique(maintain_order=True)
    frame = frame.filter(pl.col("MERCHANDISE_AMT").cast(pl.Float64) > 0).drop("DEPT_NAME")
    return at_random(frame.with_columns(pl.col("TRANS_DT").str.to_date("%m/%d/%Y")), seed)


def taxis(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    return at_random(csv("nyc_taxis", "taxis.csv").drop("tip", "total"), seed)


def movies(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    return at_random(csv("movie_reviews_polarity", "reviews.csv").select("text", "label"), seed)


SETS = {
    "thousand": Table(thousand, "cnt", "RMSE"),
    "titanic": Table(
        lambda seed: at_random(csv("titanic", "titanic.csv").drop("PassengerId"), seed), "Survived", "log loss"
    ),
    "ames": Table(ames, "SalePrice", "log RMSE", options=["--log-target"]),
    "taxis": Table(taxis, "fare", "RMSE", dates=["pickup", "dropoff"]),
    "cards": Table(
        cards, "MERCHANDISE_AMT", "log RMSE", dates=["TRANS_DT"], options=["--log-target"]
    ),
    "bikes": Table(
        lambda seed: by_time(bikes(), seed),
        "cnt", "RMSE", dates=["dteday"], by_time=True, options=["--split", "time:dteday"],
    ),
    "electricity": Table(
        lambda seed: by_time(csv("elec2_electricity", "elec.csv"), seed),
        "class", "log loss", by_time=True, options=["--split", "position"],
    ),
    "credit": Table(credit, "default", "log loss"),
    "acs": Table(acs, "employed", "log loss"),
    "adult": Table(adult, "income", "log loss"),
    "movie reviews": Table(movies, "label", "log loss", texts=["text"]),
    "news": Table(
        lambda seed: at_random(csv("ag_news_7600", "ag_news.csv"), seed),
        "label", "log loss", texts=["title", "description"],
    ),
    "app reviews": Table(
        lambda seed: at_random(csv("amazon_app_reviews", "reviews.csv"), seed),
        "positive", "log loss", texts=["text"],
    ),
}  # fmt: skip
