"""Freed memory is kept within a block, and given back after it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from drivetrain.files import from_json

PROGRAM = """
import ctypes, json, resource
import numpy as np
from drivetrain.memory import kept_memory

def faults():
    \"\"\"Pages that the system has to hand out while a megabyte is taken and freed sixty times. From four on, numpy
    asks for huge pages, and the system may have some.\"\"\"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(60):
        np.ones(1 << 18, np.float32)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

ctypes.CDLL(None).mallopt(-3, 128 * 1024)  # Blocks above 128 KiB come from the system and go to it at once.
before = faults()
with kept_memory():
    np.ones(1 << 18, np.float32)
    within = faults()
print(json.dumps([before, within, faults()]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="about the malloc of Linux")
def test_freed_memory_is_kept_within_and_given_back_after() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    if "mallopt" in done.stderr:
        pytest.skip("this Linux has another malloc than glibc's")
    before, within, after = from_json(done.stdout)
    assert before > 10_000
    assert within < 100
    assert after > 10_000
