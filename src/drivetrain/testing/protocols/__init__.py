"""Whether a server keeps the Open Inference Protocol and TensorFlow Serving's, over REST and gRPC, asked case by case.

`python -m drivetrain.testing.protocols http://localhost:8000 --grpc localhost:8001` asks a server, whoever wrote it.
The cases ask small models whose answers are known: `--models FOLDER` writes them, as ONNX files in the layout of a repository.
"""

import importlib

from drivetrain.testing.protocols.suite import FAIL, PASS, SKIP, Case, Result, cases, run
from drivetrain.testing.protocols.target import Target

__all__ = ["FAIL", "PASS", "SKIP", "Case", "Result", "Target", "cases", "run"]

for _name in (
    "rest_infer",
    "rest_refused",
    "rest_binary",
    "rest_extensions",
    "rest_http",
    "rest_tfserving",
    "grpc_inference",
    "grpc_tfserving",
):  # As the report has them.
    importlib.import_module(f"{__name__}.{_name}")
