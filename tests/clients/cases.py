"""Runs the cases of a client in whatever Python has it, and prints what became of each as a line of JSON. Nothing of Drivetrain is
needed here, nor used."""

from __future__ import annotations

import json
import sys
import traceback
from types import ModuleType


def run(module: ModuleType, grpc: str, http: str) -> None:
    """Each function `case_NAME(grpc, http)`: two addresses, HOST:PORT."""
    for name in [each for each in vars(module) if each.startswith("case_")]:
        try:
            getattr(module, name)(grpc, http)
            fault = ""
        except BaseException:  # noqa: BLE001 - each case is told of, whatever becomes of it.
            fault = traceback.format_exc(limit=-4)
        print(json.dumps({"case": name, "fault": fault}), flush=True)


if __name__ == "__main__":
    run(__import__(sys.argv[1]), *sys.argv[2:])
