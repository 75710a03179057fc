"""Ask a server, here or elsewhere, with numpy and the standard library alone.

    from drivetrain.client import Client

    flowers = Client("http://127.0.0.1:8000").model("flowers")
    flowers.predict("tulip.jpg").label

The answers are those of `drivetrain.runtime.Predictor`, equal to its own for the same bundle; what they were served by is
beside them in `answer.served`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivetrain.lazily import attributes, listing

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
__getattr__ = attributes(__name__, _MODULES)
__dir__ = listing(_MODULES)
