"""Binder: a notebook in the browser that has the models beside it, and the server behind it."""

from __future__ import annotations

import json
from typing import Any

from drivetrain.bundle import Bundle
from drivetrain.bundle.program import Forecast, Generate
from drivetrain.deploy import container
from drivetrain.deploy.plan import Plan
from drivetrain.deploy.requirements import requirements_txt
from drivetrain.deploy.wheel import wheel
from drivetrain.files import sha256


def files(plan: Plan) -> dict[str, bytes]:
    """A repository for mybinder.org: what to install, the models, and a notebook that asks each of them."""
    wheel_name, data = wheel()
    found = {
        "binder/requirements.txt": requirements_txt(plan.extras, f"./{wheel_name}"),
        "runtime.txt": b"python-3.11\n",
        wheel_name: data,
        "models.ipynb": json.dumps(_notebook(plan), indent=1).encode(),
        **container.models(plan),
    }
    return {f"binder/{path}": each for path, each in found.items()}


def _notebook(plan: Plan) -> dict[str, Any]:
    cells = [_cell("markdown", f"# {plan.name}\nThe models of this folder, answered without torch.")]
    for each in plan.models:
        takes = "\n".join(
            f"# {name}: {codec.input_words()}" for name, codec in each.bundle.signature.inputs.items()
        )
        kind = _answering(each.bundle)
        code = f"from drivetrain.runtime import {kind}\n\nmodel = {kind}({f'models/{each.path}'!r})\n{takes}\nmodel"
        cells += [_cell("markdown", f"## {each.name}, version {each.version}"), _cell("code", code)]
    serving = "import subprocess, sys\n\nserver = subprocess.Popen([sys.executable, '-m', 'drivetrain', 'serve', 'models'])"
    cells += [
        _cell("markdown", "## The server\nStarted here, asked at http://127.0.0.1:8000."),
        _cell("code", serving),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _answering(bundle: Bundle) -> str:
    """The class of ours that answers from it."""
    if isinstance(bundle.program, Forecast):
        return "Forecaster"
    if isinstance(bundle.program, Generate):
        return "Generator"
    return "Recommender" if bundle.recommender is not None else "Predictor"


def _cell(kind: str, text: str) -> dict[str, Any]:
    lines = text.splitlines(keepends=True)
    found: dict[str, Any] = {
        "cell_type": kind,
        "id": sha256(text.encode())[:16],
        "metadata": {},
        "source": lines,
    }
    return found | ({"execution_count": None, "outputs": []} if kind == "code" else {})
