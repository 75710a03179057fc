"""Who was there when a worker died is tried alone, and after a second death refused."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from drivetrain.serve.quarantine import KNOWN, MARKS, Deaths, Quarantine
from drivetrain.serve.types import Refusal


def dies(deaths: Deaths, at_work: Callable[[Quarantine], None]) -> list[int]:
    """A worker that is killed in the middle of it; what the parent refuses after that."""
    process = os.fork()
    if not process:
        at_work(Quarantine(deaths, 0))
        os._exit(0)
    os.waitpid(process, 0)
    return deaths.died(0)


def working(*digests: int) -> Callable[[Quarantine], None]:
    def work(quarantine: Quarantine) -> None:
        with quarantine.running([5]):
            pass  # That one was done before.
        with quarantine.running(digests):
            os.kill(os.getpid(), signal.SIGKILL)

    return work


def test_an_input_that_kills_twice_is_refused() -> None:
    deaths = Deaths()
    quarantine = Quarantine(deaths, 0)
    killer = quarantine.digest("m", 1, b"bad")
    with quarantine.trial(killer) as alone:
        assert not alone
    assert dies(deaths, working(killer)) == []
    with quarantine.trial(5) as alone:
        assert not alone
    worker = Quarantine(deaths, 0)
    trial = worker.trial(killer)
    assert trial.__enter__()  # A suspect. It never comes out of it:
    assert dies(deaths, working(killer)) == [killer]
    for each in (quarantine, Quarantine(deaths, 0)):
        with pytest.raises(Refusal, match="not tried any more") as caught, each.trial(killer):
            pass
        assert caught.value.status == 400
    with quarantine.trial(quarantine.digest("m", 2, b"bad")) as alone:
        assert not alone  # Another version may take it.


def test_who_was_only_near_is_acquitted() -> None:
    deaths = Deaths()
    quarantine = Quarantine(deaths, 0)
    for _ in range(3):  # A request that everybody makes, in a batch with a killer again and again.
        assert 7 not in dies(deaths, working(7, 8))
        with quarantine.trial(7) as alone:
            assert alone
        with quarantine.trial(7) as alone:
            assert not alone
    with pytest.raises(Refusal), quarantine.trial(8):
        pass


def test_a_request_that_failed_is_not_acquitted() -> None:
    deaths = Deaths()
    quarantine = Quarantine(deaths, 0)
    dies(deaths, working(7))
    with pytest.raises(ValueError), quarantine.trial(7):
        raise ValueError
    with quarantine.trial(7) as alone:
        assert alone


def test_a_worker_that_ends_as_it_should_has_killed_nobody() -> None:
    deaths = Deaths()
    with Quarantine(deaths, 0).running([3]):
        deaths.left(0)
        assert deaths.died(0) == []
    assert deaths.find(3) is None


def test_the_oldest_are_forgotten_and_the_rest_is_known() -> None:
    deaths = Deaths()
    quarantine = Quarantine(deaths, 0)
    for first in range(1, KNOWN + 101, 50):
        with quarantine.running(range(first, first + 50)):
            deaths.died(0)
    known = [digest for digest in range(1, KNOWN + 151) if deaths.find(digest) is not None]
    assert len(known) == KNOWN


def test_more_at_once_than_there_are_places_are_not_marked() -> None:
    deaths = Deaths()
    quarantine = Quarantine(deaths, 0)
    for _ in range(2):
        with quarantine.running(range(1, MARKS + 100)), quarantine.running([9]):
            assert sum(map(bool, deaths.marks(0))) == MARKS
        assert not any(deaths.marks(0))


def test_digests_tell_models_versions_and_bodies_apart() -> None:
    quarantine = Quarantine()
    body = b"x" * 100
    assert quarantine.digest("m", 1, body) == quarantine.digest("m", 1, memoryview(body))
    digests = {
        quarantine.digest(*each)
        for each in (("m", 1, body), ("n", 1, body), ("m", 2, body), ("m", 1, body + b"y"))
    }
    assert len(digests) == 4
    assert all(0 < digest < 2**64 for digest in digests)
