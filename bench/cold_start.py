"""How soon it is there: imports, and the first answer of a cold process.

Claim: `import drivetrain` under 50 ms; `import drivetrain.runtime` with its session under 0.3 s; a fresh process that
opens a bundle, verifies it and answers for one picture in under 1 s, Python's own start included.
Method: fresh processes in turn; the import figures are less the time of an empty program beside them.
Machine, n and date: in results/cold_start.json.  Run: python bench/cold_start.py BUNDLE PICTURE
"""

from __future__ import annotations

import subprocess
import sys
import time

from common import spread, write_result

RUNS = 15


def seconds(code: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    bundle, picture = sys.argv[1:]
    programs = {
        "import drivetrain": "import drivetrain",
        "import drivetrain.runtime": "import drivetrain.runtime, onnxruntime",
        "first answer": f"import drivetrain; drivetrain.Predictor({bundle!r}).predict({picture!r})",
    }
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(RUNS):
        empty = seconds("pass")
        for name, code in programs.items():
            times[name].append(seconds(code) - (0 if name == "first answer" else empty))
    figures = {"seconds": {name: spread(values) for name, values in times.items()}}
    write_result("cold_start", "import < 0.05 s, runtime < 0.3 s, first answer < 1 s", figures)


if __name__ == "__main__":
    main()
