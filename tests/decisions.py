"""A decision's JSON with everything in it that a page can show (decide/FORMAT.md), made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np


def estimate(value: float, half: float) -> dict[str, Any]:
    return {
        "value": value,
        "low": value - half,
        "high": value + half,
        "level": 0.9,
        "method": "1,000 draws, 90 %",
        "n": 1000,
    }


def claim(kind: str, *adjusted_for: str) -> dict[str, Any]:
    return {"kind": kind, "adjusted_for": [*adjusted_for], "why": ""}


def decision(**changes: Any) -> dict[str, Any]:
    """A price for all and a letter for some; `changes` replace what stands at the top."""
    x, y = np.linspace(20, 80, 13), np.linspace(0, 10, 11)
    hill = 2000 - (x[None] - 40) ** 2 - 20 * (y[:, None] - 6) ** 2
    around = {"kind": "number", "unit": "", "each": False, "step": None, "choices": [], "rule": None, "by_row": None, "moved": True,
              "spread": None, "observed": None, "extrapolates": None}  # fmt: skip
    beyond = "40 is above all that was ever tried (22 to 38)"
    return {
        "format": "drivetrain-decision", "version": 1, "decided": "2026-11-28T23:40:00+00:00", "name": "price of the insurance",
        "words": "Raise price from 30 to 40 EUR. Expected gain 538 EUR, between 412 and 664 (90 %).",
        "objective": {"sense": "maximise", "expression": "profit", "over": "sum", "statistic": "mean", "horizon": 1,
                      "discount": 0.0, "unit": "EUR", "words": "the most profit, summed over 200 rows"},
        "rows": 200, "draws": 1000, "seed": 0, "simulated": True, "seconds": 1.2,
        "levers": [
            {**around, "name": "price", "unit": "EUR", "low": 20.0, "high": 80.0, "step": 0.5, "now": 30.0, "proposed": 40.0,
             "observed": {"low": 22.0, "high": 38.0, "n": 144, "edges": [22.0, 26.0, 30.0, 34.0, 38.0], "counts": [12, 60, 60, 12]},
             "extrapolates": {"share": 1.0, "words": beyond}},
            {**around, "name": "bonus", "unit": "%", "low": 0.0, "high": 10.0, "now": 2.0, "proposed": 6.0, "moved": False},
            {**around, "name": "letter", "kind": "switch", "each": True, "low": None, "high": None, "now": False, "proposed": True,
             "rule": {"words": ["age <= 40: on", "otherwise: off"]},
             "spread": {"labels": ["off", "on"], "now": [200, 0], "proposed": [80, 120], "rows": 200, "changed": 120}},
        ],
        "result": {"now": estimate(1462, 170), "proposed": estimate(2000, 175), "gain": estimate(538, 126),
                   "corrected": estimate(531, 124), "compared": 121, "relative": 0.368,
                   "regret_of_now": 538.0, "chance_of_gain": 0.998},
        "verdict": {"word": "test first", "optimal": False, "words": "Test first: 40 EUR was never tried.",
                    "because": ["the weakest claim is randomised", beyond]},
        "certificate": {"kind": "enumeration", "value": 0.0, "bound": None, "proves": True, "words": "all 121 settings were tried"},
        "constraints": [{"name": "share", "that": "mean(buys) >= 0.6", "hard": True, "statistic": "mean", "value": 0.6,
                         "bound": 0.6, "slack": 0.0, "active": True, "holds": True, "price": 71.25,
                         "words": "share holds the price back"}],
        "rests_on": {
            "claim": claim("randomised"), "words": "price -> buys is randomised",
            "nodes": [{"name": "slope", "kind": "chance", "inputs": [], "claim": claim("definition"), "words": "normal",
                       "moved": False},
                      {"name": "buys", "kind": "formula", "inputs": ["price", "slope"], "claim": claim("randomised"),
                       "words": "sigmoid(4 - slope * price)", "moved": True}],
            "arrows": [{"from": one, "to": other, "claim": kind} for one, other, kind in (
                ("slope", "buys", "definition"), ("price", "buys", "randomised"), ("price", "objective", "definition"),
                ("letter", "buys", "assumed"), ("bonus", "buys", "undeclared"), ("buys", "objective", "definition"))],
            "paths": [{"lever": "price", "through": ["buys"], "claim": "randomised", "words": "price -> buys: randomised"}],
        },
        "extrapolates": [{"what": "lever", "name": "price", "share": 1.0, "words": beyond}],
        "could_turn": {
            "tornado": [{"name": "slope", "low": 0.067, "high": 0.133, "at_low": 900.0, "at_high": -40.0, "turns": True},
                        {"name": "age", "low": 30.0, "high": 60.0, "at_low": 500.0, "at_high": 560.0, "turns": False}],
            "sensitivity": [{"node": "buys", "words": "a hidden cause of 12 % would turn the sign", "strength": 0.12}],
            "words": ["slope at 0.133 would make now the better setting"]},
        "worst": {"levers": {"price": 80.0, "letter": False}, "objective": 216.0, "words": "the worst loses 1,246 EUR against now"},
        "try_first": {"words": "Give half of 400 rows, by chance, the proposed price.", "design": {"rows": 400, "share": 0.5}},
        "charts": {
            "curves": [{"lever": "price", "unit": "EUR", "x": x.tolist(), "mean": hill[6].tolist(), "low": (hill[6] - 90).tolist(),
                        "high": (hill[6] + 90).tolist(), "now": 30.0, "proposed": 40.0}],
            "surface": {"x": {"lever": "price", "values": x.tolist()}, "y": {"lever": "bonus", "values": y.tolist()},
                        "value": hill.tolist()},
            "gain": {"edges": [-100.0, 0.0, 200.0, 400.0, 600.0, 800.0], "counts": [2, 40, 300, 500, 158]},
            "front": {"names": ["profit", "kept"], "chosen": 1,
                      "points": [{"levers": {"price": 30.0 + at}, "values": [1000.0 + 90 * at, 0.9 - 0.02 * at]}
                                 for at in range(6)]}},
        "promise": [{"name": "buys", "value": 0.5, "low": 0.45, "high": 0.55, "unit": "", "over": "mean"}],
        "notes": ["price -> buys was learned from 20,000 rows"],
        "replay": {"plan": {"plan": {"name": "price of the insurance"}}, "folder": "",
                   "files": [{"path": "customers.csv", "sha256": "0123456789abcdef" * 4}],
                   "bundles": [], "versions": {"drivetrain": "1.0", "numpy": "2.4.0"}},
        **changes,
    }  # fmt: skip
