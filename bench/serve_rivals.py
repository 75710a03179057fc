"""Claim: one process of ours answers >= 5 times as many requests a second as a plain FastAPI + onnxruntime server, and
>= 15 times as many as LitServe and MLServer, all of our checks on.

Method: the same tiny model (a table's net of 8 numbers) behind each server on loopback, each on one core, 32 connections of one
caller process on the other, one row a request in JSON. MLServer as `mlserver start` runs it, the model in a process of its own,
and with it in the process that listens. Five passes, the servers asked in turn in each; medians of requests a second, and of the
ratios within a pass. DRIVETRAIN_RIVALS names the Python that has the rivals (MLServer 1.7.1 needs uvloop < 0.22).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from common import spread, write_result
from serving.load import load, post

PASSES, SECONDS, CONCURRENCY = 5, 4.0, 32
HERE = Path(__file__).parent
ROW = [0.1, -1.5, 2.0, 0.25, 3.0, -0.75, 1.0, 0.5]


def main() -> None:
    rivals = os.environ.get("DRIVETRAIN_RIVALS")
    if not rivals:
        sys.exit(
            "needs DRIVETRAIN_RIVALS, the Python of an environment with fastapi, uvicorn, litserve, mlserver, onnxruntime"
        )
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        model = Path(folder) / "models" / "tiny" / "1" / "model.onnx"
        bundle = Path(folder) / "tiny.bundle"
        make(model, bundle)
        ports = {
            name: free_port()
            for name in ("ours", "fastapi", "litserve", "mlserver", "mlserver in one process")
        }
        v2 = {"inputs": [{"name": "x", "shape": [1, 8], "datatype": "FP32", "data": ROW}]}
        rows = json.dumps({"rows": [ROW]}).encode()
        requests = {
            "ours": post("/v2/models/tiny/infer", json.dumps(v2).encode()),
            "ours, friendly": post("/models/tiny/predict", json.dumps({"x": ROW}).encode()),
            "fastapi": post("/predict", rows),
            "litserve": post("/predict", rows),
            "mlserver": post("/v2/models/tiny/infer", json.dumps(v2).encode()),
            "mlserver in one process": post("/v2/models/tiny/infer", json.dumps(v2).encode()),
        }
        ours = [sys.executable, "-m", "drivetrain", "serve", str(bundle), "--http", str(ports["ours"])]
        commands = {
            "ours": ours,
            "fastapi": [rivals, str(HERE / "serving/fastapi_onnx.py"), str(model), str(ports["fastapi"])],
            "litserve": [rivals, str(HERE / "serving/litserve_onnx.py"), str(model), str(ports["litserve"])],
            "mlserver": [str(Path(rivals).parent / "mlserver"), "start", as_usual(Path(folder), model, ports["mlserver"])],
            "mlserver in one process": [
                rivals, str(HERE / "serving/mlserver_onnx.py"), str(model.parents[2]), str(ports["mlserver in one process"]),
                str(free_port()),
            ],
        }  # fmt: skip
        for name, command in commands.items():
            stack.enter_context(running(command, ports[name], folder, requests[name]))
        found: dict[str, list[dict[str, float]]] = {name: [] for name in requests}
        for _ in range(PASSES):
            for name, request in requests.items():
                found[name].append(load(ports[name.partition(",")[0]], request, CONCURRENCY, SECONDS, core=1))
    wrong = {name: sum(each["refused"] + each["errors"] for each in passes) for name, passes in found.items()}
    if any(wrong.values()):
        sys.exit(f"some requests got no answer: {wrong}")
    rates = {name: [each["answers"] / each["seconds"] for each in passes] for name, passes in found.items()}
    ratios = {
        f"ours over {name}": spread([own / other for own, other in zip(rates["ours"], rates[name])])
        for name in ("fastapi", "litserve", "mlserver", "mlserver in one process")
    }
    latency = {
        name: {key: spread([each[key] for each in passes]) for key in ("p50_ms", "p99_ms")}
        for name, passes in found.items()
    }
    write_result(
        "serve_rivals",
        "requests a second of one process, 32 connections, one row of 8 numbers each, checks on",
        {
            "requests_per_second": {name: spread(each) for name, each in rates.items()},
            "ratios": ratios,
            "latency": latency,
        },
    )


def make(model: Path, bundle: Path) -> None:
    """A net of 8-32-4 with softmax, seeded, as ONNX and as a bundle."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    from drivetrain.runtime.adopting import from_onnx

    random = np.random.default_rng(0)
    weights = {"w1": (8, 32), "b1": (32,), "w2": (32, 4), "b2": (4,)}
    kept = [
        numpy_helper.from_array(random.normal(size=shape).astype(np.float32), name)
        for name, shape in weights.items()
    ]
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Gemm", ["r", "w2", "b2"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["y"]),
    ]
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", size])
        for name, size in (("x", 8), ("y", 4))
    ]
    graph = helper.make_graph(nodes, "tiny", ports[:1], ports[1:], initializer=kept)
    made = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 20)])
    model.parent.mkdir(parents=True)
    model.write_bytes(made.SerializeToString())
    from_onnx(model, bundle)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def as_usual(folder: Path, model: Path, port: int) -> str:
    """What `mlserver start` reads: the model behind the process that listens in one of its own, which is its default."""
    place = folder / "mlserver"
    (place / "tiny").mkdir(parents=True)
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    (place / "settings.json").write_text(json.dumps({"host": "127.0.0.1", "debug": False, **ports}))
    settings = {
        "name": "tiny",
        "implementation": "mlserver_onnx.Onnx",
        "parameters": {"uri": str(model), "version": "1"},
    }
    (place / "tiny" / "model-settings.json").write_text(json.dumps(settings))
    return str(place)


@contextmanager
def running(command: list[str], port: int, folder: str, request: bytes | None = None) -> Iterator[int]:
    """A server on core 0, from when it answers (this request with 200, where there is one) to the end of the bench; the id of its
    session."""
    log = Path(folder) / f"{port}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, cwd=folder, start_new_session=True, preexec_fn=lambda: os.sched_setaffinity(0, {0}),
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{HERE / 'serving'}:{os.environ.get('PYTHONPATH', '')}"},
        )  # fmt: skip
        try:
            for _ in range(600):
                if _answers(port, request):
                    break
                if process.poll() is not None:
                    sys.exit(f"{command[1]} ended: {log.read_text()[-2000:]}")
                time.sleep(0.1)
            time.sleep(3)
            yield process.pid
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _answers(port: int, request: bytes | None) -> bool:
    with socket.socket() as tried:
        tried.settimeout(5)
        try:
            tried.connect(("127.0.0.1", port))
            if request is None:
                return True
            tried.sendall(request)
            return tried.recv(4096).startswith(b"HTTP/1.1 200")
        except OSError:
            return False


if __name__ == "__main__":
    main()
