"""Run by the interpreter of a base install: `python no_torch.py BUNDLE FOLDER`, or with `--tables` by that of the extra of
this name. Every verb that needs no training must work where torch is not installed, and the others say what to install;
prints import times and the size of the install."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

MOST_MEGABYTES = 200
MOST_MEGABYTES_WITH_POLARS = 400
ABSENT = ("torch", "onnx", "sklearn", "matplotlib", "transformers", "pandas", "scipy")
TABLE = Path(__file__).parent / "bundles" / "format-1-houses.bundle"
"""A bundle of rows: numbers and categories in, a price out."""
WRITER = Path(__file__).parent / "bundles" / "format-5-writer.bundle"
"""One that writes tokens."""


def drivetrain(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "drivetrain", *arguments], capture_output=True, text=True, check=False
    )


def run(*arguments: str, codes: tuple[int, ...] = (0,)) -> dict:
    done = drivetrain(*arguments, "--json")
    assert done.returncode in codes, (arguments, done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout)


def refused(extra: str, *arguments: str) -> None:
    """The command ends with one line that says what to install."""
    done = drivetrain(*arguments)
    assert done.returncode == 1, (arguments, done)
    assert f"pip install '.[{extra}]'" in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


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


def pictures(bundle: str, folder: str) -> None:
    """All that the base does with pictures."""
    some = sorted(str(path) for path in Path(folder).glob("test/*/*.png"))[:3]
    assert len(run("predict", bundle, *some)["answers"]) == 3
    assert run("verify", bundle)["ok"]
    assert run("evaluate", bundle, folder)["metrics"]["accuracy"]["value"] > 0.9
    assert "faults" in run("check", folder, codes=(0, 3))
    refused("train", "train", folder)
    refused("train", "labels", folder)


def tables(folder: Path, with_polars: bool) -> None:
    """Rows of CSV and JSON lines are answered and measured by the base; the rest is for the extra `tables`."""
    rows = [
        {"area": 40 + 3 * row, "town": ("Ulm", "Bonn")[row % 2], "price": 900 + 7 * row} for row in range(30)
    ]
    csv, lines, parquet = (str(folder / f"rows.{kind}") for kind in ("csv", "jsonl", "parquet"))
    cells = [list(rows[0]), *([str(cell) for cell in row.values()] for row in rows)]
    Path(csv).write_text("".join(",".join(line) + "\n" for line in cells))
    Path(lines).write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = []
    for path in (csv, lines):
        assert len(run("predict", str(TABLE), path)["answers"]) == len(rows)
        found.append(run("evaluate", str(TABLE), path))
    assert found[0]["metrics"] == found[1]["metrics"]
    assert found[0]["n"] == len(rows)
    if with_polars:
        assert "faults" in run("check", csv, "--target", "price", codes=(0, 3))
        assert run("show", lines, "--target", "price")
        code = f"import polars; polars.read_csv({csv!r}).write_parquet({parquet!r})"
        subprocess.run([sys.executable, "-c", code], check=True)
        assert run("evaluate", str(TABLE), parquet)["metrics"] == found[0]["metrics"]
    else:
        Path(parquet).write_bytes(b"PAR1")
        refused("tables", "check", csv, "--target", "price")
        refused("tables", "predict", str(TABLE), parquet)
        refused("tables", "evaluate", str(TABLE), "sqlite:///a.db", "--query", "SELECT 1")
    refused("train", "train", csv, "--target", "price")


def tokens() -> None:
    """What generates does so in the base install."""
    assert run("verify", str(WRITER))["ok"]
    code = f"from drivetrain.runtime import Generator; print(Generator({str(WRITER)!r}).generate([5], most=3).tokens)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "(7, 0, 6)\n", done.stdout


def main() -> None:
    with_polars = "--tables" in sys.argv
    bundle, folder = [given for given in sys.argv[1:] if given != "--tables"]
    for name in (*ABSENT, *(() if with_polars else ("polars",))):
        assert importlib.util.find_spec(name) is None, (
            f"{name} is installed here: this is not the base install"
        )
    pictures(bundle, folder)
    tokens()
    with tempfile.TemporaryDirectory() as scratch:
        tables(Path(scratch), with_polars)
    empty = best_seconds("pass")
    megabytes = installed_megabytes()
    print(f"python -c pass                  {empty:.3f} s")
    print(f"import drivetrain               {best_seconds('import drivetrain') - empty:.3f} s more")
    print(
        f"import drivetrain.runtime       {best_seconds('import drivetrain.runtime, onnxruntime') - empty:.3f} s more"
    )
    picture = str(next(Path(folder).glob("test/*/*.png")))
    answer = f"import drivetrain; drivetrain.Predictor({bundle!r}).predict({picture!r})"
    print(f"cold process to first answer    {best_seconds(answer):.3f} s, with verification")
    print(f"{'with tables' if with_polars else 'base install'}                    {megabytes:.0f} MB")
    assert megabytes < (MOST_MEGABYTES_WITH_POLARS if with_polars else MOST_MEGABYTES)


if __name__ == "__main__":
    main()
