"""Processes that help: fresh interpreters fed with lines, so that nothing is pickled and no script is imported twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any


@contextmanager
def worker_processes(
    module: str, count: int, **text: Any
) -> Generator[list[subprocess.Popen[Any]], None, None]:
    """`count` times `python -m module`, with a pipe to each and one from it (`text` as for Popen); killed at the end.

    They have process groups of their own, so a Ctrl-C at the terminal reaches only the process that started them, which
    decides when to stop. When that one dies, its ends of the pipes close, and the input of a worker is over.
    """
    processes: list[subprocess.Popen[Any]] = []
    command = [sys.executable, "-m", module]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, **text}
    # The threads that numpy's BLAS starts spin for as long as all the rest of a worker's start takes.
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    try:
        processes.extend(
            subprocess.Popen(command, process_group=0, env=environment, **pipes) for _ in range(count)
        )
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    with suppress(BrokenPipeError):  # What was not yet written to a process that has ended.
                        pipe.close()
