"""What is spoken over HTTP: one file a protocol, each with its ROUTES. They parse and render; the rest is in `serve/path.py`."""

from __future__ import annotations

from drivetrain import extensions
from drivetrain.serve.types import Route

ROOM = "serve.protocols"


def routes() -> tuple[Route, ...]:
    """The routes of all protocols, those of extensions too."""
    found: list[Route] = []
    for name in extensions.names(ROOM):
        file = extensions.find(ROOM, name)
        found += extensions.offering(file, "ROUTES").ROUTES if file else ()
    return tuple(found)
