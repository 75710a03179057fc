"""A CSV of 1,000,000 rows: read, guessed, checked and packed.

Claim: under 20 s and under 2 GB on two cores, from a cold process to encoded arrays.
Method: a made table of 12 columns (91 MB: numbers with gaps, categories of few and many levels, dates, a yes/no target),
three fresh processes one after the other; seconds by the wall clock from before the import, memory as the largest
resident set of the process.
Machine, n and date: in results/million_rows.json.  Run: python bench/million_rows.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from common import spread, write_result

ROWS, PASSES = 1_000_000, 3

PROCESS = """
import json, resource, sys, time
started = time.perf_counter()
import drivetrain as dt
data = dt.tabular.from_csv(sys.argv[1], "left")
table = time.perf_counter()
report = data.check()
checked = time.perf_counter()
rows = sum(len(data.part(part)) for part in ("train", "valid"))
print(json.dumps({
    "rows": rows, "faults": len(report.faults), "read and guess": table - started, "check": checked - table,
    "pack": time.perf_counter() - checked, "seconds": time.perf_counter() - started,
    "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
}))
"""


def write_table(path: Path) -> None:
    draw = np.random.default_rng(0)
    days = np.datetime64("2021-01-01") + draw.integers(0, 1000, ROWS)
    income = draw.lognormal(8, 1, ROWS).round(2)
    frame = pl.DataFrame({
        "customer": draw.integers(0, 150_000, ROWS), "since": days, "age": draw.integers(18, 90, ROWS),
        "income": income, "balance": draw.normal(0, 1e4, ROWS).round(2),
        "city": np.char.add("city ", draw.integers(0, 400, ROWS).astype(str)),
        "shop": np.char.add("shop ", draw.integers(0, 5000, ROWS).astype(str)),
        "plan": draw.choice(["basic", "plus", "family"], ROWS), "calls": draw.poisson(3, ROWS),
        "minutes": draw.gamma(2, 60, ROWS).round(1), "autopay": draw.choice(["yes", "no"], ROWS),
        "left": np.where(draw.random(ROWS) < 0.1 + 0.1 * (income < 2000), "yes", "no"),
    })  # fmt: skip
    gaps = pl.Series(draw.random(ROWS) < 0.05)
    frame.with_columns(pl.when(gaps).then(None).otherwise(pl.col("income")).alias("income")).write_csv(path)


def main() -> None:
    found = []
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "million.csv"
        write_table(path)
        megabytes = path.stat().st_size / 1e6
        for _ in range(PASSES):
            done = subprocess.run(
                [sys.executable, "-c", PROCESS, str(path)], capture_output=True, text=True, check=False
            )
            if done.returncode:
                sys.exit(done.stderr)
            found.append(json.loads(done.stdout))
    names = ("seconds", "read and guess", "check", "pack", "gigabytes")
    figures = {"rows": ROWS, "columns": 12, "megabytes": megabytes}
    figures |= {name: spread([item[name] for item in found]) for name in names}
    write_result(
        "million_rows", "1,000,000 rows read, guessed, checked and packed in < 20 s and < 2 GB", figures
    )


if __name__ == "__main__":
    main()
