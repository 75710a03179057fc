"""ETTh1, all seven channels, 96, 192, 336 and 720 hours ahead: MSE on the usual scale and split.

Claim: MSE within 1 % of NLinear's .374, .408, .429 and .440 (as published) at each horizon.
Method: the field's own protocol: the first 14,400 hours as 12, 4 and 4 months of 30 days (8,640, 2,880, 2,880), each channel
scaled by mean and standard deviation of the first 12 months, every origin of the last 4 months whose hours are all in it, the
mean squared error over channels, origins and hours. The seven channels are seven series of one model with its defaults (`--item
channel`); the 4 middle months validate. Naive and seasonal naive (24) on the same windows.
`drivetrain` is what the field does: weights from the first 12 months, what is chosen (lookbacks, penalties, shares) chosen with the
4 middle months, as NLinear stops and is tuned by them. `chosen in training` doesn't look at the middle months at all, and `its
bundle`, what a person gets, was solved with them too. One thread.
Machine, n and date: in results/etth1.json.  Run: python bench/etth1.py [HORIZON ...]
"""

from __future__ import annotations

import csv
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import data_folder, write_result
from series_sets import by_bundle, by_graph, rounded, timed

import drivetrain as dt

PUBLISHED = {96: 0.374, 192: 0.408, 336: 0.429, 720: 0.440}
MONTH = 30 * 24
TRAIN, VALID, TEST = 12 * MONTH, 4 * MONTH, 4 * MONTH
WITHIN = 1.01


def scaled() -> tuple[list[str], list[str], np.ndarray]:
    """Stamps, names of channels, float64 (14,400, 7)."""
    with open(data_folder("etth1") / "ETTh1.csv", newline="") as file:
        head, *rows = csv.reader(file)
    rows = rows[: TRAIN + VALID + TEST]
    values = np.array([row[1:] for row in rows], np.float64)
    mean, deviation = values[:TRAIN].mean(axis=0), values[:TRAIN].std(axis=0)
    return [row[0] for row in rows], head[1:], (values - mean) / deviation


def write_items(path: Path) -> np.ndarray:
    """The channels one after the other, as series of a file; returns them (14,400, 7)."""
    stamps, names, values = scaled()
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["date", "channel", "value"])
        for channel, name in enumerate(names):
            writer.writerows(
                (stamp, name, repr(float(value))) for stamp, value in zip(stamps, values[:, channel])
            )
    return values


def field_graph(learner: Any) -> bytes:
    """What was chosen with the first 16 months, solved with the first 12."""
    from drivetrain.forecasting.choosing import solve
    from drivetrain.learn.forecast.graph import bank_graph

    data = learner.data
    series = [data.values[start:end] for start, end in zip(data.offsets, data.training_end)]
    if any(len(each) != TRAIN for each in series):
        raise SystemExit(f"trained on {[len(each) for each in series]} hours, and the protocol has {TRAIN}")
    return bank_graph(solve(learner.shipped.bank.recipe, series), data.signature)


def measured(path: Path, values: np.ndarray, horizon: int, folder: Path) -> dict[str, Any]:
    total = TRAIN + VALID + TEST
    data, reading = timed(
        lambda: dt.forecast.from_csv(
            path, timestamp="date", target="value", item="channel", horizon=horizon, valid=VALID / total, test=TEST / total
        )
    )  # fmt: skip
    learner = data.learner(out=folder / str(horizon), quiet=True)
    _, fitting = timed(learner.fit)
    bundle = Path(learner.export(folder / f"{horizon}.bundle"))
    rows = data.part("test").rows
    shipped = by_bundle(bundle, data, "test")
    outputs, answering = timed(lambda: by_graph(field_graph(learner), data, "test"))
    alone = by_graph(learner.graph(), data, "test")
    inside = np.asarray(data.origin)[rows] - np.asarray(data.offsets)[np.asarray(data.item_of)[rows]]
    items = [list(data.items).index(name) for name in scaled()[1]]
    column = {item: channel for channel, item in enumerate(items)}
    channels = np.array([column[int(item)] for item in np.asarray(data.item_of)[rows]])
    if inside.min() < TRAIN + VALID or len(rows) != 7 * (TEST - horizon + 1):
        raise SystemExit(
            f"{len(rows)} windows from {inside.min()} on; the protocol has {7 * (TEST - horizon + 1)}"
        )
    steps = np.arange(horizon)
    squares = {
        "drivetrain": 0.0,
        "chosen in training": 0.0,
        "its bundle": 0.0,
        "naive": 0.0,
        "seasonal naive": 0.0,
    }
    of_channel = np.zeros(7)
    for start in range(0, len(rows), 1_000):
        part = slice(start, start + 1_000)
        own, origin = values[:, channels[part]], inside[part]
        at = np.arange(len(origin))[:, None]
        truths = own[origin[:, None] + steps, at]
        error = ((outputs[part, :, 0] - truths) ** 2).mean(axis=1)
        squares["drivetrain"] += float(error.sum())
        squares["chosen in training"] += float(((alone[part, :, 0] - truths) ** 2).mean(axis=1).sum())
        squares["its bundle"] += float(((shipped[part, :, 0] - truths) ** 2).mean(axis=1).sum())
        np.add.at(of_channel, channels[part], error)
        last = own[origin - 1, at[:, 0]][:, None]
        squares["naive"] += float(((last - truths) ** 2).mean(axis=1).sum())
        season = own[origin[:, None] - 24 + steps % 24, at]
        squares["seasonal naive"] += float(((season - truths) ** 2).mean(axis=1).sum())
    found = {method: total / len(rows) for method, total in squares.items()}
    return {
        "MSE": found, "NLinear, published": PUBLISHED[horizon], "ratio": found["drivetrain"] / PUBLISHED[horizon],
        "holds": found["drivetrain"] <= WITHIN * PUBLISHED[horizon], "below": found["drivetrain"] < PUBLISHED[horizon],
        "of channels": (of_channel / np.bincount(channels)).tolist(), "windows": len(rows), "context": data.context,
        "model": learner.shipped.description(),
        "cpu seconds": {"read": reading, "fit": fitting, "answer": answering},
    }  # fmt: skip


def main() -> None:
    horizons = [int(given) for given in sys.argv[1:]] or list(PUBLISHED)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        values = write_items(folder / "channels.csv")
        found = {
            str(horizon): measured(folder / "channels.csv", values, horizon, folder) for horizon in horizons
        }
    write_result(
        "etth1",
        "ETTh1, seven channels: MSE within 1 % of NLinear's published figures at 96, 192, 336 and 720 hours",
        {"horizons": rounded(found), "holds": all(one["holds"] for one in found.values())},
    )


if __name__ == "__main__":
    main()
