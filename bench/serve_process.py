"""The server as a process: how soon it answers, what memory it takes, whether it grows, what it does under too much load.

Claim: from the process's start to the first answer <= 0.7 s for a tiny model and <= 1.5 s for a ResNet-18, golden cases checked;
memory above that of the bare onnxruntime session <= 100 MB; <= 16 MB more after 200,000 mixed requests; asked ten times what it can
serve, every request is answered or refused, >= 90 % of the peak is still answered, and within 5 s after it callers are answered as
before.
Method: fresh processes in turn, Python's start included, bundles that this machine has verified before, and beside it unknown to it
(then a child process tries them first). Packages are compiled, as an installed program's are. Memory: proportional set size of
parent and worker, over that of a process that has imported numpy and onnxruntime and run the same graph once. Growth: one caller,
keep-alive, raw items, arrays, faulty JSON, unknown models and metadata in turn; memory after 10,000 requests and after all. Load:
callers in a process of their own; the peak with 16 at a time, each asking again at once, of a model that lets 64 rows wait, one of
some 10 ms a row and one of some 3; then 512 that ask at ten times that rate, whatever becomes of it.
Machine, n and date: in results/serve_process.json.
Run: python bench/serve_process.py TINY.bundle RESNET.bundle [--requests 200000]
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from common import spread, write_result
from serving.load import load, post

RUNS = 9
CALLERS, TOO_MANY, SECONDS = 16, 512, 6.0
BARE = """
import sys, time
import numpy, onnxruntime
from drivetrain.bundle.archive import read_zip
options = onnxruntime.SessionOptions()
graph = bytes(read_zip(open(sys.argv[1], "rb").read())["model.onnx"])
session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
del graph
types = {"tensor(float)": "float32", "tensor(int64)": "int64", "tensor(uint8)": "uint8", "tensor(int32)": "int32"}
session.run(None, {
    each.name: numpy.zeros([size if isinstance(size, int) else 1 for size in each.shape], types[each.type])
    for each in session.get_inputs()
})
print("ready", flush=True)
time.sleep(600)
"""
SLOW = {"10 ms a row": 14, "3 ms a row": 4}
"""Models to overload -> their matrix products."""


class Server:
    def __init__(self, path: Path, state: str, *options: str) -> None:
        environment = {**os.environ, "DRIVETRAIN_STATE": state}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-m", "drivetrain", "serve", str(path), "--http", "0", "--json", *options]
        self.begun = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        assert self.process.stdout
        told = json.loads(self.process.stdout.readline())
        self.port, self.model = int(told["http"].rpartition(":")[2]), told["models"][0]

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        found = response.read()
        connection.close()
        return response.status, json.loads(found)

    def example(self) -> bytes:
        """One row of zeros, as the tensor protocol takes it."""
        inputs = self.ask("GET", f"/v2/models/{self.model}")[1]["inputs"]
        given = []
        for each in inputs:
            shape = [1, *each["shape"][1:]]
            given.append({**each, "shape": shape, "data": np.zeros(shape, int).ravel().tolist()})
            given[-1].pop("parameters", None)
        return json.dumps({"inputs": given}).encode()

    def processes(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [self.process.pid, *map(int, children)]

    def memory(self) -> float:
        return sum(map(megabytes, self.processes()))


@contextmanager
def serving(path: Path, state: str, *options: str) -> Iterator[Server]:
    server = Server(path, state, *options)
    try:
        yield server
    finally:
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(60)
        server.process.communicate()


def megabytes(process: int) -> float:
    """Proportional set size: what is shared counts for each its part."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise ValueError("no Pss")


def first_answer(path: Path, body: bytes, state: str) -> float:
    with serving(path, state) as server:
        status, answer = server.ask("POST", f"/v2/models/{server.model}/infer", body)
        seconds = time.perf_counter() - server.begun
        assert status == 200, answer
        return seconds


def above_the_session(path: Path, body: bytes, state: str) -> dict[str, float]:
    bare = subprocess.Popen([sys.executable, "-c", BARE, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert bare.stdout
        bare.stdout.readline()
        session = megabytes(bare.pid)
    finally:
        bare.kill()
        bare.communicate()
    with serving(path, state) as server:
        for _ in range(20):
            assert server.ask("POST", f"/v2/models/{server.model}/infer", body)[0] == 200
        whole = server.memory()
    return {"server": whole, "session": session, "above": whole - session}


def growth(path: Path, state: str, requests: int) -> dict[str, float]:
    """MB after the first 10,000 and after all, of one worker that is asked all kinds of things."""
    with serving(path, state) as server:
        tensors = server.example()
        name, inputs = server.model, json.loads(tensors)["inputs"]
        raw = json.dumps({each["name"]: "0" for each in inputs}).encode()
        kinds = [
            ("POST", f"/v2/models/{name}/infer", tensors),
            ("POST", f"/models/{name}/predict", raw),
            ("POST", f"/models/{name}/predict", b"[" + b",".join([raw] * 5) + b"]"),
            ("POST", f"/v2/models/{name}/infer", tensors[:-2]),
            ("POST", "/v2/models/nobody/infer", tensors),
            ("GET", f"/v2/models/{name}", None),
        ]
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        first = 0.0
        for number in range(requests):
            method, where, body = kinds[number % len(kinds)]
            connection.request(method, where, body, {"Content-Type": "application/json"})
            connection.getresponse().read()
            if number == min(10_000, requests // 2):
                first = server.memory()
        return {"requests": requests, "after 10,000": first, "after all": server.memory()}


def overload(folder: Path, state: str, products: int) -> dict[str, Any]:
    """As many requests a second as it can answer, and ten times as many."""
    bundle = slow_model(folder, products)
    config = folder / "serve.toml"
    config.write_text("[defaults.batching]\nmost = 1\nqueue = 64\n")
    with serving(bundle, state, "--config", str(config)) as server:
        request = post(f"/v2/models/{server.model}/infer", server.example(), port=server.port)
        alone = load(server.port, request, 1, 2.0)
        peak = load(server.port, request, CALLERS, SECONDS)
        rate = 10 * peak["answers"] / peak["seconds"]
        much = load(server.port, request, TOO_MANY, SECONDS, rate=rate)
        ended = time.perf_counter()
        while True:
            after = load(server.port, request, 1, 0.5)
            if after["p50_ms"] <= 1.5 * alone["p50_ms"] or time.perf_counter() - ended > 30:
                break
        recovery = time.perf_counter() - ended
    rates = {name: each["answers"] / each["seconds"] for name, each in (("peak", peak), ("ten times", much))}
    return {
        "answers a second": rates,
        "asked a second at ten times": rate,
        "refusals a second": much["refused"] / much["seconds"],
        "connections cut": peak["errors"] + much["errors"],
        "goodput over peak": rates["ten times"] / rates["peak"],
        "recovery, seconds, at most": recovery,
        "p50_ms alone before and after": [alone["p50_ms"], after["p50_ms"]],
    }


def slow_model(folder: Path, products: int) -> Path:
    """So many matrix products one after the other, each some 0.7 ms."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from drivetrain.runtime import from_onnx

    size = 512
    weights = np.eye(size, dtype=np.float32) * 0.99
    nodes = [helper.make_node("Expand", ["x", "square"], ["h0"])]
    nodes += [helper.make_node("MatMul", [f"h{n}", "w"], [f"h{n + 1}"]) for n in range(products)]
    nodes.append(helper.make_node("ReduceMean", [f"h{products}", "axes"], ["y"], keepdims=0))
    ports = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 1, size]),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", size]),
    ]
    kept = [
        numpy_helper.from_array(weights, "w"),
        numpy_helper.from_array(np.array([1, size, size]), "square"),
        numpy_helper.from_array(np.array([1]), "axes"),
    ]
    graph = helper.make_graph(nodes, "slow", ports[:1], ports[1:], initializer=kept)
    made = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 20)])
    onnx.checker.check_model(made)
    from_onnx(made.SerializeToString(), folder / "slow.bundle", name="slow", force=True)
    return folder / "slow.bundle"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tiny", type=Path)
    parser.add_argument("resnet", type=Path)
    parser.add_argument("--requests", type=int, default=200_000)
    options = parser.parse_args()
    bundles = {"tiny": options.tiny, "ResNet-18": options.resnet}
    seconds: dict[str, list[float]] = {}
    memory: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as known, tempfile.TemporaryDirectory() as folder:
        bodies: dict[str, bytes] = {}
        for name, bundle in bundles.items():
            with serving(bundle, known) as server:
                bodies[name] = server.example()
        for _ in range(RUNS):
            for name, bundle in bundles.items():
                seconds.setdefault(name, []).append(first_answer(bundle, bodies[name], known))
                with tempfile.TemporaryDirectory() as unknown:
                    taken = first_answer(bundle, bodies[name], unknown)
                    seconds.setdefault(f"{name}, unknown bundle", []).append(taken)
        for name, bundle in bundles.items():
            memory[name] = above_the_session(bundle, bodies[name], known)
        figures = {
            "seconds to the first answer": {name: spread(values) for name, values in seconds.items()},
            "memory, MB": memory,
            "growth, MB": growth(options.tiny, known, options.requests),
            "overload": {name: overload(Path(folder), known, products) for name, products in SLOW.items()},
        }
    write_result(
        "serve_process",
        "first answer <= 0.7 s and 1.5 s, <= 100 MB above the session, growth <= 16 MB",
        figures,
    )


if __name__ == "__main__":
    main()
