"""How long decisions take: CPU seconds of one process, and seconds by the clock, of plans of the sizes that were promised.

Five levers for all over 10,000 rows and 1,000 draws; a price for each of 100,000 rows over 1,000 draws, alone, in steps of a half,
and with a share that all rows together must keep; a rule for those rows; 1,000 channels that share a budget; 2^30 combinations.

    python bench/decide_speed.py [--rows 100000] [--draws 1000] [PART ...]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from common import write_result

from drivetrain import decide
from drivetrain.decide.solve import solve
from drivetrain.decide.solve.planned import problem_of


def measured(plan: decide.Plan) -> tuple[Any, dict[str, Any]]:
    """The solution of a plan, and what it took; the plan's data are in memory."""
    cpu, clock = time.process_time(), time.perf_counter()
    found = solve(problem_of(decide.Simulator(plan)))
    spent = {"cpu_s": round(time.process_time() - cpu, 3), "wall_s": round(time.perf_counter() - clock, 3)}
    kind = found.certificate.kind
    return found, {
        **spent,
        "objective": found.objective,
        "certificate": kind,
        "evaluations": found.evaluations,
    }


def five_levers(rows: int, draws: int) -> dict[str, Any]:
    """Price, discount, advertising, service and stock for all; demand of each row by its own willingness, uncertain in all."""
    made = np.random.default_rng(0)
    data = {"willing": made.normal(4, 0.5, rows), "size": made.lognormal(0, 0.3, rows)}
    levers = {
        "price": decide.Lever(low=20, high=80),
        "discount": decide.Lever(low=0, high=0.5),
        "adverts": decide.Lever(low=0, high=5),
        "service": decide.Lever(low=0, high=3),
        "stock": decide.Lever(low=0, high=2),
    }
    models = {
        "slope": decide.chance(normal=[0.1, 0.01]),
        "pull": decide.chance(uniform=[0.2, 0.4]),
        "paid": "price * (1 - discount)",
        "buys": "sigmoid(willing - slope * paid + pull * log1p(adverts) + 0.2 * sqrt(service + 0.01))",
        "sold": "min(buys * size, stock)",
        "profit": "sold * (paid - 15) - 0.4 * adverts - 0.5 * service - 1.5 * stock",
    }
    found, spent = measured(decide.Plan("profit", levers, models, data, draws=draws))
    return {**spent, "levers": {name: float(each) for name, each in found.levers.items()}}


def prices(rows: int, draws: int) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    made = np.random.default_rng(1)
    data = {
        "willing": made.uniform(3, 5, rows),
        "age": np.round(made.uniform(18, 80, rows)),
        "north": made.integers(0, 2, rows),
    }
    data["willing"] = data["willing"] - (data["age"] < 40) * data["north"] * 0.5
    models = {
        "slope": decide.chance(uniform=[0.08, 0.12]),
        "buys": "sigmoid(willing - slope * price)",
        "profit": "buys * (price - 20)",
    }
    return data, models


def each_row(rows: int, draws: int, constraints: tuple[str, ...] = (), **lever: Any) -> dict[str, Any]:
    data, models = prices(rows, draws)
    levers = {"price": decide.Lever(low=20, high=80, **lever)}
    found, spent = measured(decide.Plan("profit", levers, models, data, constraints, draws=draws))
    return {**spent, "rows": rows, "draws": draws, "notes": [*found.notes]}


def budget() -> dict[str, Any]:
    """The best of five runs is told beside all: the first one imports scipy."""
    made = np.random.default_rng(2)
    a = made.uniform(0.5, 5, 1000)
    lever = {"spend": decide.Lever(low=0, high=100, each=True)}
    runs = [
        measured(decide.Plan("a * log(spend)", lever, {}, {"a": a}, ["sum(spend) <= 100"], draws=1))
        for _ in range(5)
    ]
    found = runs[-1][0]
    off = float(np.abs(found.levers["spend"] / (100 * a / a.sum()) - 1).max())
    return {
        **runs[-1][1],
        "cpu_s_of_all": [spent["cpu_s"] for _, spent in runs],
        "largest_relative_error": off,
    }


def billion() -> dict[str, Any]:
    made = np.random.default_rng(3)
    names = [f"s{n}" for n in range(30)]
    alone = [f"{made.normal():.4f} * {name}" for name in names]
    both = [f"{made.normal():.4f} * s{i} * s{j}" for i in range(30) for j in range(i) if made.random() < 0.3]
    levers = {name: decide.Lever(kind="switch") for name in names}
    plan = decide.Plan(" + ".join(alone + both), levers, {}, None, [f"{' + '.join(names)} <= 12"], draws=1)
    found, spent = measured(plan)
    return {**spent, "gap": found.certificate.value, "words": found.certificate.words}


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--rows", type=int, default=100_000)
    asked.add_argument("--draws", type=int, default=1000)
    asked.add_argument("parts", nargs="*")
    given = asked.parse_args()
    rows, draws = given.rows, given.draws
    parts: dict[str, Callable[[], dict[str, Any]]] = {
        "budget_of_1000": budget,
        "combinations_2_30": billion,
        "price_each": lambda: each_row(rows, draws, each=True),
        "price_each_in_steps": lambda: each_row(rows, draws, each=True, step=0.5),
        "price_each_with_share": lambda: each_row(rows, draws, ("mean(buys) >= 0.6",), each=True),
        "rule": lambda: each_row(rows, draws, rule=decide.Rule(("age", "north")), step=0.5),
        "five_levers": lambda: five_levers(max(rows // 10, 1), draws),
    }
    figures = {}
    for name in given.parts or parts:
        figures[name] = parts[name]()
        print(name, figures[name], flush=True)
    if not given.parts:
        write_result("decide_speed", "decisions of the promised sizes take seconds, on one process", figures)


if __name__ == "__main__":
    main()
