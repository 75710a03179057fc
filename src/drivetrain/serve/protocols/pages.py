"""The pages: a list of models, and one for each model, made from its schema by the browser. They are files that hold no data; what
they show they ask for by the same routes as every other caller, with that caller's key."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from drivetrain.serve.protocols.base import FRIENDLY, answered, asked_of
from drivetrain.serve.types import Refusal, Request, Response, Route

if TYPE_CHECKING:
    from drivetrain.serve.server import Server

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Nothing from elsewhere, nothing inline, nothing framed; and no text becomes HTML, whatever a page's script should try."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "camera=(self), microphone=(self), clipboard-write=(self), geolocation=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


@cache
def _files() -> Mapping[str, tuple[bytes, str, str]]:
    """Name -> content, type and tag of each file of the pages."""
    found: dict[str, tuple[bytes, str, str]] = {}
    for file in files("drivetrain.serve").joinpath("pages").iterdir():
        kind = KINDS.get("." + file.name.rpartition(".")[2])
        if kind is not None:
            data = file.read_bytes()
            found[file.name] = data, kind, f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    return found


def sent(name: str, request: Request) -> Response:
    """A file, or that the browser has it already. Raises Refusal."""
    if name not in _files():
        raise Refusal(404, "there is no such page.", where=request.path, fix="The pages begin at /.")
    data, kind, tag = _files()[name]
    headers = {**HEADERS, "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(b"", 304, kind, headers)
    return Response(data, 200, kind, headers)


async def models_page(server: Server, request: Request, places: Mapping[str, str]) -> Response:
    return sent("index.html", request)


async def model_page(server: Server, request: Request, places: Mapping[str, str]) -> Response:
    """The same for each name: whether there is such a model the page is told when it asks, with the caller's key."""
    return sent("model.html", request)


async def page_file(server: Server, request: Request, places: Mapping[str, str]) -> Response:
    return sent(places["file"], request)


async def signature(server: Server, request: Request, places: Mapping[str, str]) -> Response:
    """The codecs of a model, and what its task knows of it: `drivetrain predict URL` reads files and prints answers by them, as
    it does of a bundle that it holds."""
    servable = server.router.find(asked_of(server, request, places))
    bundle = servable.bundle
    return answered(
        {
            "model": servable.name, "version": servable.version, "hash": servable.hash, "task": bundle.manifest.get("task"),
            "facts": bundle.manifest.get("facts", {}), "program": servable.program, "signature": bundle.signature.to_json(),
        }
    )  # fmt: skip


ROUTES = (
    Route("GET", "/", models_page, "open", "The page that lists the models."),
    Route("GET", "/models/{model}/page", model_page, "open", "The page of a model: ask it in the browser."),
    Route("GET", "/pages/{file}", page_file, "open", "A file of the pages."),
    *(Route("GET", f"{root}/signature", signature, "read", "The codecs of a model.") for root in FRIENDLY),
)
