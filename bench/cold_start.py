"""How soon it is there: imports, and the first answer of a cold process.

Claim: `import drivetrain` under 50 ms; `import drivetrain.runtime` with its session under 0.3 s; a fresh process that
opens a bundle, verifies it and answers for one picture in under 1 s, Python's own start included, where the bundle was made or
verified on this machine before. A bundle of unknown origin is first tried by a child process: what that adds is measured beside it.
Method: fresh processes in turn; the import figures are less the time of an empty program beside them. The bundle is known
to one state folder from an opening before, and unknown to a new one for each process.
Machine, n and date: in results/cold_start.json.  Run: python bench/cold_start.py BUNDLE PICTURE
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from common import spread, write_result

RUNS = 15
ANSWERS = ("first answer", "first answer, unknown bundle")


def seconds(code: str, state: str) -> float:
    environment = {**os.environ, "DRIVETRAIN_STATE": state}
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=environment)
    return time.perf_counter() - started


def main() -> None:
    bundle, picture = sys.argv[1:]
    answer = f"import drivetrain; drivetrain.Predictor({bundle!r}).predict({picture!r})"
    imports = {
        "import drivetrain": "import drivetrain",
        "import drivetrain.runtime": "import drivetrain.runtime, onnxruntime",
    }
    times: dict[str, list[float]] = {name: [] for name in (*imports, *ANSWERS)}
    with tempfile.TemporaryDirectory() as known:
        seconds(answer, known)
        for _ in range(RUNS):
            empty = seconds("pass", known)
            for name, code in imports.items():
                times[name].append(seconds(code, known) - empty)
            times[ANSWERS[0]].append(seconds(answer, known))
            with tempfile.TemporaryDirectory() as unknown:
                times[ANSWERS[1]].append(seconds(answer, unknown))
    figures = {"seconds": {name: spread(values) for name, values in times.items()}}
    write_result("cold_start", "import < 0.05 s, runtime < 0.3 s, first answer < 1 s", figures)


if __name__ == "__main__":
    main()
