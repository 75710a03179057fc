"""forecast: series of numbers, and a model that tells what comes next in them.

data = drivetrain.forecast.from_csv("sales.csv", target="units", horizon=28, timestamp="day", item="store", known=["price"])

What makes the dataset is in `series.py`, and read when it is first used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drivetrain.bundle import facts
from drivetrain.codecs import Signature
from drivetrain.data.faults import Report
from drivetrain.data.option import Option
from drivetrain.data.task import Task
from drivetrain.tasks.options import QUERY, SEED, TARGET, TEST, VALID, Words

if TYPE_CHECKING:
    from drivetrain.bundle import Bundle
    from drivetrain.tasks.series import Forecasting
    from drivetrain.tasks.series import from_csv as from_csv
    from drivetrain.tasks.series import from_frame as from_frame

NAME = "forecast"
COLUMN = {"metavar": "COLUMN"}
COLUMNS = {"metavar": "COLUMNS"}
STEPS, FEWEST_EPOCHS, MOST_EPOCHS = 600, 4, 100
FILLS, JOINS = ("last", "zero"), ("mean", "sum", "last")


def _is_column(value: Any) -> bool:
    return value is None or facts.is_text(value)


class Forecast(Task):
    """What comes next in series of numbers."""

    name = NAME
    things = "origins"
    heading = "forecasts"
    source = "a table of series"
    command = "predict {bundle} {table}"
    asked_for = own_baselines = True
    limits = (
        "It continues what it has seen: what has never happened before, it does not foresee.",
        "Its range holds what comes in so many of cases like those that it was measured on, and fewer where the world has changed.",
    )
    card_use = (
        'from drivetrain.runtime import Forecaster\n\nForecaster("{bundle}").forecast("history.csv")',
        "drivetrain predict {bundle} history.csv --out forecast.csv",
    )
    options = (
        VALID,
        SEED,
        TEST,
        TARGET,
        Option(
            "horizon", "how many moments are foretold", {"type": int, "metavar": "N"},
            question="how many moments are to be foretold", fits=facts.is_whole,
        ),
        Option("timestamp", "when; without it rows follow each other", COLUMN, fits=_is_column),
        Option("item", "which of several series a row is of", COLUMN, fits=_is_column),
        Words("known", "what is known ahead too: price,holiday", COLUMNS, fits=facts.or_none(facts.many(facts.is_text))),
        Words("past", "what is known up to now: visitors,weather", COLUMNS, fits=facts.or_none(facts.many(facts.is_text))),
        Words("static", "what is the same for all of a series: region", COLUMNS, fits=facts.or_none(facts.many(facts.is_text))),
        Option(
            "hierarchy", "what a series is a part of, the largest part first: region/store; sums are foretold too, and add up",
            {"metavar": "COLUMNS"}, fits=_is_column,
        ),
        Option(
            "freq", "from a moment to the next: 15min, h, D, B, W-MON, MS ...; default: found", {"metavar": "NAME"},
            fits=_is_column,
        ),
        Option(
            "context", "how many moments are read to foretell; default: by the seasons and the length of the series",
            {"type": int, "metavar": "N"}, fits=facts.or_none(facts.is_whole),
        ),
        Option(
            "timezone", "of the clock that the times are told by, such as Europe/Berlin", {"metavar": "ZONE"}, fits=_is_column
        ),
        Option(
            "fill", "what a moment without a row is: the last value, or zero (last)", {"choices": FILLS},
            fits=lambda value: value in FILLS,
        ),
        Option("join", "what several rows of a moment are (mean)", {"choices": JOINS}, fits=lambda value: value in JOINS),
        QUERY,
    )  # fmt: skip

    def way_to(self, source: str) -> str:
        return f"say --task {NAME}"

    tried = ("bank", "nlinear", "nhits", "gru", "tcn")

    def default_model(self, signature: Signature) -> str:
        return "bank"

    def epochs_of(self, data: Any) -> int:
        """So many that a network takes some STEPS: of few windows each is seen often, of many now and then."""
        steps = data.epoch_rows / max(16.0, data.epoch_rows / 100)
        return int(min(MOST_EPOCHS, max(FEWEST_EPOCHS, round(STEPS / steps))))

    def make(self, source: Any, target: str | Sequence[str], horizon: int, **call: Any) -> Forecasting:
        from drivetrain.tasks.series import from_csv

        return from_csv(source, target, horizon, **call)

    def find_faults(self, data: Any) -> Report:
        from drivetrain.tasks.series import find_faults

        return find_faults(data)

    def whole(self, data: Any) -> Any:
        return data.whole()

    def evaluate(self, bundle: Bundle, source: str, trusted: bool, quiet: bool) -> dict[str, Any]:
        from drivetrain.findings.forecast_measure import measured_forecasts

        return measured_forecasts(bundle, source, trusted, quiet)

    def sections(self, learner: Any) -> list[dict[str, Any]]:
        from drivetrain.tasks.series_told import sections

        return sections(learner)

    def split_words(self, recipe: Mapping[str, Any]) -> str:
        return ""


TASK = Forecast()


def __getattr__(name: str) -> Any:
    if name not in ("from_csv", "from_frame"):
        raise AttributeError(f"drivetrain.forecast has no {name!r}.")
    from drivetrain.tasks import series

    return getattr(series, name)
