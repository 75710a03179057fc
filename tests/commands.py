"""The command line for tests: in this process, or in one of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivetrain.cli.main import main


@dataclass(frozen=True)
class Done:
    """What a command gave: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object on standard output; anything else there is an error."""
        (line,) = self.out.splitlines()
        return json.loads(line, parse_constant=_not_json)

    @property
    def line(self) -> str:
        """The one line on standard error."""
        (line,) = self.err.splitlines()
        return line


def _not_json(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


def drivetrain(*arguments: object) -> Done:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return Done(code, out.getvalue(), err.getvalue())


def start(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.Popen[str]:
    """Start a command in a process (and a process group) of its own, on one thread: it is not alone here."""
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "", **environment}
    return subprocess.Popen(
        [sys.executable, "-m", "drivetrain", *map(str, arguments)], cwd=cwd, env=variables,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", start_new_session=True,
    )  # fmt: skip


def finish(process: subprocess.Popen[str], timeout: float = 60) -> Done:
    """Wait for a started command."""
    try:
        out, err = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return Done(process.returncode, out, err)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content (folders: empty), to see that nothing came or went."""
    found = sorted(folder.rglob("*"))
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b"" for path in found
    }
