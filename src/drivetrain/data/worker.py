"""Processes that help: fresh interpreters fed with lines, so that nothing is pickled and no script is imported twice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any


def start_worker(module: str, **text: Any) -> subprocess.Popen[Any]:
    """`python -m module` with a pipe to it and one from it; `text` as for Popen.

    It has a process group of its own, so a Ctrl-C at the terminal reaches only the process that started it, which
    decides when to stop. When that one dies, its end of the pipe closes, and the worker's input ends.
    """
    command = [sys.executable, "-m", module]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0, **text)


def stop_workers(processes: Iterable[subprocess.Popen[Any]]) -> None:
    """Kill them and close their pipes."""
    for process in processes:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with suppress(BrokenPipeError):  # What was not yet written to a process that has ended.
                    pipe.close()
