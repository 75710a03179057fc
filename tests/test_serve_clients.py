"""Clients that nobody here wrote, against a running server: tritonclient, kserve's, and TensorFlow Serving's own stubs.

They pin packages that don't go with ours, so they run in an environment of their own, which `make test-clients` makes; where
DRIVETRAIN_CLIENTS (or DRIVETRAIN_TRITON_PYTHON) names no Python that has them, these tests are skipped.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from grpc_server import served
from serving import a_repository, simple_bundle

HERE = Path(__file__).parent / "clients"
CLIENTS = {
    "triton_client": "tritonclient",
    "kserve_client": "kserve",
    "tensorflow_client": "tensorflow_serving",
}
"""File of cases -> the package that it is for."""
PYTHON = os.environ.get("DRIVETRAIN_CLIENTS") or os.environ.get("DRIVETRAIN_TRITON_PYTHON", "")


def cases(client: str) -> list[str]:
    tree = ast.parse((HERE / f"{client}.py").read_text())
    return [
        each.name for each in tree.body if isinstance(each, ast.FunctionDef) and each.name.startswith("case_")
    ]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    if not PYTHON:
        pytest.skip(
            "DRIVETRAIN_CLIENTS names no Python with other clients in it: make test-clients makes one"
        )
    models = a_repository(
        tmp_path_factory.mktemp("clients") / "models", "blend", "houses", "pictures", "writer"
    )
    for name, texts in (("simple", False), ("simple_string", True)):
        (models / name / "1").mkdir(parents=True)
        simple_bundle(models / name / "1" / "model.bundle", texts)
    with served(models) as found:
        yield f"localhost:{found.grpc}", f"localhost:{found.http}"


@pytest.fixture(scope="module")
def outcomes(server: tuple[str, str]) -> dict[str, Mapping[str, str]]:
    """Of each client, what became of its cases: "" where it went well. Empty where the client isn't there."""
    source = Path(__file__).parent.parent / "src"
    found: dict[str, Mapping[str, str]] = {}
    for client, package in CLIENTS.items():
        if subprocess.run([PYTHON, "-c", f"import {package}"], capture_output=True, timeout=60).returncode:
            found[client] = {}
            continue
        done = subprocess.run(
            [PYTHON, str(HERE / "cases.py"), client, *server],
            capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": str(source)},
        )  # fmt: skip
        told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        found[client] = {each["case"]: each["fault"] for each in told} or {"": done.stderr}
    return found


@pytest.mark.parametrize(("client", "case"), [(client, case) for client in CLIENTS for case in cases(client)])
@pytest.mark.timeout(300)
def test_a_client_from_elsewhere(client: str, case: str, outcomes: Mapping[str, Mapping[str, str]]) -> None:
    if not outcomes[client]:
        pytest.skip(f"{CLIENTS[client]} isn't in that environment")
    assert outcomes[client].get(case, outcomes[client].get("", "it wasn't run")) == ""
