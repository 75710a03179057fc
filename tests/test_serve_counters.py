"""What is counted: sums over workers, Prometheus' text as Prometheus reads it, and room for the versions to come."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from drivetrain.serve import counters as module
from drivetrain.serve.counters import Counters, Counts, Spent


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """As Prometheus reads it."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def one(text: str, name: str, **labels: str) -> float:
    return samples(text)[name, tuple(sorted(labels.items()))]


def test_the_sums_are_those_of_all_workers() -> None:
    counts = Counts(2)
    first, second = Counters(counts, 0), Counters(counts, 1)
    first.observe("houses", 1, "v2", 0.0007, 200)
    second.observe("houses", 1, "v2", 0.3, 200)
    second.observe("", None, "v2", 0.001, 404)
    for each in (first, second):
        text = each.text()
        of = {"model": "houses", "version": "1", "protocol": "v2"}
        assert one(text, "drivetrain_requests_total", status="200", **of) == 2
        assert one(text, "drivetrain_request_seconds_bucket", le="0.0005", **of) == 0
        assert one(text, "drivetrain_request_seconds_bucket", le="0.001", **of) == 1
        assert one(text, "drivetrain_request_seconds_bucket", le="+Inf", **of) == 2
        assert one(text, "drivetrain_request_seconds_sum", **of) == pytest.approx(0.3007)
        assert one(text, "drivetrain_request_seconds_count", **of) == 2
        assert one(text, "drivetrain_requests_total", model="", version="", protocol="v2", status="404") == 1
    assert first.total("drivetrain_requests_total", model="houses") == 2
    assert first.total("drivetrain_request_seconds") == 3


def test_the_text_is_what_prometheus_reads_whatever_models_are_called() -> None:
    counters = Counters()
    name = 'a"b\\c\nd}{ é'
    counters.observe(name, 3, "v1", 0.1, 500)
    counters.waiting(name, 7)
    counters.refused("queue")
    counters.reloaded(name, "failed")
    counters.recorded("written", 5)
    text = counters.text()
    assert one(text, "drivetrain_waiting_rows", model=name) == 7
    assert one(text, "drivetrain_refused_total", reason="queue") == 1
    assert one(text, "drivetrain_records_total", outcome="written") == 5
    assert one(text, "drivetrain_requests_in_flight") == 0
    assert one(text, "process_resident_memory_bytes", process="worker 0") > 1e6
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families)
    assert all(family.documentation for family in families)


def test_what_a_killed_worker_had_counted_is_counted_on_and_its_gauges_are_not() -> None:
    counts = Counts(1)
    process = os.fork()
    if not process:
        worker = Counters(counts, 0)
        worker.observe("m", 1, "v2", 0.1, 200)
        worker.in_flight(3)
        os._exit(1)
    os.waitpid(process, 0)
    again = Counters(counts, 0)
    again.observe("m", 1, "v2", 0.1, 200)
    assert again.total("drivetrain_requests_total") == 2
    assert again.total("drivetrain_requests_in_flight") == 0


def test_the_statistics_of_the_protocol() -> None:
    counts = Counts(2)
    first, second = Counters(counts, 0), Counters(counts, 1)
    first.ran("m", 2, 3, requests=2, queue=10, encode=20, infer=100, decode=30)
    second.ran("m", 2, 3, requests=1, queue=1, encode=2, infer=50, decode=3)
    second.ran("m", 2, 1, infer=7)
    second.observe("m", 2, "grpc", 0.5, 200)
    second.observe("m", 2, "grpc", 0.25, 400)
    second.observe("m", 1, "grpc", 0.25, 200)
    found = first.statistics("m", 2)
    assert (found.inference_count, found.execution_count) == (7, 3)
    assert (found.success, found.fail) == (Spent(1, 500_000_000), Spent(1, 250_000_000))
    assert found.queue == Spent(4, 11)
    assert found.compute_infer == Spent(4, 257)  # Each of two requests waited for the run of 100 ns.
    assert abs(found.last_inference / 1000 - time.time()) < 60
    assert list(found.batches) == [1, 3]
    assert found.batches[3].compute_infer == Spent(2, 150)
    assert found.batches[3].compute_input == Spent(2, 22)
    assert first.statistics("m", 9).success == Spent()
    text = first.text()
    assert one(text, "drivetrain_rows_total", model="m", version="2") == 7
    assert one(text, "drivetrain_stage_seconds_total", model="m", version="2", stage="infer") == 257e-9
    assert one(text, "drivetrain_batch_rows_bucket", model="m", version="2", le="2") == 1


def test_versions_come_and_go_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REGION", 2**14)
    counters = Counters(Counts(1), 0)
    counters.refused("queue")
    for version in range(200):
        counters.observe("m", version, "v2", 0.1, 200)
        counters.ran("m", version, 4, infer=7)
        assert counters.total("drivetrain_requests_total", version=str(version)) == 1
        if version:
            counters.forget("m", version - 1)
    assert counters.total("drivetrain_requests_total") == 1
    assert counters.total("drivetrain_refused_total") == 1
    assert counters.statistics("m", 199).inference_count == 4


def test_where_there_is_no_room_nothing_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REGION", 2**12)
    counters = Counters(Counts(1), 0)
    for number in range(500):
        counters.refused(f"reason {number}")
    assert 10 < counters.total("drivetrain_refused_total") < 500
    counters.refused("reason 0")
    assert counters.total("drivetrain_refused_total", reason="reason 0") == 2


def test_whoever_reads_while_series_are_moved_sees_all_or_nothing() -> None:
    counts = Counts(1)
    process = os.fork()
    if not process:
        worker = Counters(counts, 0)
        worker.refused("queue")
        for _ in range(3000):
            worker.observe("m", 1, "v2", 0.1, 200)
            worker.forget("m", 1)
        os._exit(0)
    reader = Counters(counts, 1)
    seen: set[Any] = set()
    while os.waitpid(process, os.WNOHANG)[0] == 0:
        seen.add(reader.total("drivetrain_refused_total"))
    assert 1 in seen
    assert seen <= {0, 1}
    assert reader.total("drivetrain_refused_total") == 1
