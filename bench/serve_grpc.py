"""Claim: over gRPC one process of ours, all checks on, answers more requests for a CPU-second than MLServer, and at least half as
many as a server of grpc.aio and onnxruntime that checks, counts and writes down nothing.

Method: as in serve_rivals.py, the same tiny model behind each server on one core, 32 calls at a time over 4 channels of one caller
process on the other core, one row a request as raw contents. Five passes, the servers asked in turn in each; medians of requests a
second, of the server's CPU-seconds for 1,000 requests, and of the ratios within a pass. DRIVETRAIN_RIVALS names the Python that has
the rivals; without it MLServer is left out.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import grpc
import numpy as np
from common import spread, write_result
from serve_rivals import HERE, ROW, free_port, make, running

from drivetrain.serve.grpc.messages import message
from drivetrain.serve.http import run

PASSES, SECONDS, CONCURRENCY, CHANNELS = 5, 2.0, 32, 4
METHOD = "/inference.GRPCInferenceService/ModelInfer"


def main() -> None:
    rivals = os.environ.get("DRIVETRAIN_RIVALS")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        model = Path(folder) / "models" / "tiny" / "1" / "model.onnx"
        bundle = Path(folder) / "tiny.bundle"
        make(model, bundle)
        names = ["ours", "bare grpc.aio", *(["mlserver"] if rivals else [])]
        ports = {name: free_port() for name in names}
        commands = {
            "ours": [sys.executable, "-m", "drivetrain", "serve", str(bundle), "--http", "off", "--grpc", str(ports["ours"])],
            "bare grpc.aio": [sys.executable, str(HERE / "serving/grpc_onnx.py"), str(model), str(ports["bare grpc.aio"])],
            "mlserver": [
                str(rivals), str(HERE / "serving/mlserver_onnx.py"), str(Path(folder) / "models"), str(free_port()),
                str(ports.get("mlserver", 0)),
            ],
        }  # fmt: skip
        sessions = {name: stack.enter_context(running(commands[name], ports[name], folder)) for name in names}
        os.sched_setaffinity(0, {1})
        found = {name: [] for name in names}
        for _ in range(PASSES):
            for name in names:
                found[name].append(run(load(ports[name], sessions[name])))
    spent = {name: [1e6 * each["cpu"] / each["answers"] for each in passes] for name, passes in found.items()}
    rates = {name: [each["answers"] / each["seconds"] for each in passes] for name, passes in found.items()}
    figures = {
        "requests_per_second": {name: spread(each) for name, each in rates.items()},
        "server_cpu_microseconds_per_request": {name: spread(each) for name, each in spent.items()},
        "requests_per_second, ours over": {
            name: spread([own / other for own, other in zip(rates["ours"], rates[name])])
            for name in names[1:]
        },
        "requests_per_cpu_second, ours over": {
            name: spread([other / own for own, other in zip(spent["ours"], spent[name])])
            for name in names[1:]
        },
        "latency": {
            name: {key: spread([each[key] for each in passes]) for key in ("p50_ms", "p99_ms")}
            for name, passes in found.items()
        },
    }
    write_result(
        "serve_grpc",
        "requests a second of one process over gRPC, 32 at a time, one row of 8 numbers each, checks on",
        figures,
    )


def cpu_seconds(session: int) -> float:
    """Of all processes of a session so far."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[3]) == session:
            total += int(words[11]) + int(words[12])
    return total / os.sysconf("SC_CLK_TCK")


async def load(port: int, session: int) -> dict[str, float]:
    """Answers in SECONDS, after a second of warming up, and how long they took."""
    row = np.array([ROW], np.float32)
    given = {"name": "x", "datatype": "FP32", "shape": [1, 8]}
    asked = message("inference.ModelInferRequest")(
        model_name="tiny", inputs=[given], raw_input_contents=[row.tobytes()]
    ).SerializeToString()
    channels = [
        grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)])
        for _ in range(CHANNELS)
    ]
    answered = message("inference.ModelInferResponse").FromString(
        await channels[0].unary_unary(METHOD)(asked)
    )
    assert answered.model_name == "tiny"
    took: list[float] = []
    begun = time.perf_counter() + 1
    end = begun + SECONDS

    async def caller(place: int) -> None:
        call = channels[place % CHANNELS].unary_unary(METHOD)
        while (now := time.perf_counter()) < end:
            await call(asked)
            if now >= begun:
                took.append(time.perf_counter() - now)

    async def watch() -> float:
        await asyncio.sleep(begun - time.perf_counter())
        return cpu_seconds(session)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(caller(place) for place in range(CONCURRENCY)))
    seconds = time.perf_counter() - begun
    cpu = cpu_seconds(session) - await watching
    for channel in channels:
        await channel.close()
    p50, p99 = np.percentile(took, [50, 99]) * 1e3
    return {"answers": len(took), "seconds": seconds, "cpu": cpu, "p50_ms": float(p50), "p99_ms": float(p99)}


if __name__ == "__main__":
    main()
