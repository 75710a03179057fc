"""Ask a server, here or elsewhere, with numpy and the standard library alone.

    from drivetrain.client import Client

    flowers = Client("http://127.0.0.1:8000").model("flowers")
    flowers.predict("tulip.jpg").label

The answers are those of `drivetrain.runtime.Predictor`, equal to its own for the same bundle; what they were served by is
beside them in `answer.served`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drivetrain.client.asynchronous import AsyncClient
    from drivetrain.client.call import Refused
    from drivetrain.client.sync import Client

__all__ = ["AsyncClient", "Client", "Refused"]
_MODULES = {
    "AsyncClient": "drivetrain.client.asynchronous",
    "Client": "drivetrain.client.sync",
    "Refused": "drivetrain.client.call",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
