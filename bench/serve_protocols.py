"""Claim: our server does all that the conformance suite of both protocols asks; MLServer, the other Python server of the Open
Inference Protocol, doesn't.

Method: `python -m drivetrain.testing.protocols` against each, in one run, on the suite's own models: ours serves them as
bundles, MLServer by a runtime of a few lines around onnxruntime (serving/mlserver_onnx.py; what it answers to shapes that
don't fit is partly that runtime's doing). By group: how many cases hold, fail, and can't be tried (MLServer speaks nothing of
TensorFlow Serving's, and doesn't announce the extensions). DRIVETRAIN_RIVALS names the Python that has MLServer.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from common import write_result
from serve_rivals import HERE, free_port, running

from drivetrain.runtime.adopting import from_onnx
from drivetrain.testing.protocols import Result, Target, cases, run
from drivetrain.testing.protocols.models import graphs, write_models

GROUPS = {
    "v2": "REST, inference",
    "http": "HTTP",
    "v1": "REST, TensorFlow Serving",
    "grpc": "gRPC, inference",
    "tfgrpc": "gRPC, TensorFlow",
}


def main() -> None:
    rivals = os.environ.get("DRIVETRAIN_RIVALS")
    if not rivals:
        sys.exit("needs DRIVETRAIN_RIVALS, the Python of an environment with mlserver and onnxruntime")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        names = write_models(Path(folder) / "onnx")
        for name in names:
            version = Path(folder) / "bundles" / name / ("123" if name == "half_plus_three" else "1")
            version.mkdir(parents=True)
            from_onnx(graphs()[name], version / f"{name}.bundle")
        ports = {name: (free_port(), free_port()) for name in ("drivetrain", "mlserver")}
        http, grpc = ports["drivetrain"]
        serve = [
            sys.executable,
            "-m",
            "drivetrain",
            "serve",
            str(Path(folder) / "bundles"),
            "--http",
            str(http),
            "--grpc",
            str(grpc),
        ]
        stack.enter_context(running(serve, http, folder))
        http, grpc = ports["mlserver"]
        other = [
            rivals,
            str(HERE / "serving/mlserver_onnx.py"),
            str(Path(folder) / "onnx"),
            str(http),
            str(grpc),
        ]
        stack.enter_context(running(other, http, folder))
        found = {
            name: [*run(Target(f"http://127.0.0.1:{http}", f"127.0.0.1:{grpc}"), cases())]
            for name, (http, grpc) in ports.items()
        }
    write_result(
        "serve_protocols",
        f"{len(cases())} cases of the Open Inference Protocol and TensorFlow Serving's, over REST and gRPC",
        {
            "cases": len(cases()),
            "groups": {
                told: {name: _counts(results, group) for name, results in found.items()}
                for group, told in GROUPS.items()
            },
            "all": {name: _counts(results, "") for name, results in found.items()},
            "failed": {
                name: {each.case.name: each.reason for each in results if each.outcome == "fail"}
                for name, results in found.items()
            },
        },
    )


def _counts(results: list[Result], group: str) -> dict[str, Any]:
    counts = Counter(
        each.outcome for each in results if not group or each.case.name.partition(".")[0] == group
    )
    musts = sum(
        each.outcome == "fail" and each.case.must
        for each in results
        if not group or each.case.name.startswith(f"{group}.")
    )
    return {
        "hold": counts["pass"],
        "fail": counts["fail"],
        "not tried": counts["skip"],
        "of them musts": musts,
    }


if __name__ == "__main__":
    main()
