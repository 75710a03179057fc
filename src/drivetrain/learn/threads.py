"""How many threads torch computes with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

LARGE_BATCH = 1024
"""Rows of columns in a batch from which more than one thread has enough to do."""


@contextmanager
def one_thread(wanted: bool = True) -> Iterator[None]:
    """Within it torch computes in one thread, if that is wanted; then in as many as before.

    A step of a small network is over before a second thread has begun, and threads that wait for each other are busy:
    on two cores that others used too, the same weights took ten to sixty times the CPU.
    """
    before = torch.get_num_threads()
    if not wanted or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
