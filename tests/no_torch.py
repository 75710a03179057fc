"""Run by the interpreter of a base install: `python no_torch.py BUNDLE FOLDER`. Every verb that needs no training
must work where torch is not installed; prints import times and the size of the install."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

MOST_MEGABYTES = 200
ABSENT = ("torch", "onnx", "sklearn", "matplotlib", "transformers", "pandas", "scipy")


def run(*arguments: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "drivetrain", *arguments, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (arguments, done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout)


def best_seconds(code: str, runs: int = 5) -> float:
    def once() -> float:
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        return time.perf_counter() - started

    return min(once() for _ in range(runs))


def installed_megabytes() -> float:
    """Everything in site-packages but pip and setuptools, which come with Python."""
    site = Path(sysconfig.get_path("purelib"))
    tools = ("pip", "setuptools", "pkg_resources", "_distutils_hack")
    files = (
        file
        for entry in site.iterdir()
        if not entry.name.startswith(tools)
        for file in (entry, *entry.rglob("*"))
    )
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def main() -> None:
    bundle, folder = sys.argv[1:]
    for name in ABSENT:
        assert importlib.util.find_spec(name) is None, (
            f"{name} is installed here: this is not the base install"
        )
    pictures = sorted(str(path) for path in Path(folder).glob("test/*/*.png"))[:3]
    assert len(run("predict", bundle, *pictures)["answers"]) == 3
    assert run("verify", bundle)["ok"]
    assert run("evaluate", bundle, folder)["metrics"]["accuracy"]["value"] > 0.9
    assert "faults" in run("check", folder)
    done = subprocess.run(
        [sys.executable, "-m", "drivetrain", "train", folder, "--no-check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done
    assert "pip install '.[train]'" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    empty = best_seconds("pass")
    megabytes = installed_megabytes()
    print(f"python -c pass                  {empty:.3f} s")
    print(f"import drivetrain               {best_seconds('import drivetrain') - empty:.3f} s more")
    print(
        f"import drivetrain.runtime       {best_seconds('import drivetrain.runtime, onnxruntime') - empty:.3f} s more"
    )
    answer = f"import drivetrain; drivetrain.Predictor({bundle!r}).predict({pictures[0]!r})"
    print(f"cold process to first answer    {best_seconds(answer):.3f} s, with verification")
    print(f"base install                    {megabytes:.0f} MB")
    assert megabytes < MOST_MEGABYTES


if __name__ == "__main__":
    main()
