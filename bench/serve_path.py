"""Claim: what the server adds to the model is little: at concurrency 1 at most 0.5 ms (p50) and 2 ms (p99) over the bare
onnxruntime session; a ResNet-size model behind it, 32 callers, reaches 0.9 of the session's own best throughput.

Method: (a) a tiny net (8 numbers, 4 shares) is asked in this process, without sockets, and over loopback by callers in a process
of their own; processor time of the server for each request. (b) The same net by one caller at a time, beside its bare session,
in turn. (c) A net of ResNet-18's shape with random weights, 224 x 224: the session alone at each batch size, then the two
quickest sizes and the server with 32 callers (arrays, in this process) in turn; share of images a second, and of images a second
of processor time, which others on this machine disturb less. All checks are on. Medians of PASSES.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import spread, write_result
from serve_rivals import ROW, free_port, make, running
from serving.load import load, post
from serving.resnet import resnet

from drivetrain.runtime import from_onnx
from drivetrain.runtime.session import OnnxSession
from drivetrain.serve.http import run
from drivetrain.serve.path import answer_tensors
from drivetrain.serve.repository import Repository
from drivetrain.serve.router import Router
from drivetrain.serve.server import Server
from drivetrain.serve.settings import Settings
from drivetrain.serve.types import Asked, Request

PASSES, SECONDS, CONCURRENCY, IMAGES = 5, 2.0, 32, 96
SIZES = (1, 2, 4, 8, 16, 32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=("tiny", "resnet"))
    only = parser.parse_args().only
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        if only != "resnet":
            figures["tiny"] = tiny(Path(folder))
        if only != "tiny":
            figures["resnet"] = behind(Path(folder))
    write_result("serve_path", "what the server adds to the model", figures)


def tiny(folder: Path) -> dict[str, Any]:
    model, bundle = folder / "models" / "tiny" / "1" / "model.onnx", folder / "tiny.bundle"
    make(model, bundle)
    requests = {
        "v2": (
            "/v2/models/tiny/infer",
            {"inputs": [{"name": "x", "shape": [1, 8], "datatype": "FP32", "data": ROW}]},
        ),
        "friendly": ("/models/tiny/predict", {"x": ROW}),
    }
    bodies = {name: (path, json.dumps(body).encode()) for name, (path, body) in requests.items()}
    server, session = served(bundle), OnnxSession(model.read_bytes(), threads=1)
    row = {"x": np.array([ROW], np.float32)}
    inside: dict[str, list[float]] = {
        f"{name}, {callers} callers": [] for name in bodies for callers in (1, CONCURRENCY)
    }
    over: dict[str, list[dict[str, float]]] = {name: [] for name in inside}
    cpu: dict[str, list[float]] = {name: [] for name in inside}
    bare: list[dict[str, float]] = []
    port = free_port()
    command = [sys.executable, "-m", "drivetrain", "serve", str(bundle), "--http", str(port)]
    with running(command, port, str(folder)):
        pids = children(port)
        for _ in range(PASSES):
            bare.append(latency(lambda: session.run(row)))
            for name, (path, body) in bodies.items():
                for callers in (1, CONCURRENCY):
                    each = f"{name}, {callers} callers"
                    inside[each].append(run(asked(server, path, body, callers)))
                    before = sum(map(cpu_of, pids))
                    found = load(port, post(path, body), callers, SECONDS, core=1)
                    cpu[each].append(1e6 * (sum(map(cpu_of, pids)) - before) / max(found["answers"], 1))
                    over[each].append({**found, "rate": found["answers"] / found["seconds"]})
    return {
        "session_ms": {key: spread([each[key] for each in bare]) for key in ("p50_ms", "p99_ms")},
        "in_process_us_of_processor_per_request": {name: spread(each) for name, each in inside.items()},
        "loopback_requests_per_second": {name: spread([each["rate"] for each in found]) for name, found in over.items()},
        "loopback_us_of_processor_per_request": {name: spread(each) for name, each in cpu.items()},
        "overhead_ms": {
            f"{name}, {key}": spread([own[key] - alone[key] for own, alone in zip(over[f"{name}, 1 callers"], bare)])
            for name in bodies
            for key in ("p50_ms", "p99_ms")
        },
    }  # fmt: skip


def served(bundle: Path) -> Server:
    settings = Settings(str(bundle))
    repository = Repository(settings)
    repository.scan()
    return Server(settings, repository=repository, router=Router(repository))


async def asked(server: Server, path: str, body: bytes, callers: int, requests: int = 2000) -> float:
    """Microseconds of processor time for each request, without sockets."""

    async def caller() -> None:
        for _ in range(requests // callers):
            request = Request(
                "POST",
                path,
                headers={"content-type": "application/json"},
                body=body,
                arrived=time.monotonic(),
            )
            response = await server.answer(request)
            assert response.status == 200, response.body

    begun = time.process_time()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return 1e6 * (time.process_time() - begun) / (requests // callers * callers)


def latency(call: Callable[[], object], times: int = 2000) -> dict[str, float]:
    call()
    found: list[float] = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        found.append(1000 * (time.perf_counter() - begun))
    found.sort()
    return {"p50_ms": found[times // 2], "p99_ms": found[int(0.99 * times)]}


def children(port: int) -> list[int]:
    """The processes of the server that listens on a port, by their command."""
    found: list[int] = []
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            try:
                words = (each / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"serve" in words and str(port).encode() in words:
                found.append(int(each.name))
    return found


def cpu_of(pid: int) -> float:
    """Seconds of processor time that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def behind(folder: Path) -> dict[str, Any]:
    """A ResNet-size model alone and behind the server."""
    data, bundle = resnet(), folder / "resnet.bundle"
    rows = np.random.default_rng(0).normal(size=(1, 3, 224, 224)).astype(np.float32)
    from_onnx(data, bundle, examples={"x": np.repeat(rows, 2, axis=0)})
    server, session = served(bundle), OnnxSession(data)
    alone: dict[int, list[float]] = {size: [] for size in SIZES}
    alone_cpu: dict[int, list[float]] = {size: [] for size in SIZES}
    ours: list[float] = []
    ours_cpu: list[float] = []
    for size in SIZES:
        note(alone, alone_cpu, size, measured(batches, session, rows, size))
    quickest = sorted(SIZES, key=lambda size: -alone_cpu[size][0])[:2]
    shares: dict[str, list[float]] = {"by the clock": [], "by processor time": []}
    for _ in range(PASSES):
        for size in quickest:
            note(alone, alone_cpu, size, measured(batches, session, rows, size))
        rate, cpu = measured(ask_for_images, server, rows)
        ours.append(rate)
        ours_cpu.append(cpu)
        shares["by the clock"].append(rate / max(alone[size][-1] for size in quickest))
        shares["by processor time"].append(cpu / max(alone_cpu[size][-1] for size in quickest))
    return {
        "session_images_per_second": {size: spread(each) for size, each in alone.items()},
        "session_images_per_processor_second": {size: spread(each) for size, each in alone_cpu.items()},
        "server_images_per_second": spread(ours), "server_images_per_processor_second": spread(ours_cpu),
        "share_of_the_session": {how: spread(each) for how, each in shares.items()},
    }  # fmt: skip


def note(
    rates: dict[int, list[float]], cpus: dict[int, list[float]], size: int, found: tuple[float, float]
) -> None:
    rates[size].append(found[0])
    cpus[size].append(found[1])


def measured(work: Callable[..., int], *given: Any) -> tuple[float, float]:
    """Images a second, and a second of processor time, of work that says how many it did."""
    begun, cpu = time.perf_counter(), time.process_time()
    images = work(*given)
    return images / (time.perf_counter() - begun), images / (time.process_time() - cpu)


def batches(session: OnnxSession, rows: np.ndarray, size: int) -> int:
    many, times = np.repeat(rows, size, axis=0), max(1, IMAGES // size)
    for _ in range(times):
        session.run({"x": many})
    return times * size


def ask_for_images(server: Server, rows: np.ndarray) -> int:
    run(images(server, rows))
    return IMAGES


async def images(server: Server, rows: np.ndarray) -> None:
    """IMAGES requests of one picture each, by 32 callers."""

    async def caller() -> None:
        for _ in range(IMAGES // CONCURRENCY):
            request = Request(
                "POST", "/v2/models/resnet/infer", body=rows.tobytes(), arrived=time.monotonic()
            )
            await answer_tensors(server, Asked("resnet"), {"x": rows}, request)

    await asyncio.gather(*(caller() for _ in range(CONCURRENCY)))


if __name__ == "__main__":
    main()
