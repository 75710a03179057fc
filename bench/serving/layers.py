"""One tiny handler behind one HTTP layer. Run as `python layers.py LAYER PORT`: own, own-asyncio, uvicorn or granian.

The handler reads a small JSON body strictly and answers with another. All layers run the same checks (Host, Origin, keys, rates,
routes, size of the body, id of the request): `own` in its protocol class, the others through `drivetrain.serve.http.asgi`, which
alone leaves out deadlines, since those are the business of what listens."""

from __future__ import annotations

import asyncio
import socket
import sys

from drivetrain.serve import refusals, strict_json
from drivetrain.serve.access import Gate
from drivetrain.serve.http import run, serve_http
from drivetrain.serve.http.asgi import application
from drivetrain.serve.routes import Routes
from drivetrain.serve.settings import Access, Key, Limits, Settings
from drivetrain.serve.types import Request, Response, Route

KEY = "dt_" + "k" * 43
SETTINGS = Settings(
    "", limits=Limits(requests_per_second=1e9),
    access=Access(keys=(Key("bench", "03cd36293d14c79e47ecf20ab6580aee8496caac0a054332e94f3610f76fae1d"),)),
)  # fmt: skip


async def double(server: object, request: Request, places: object) -> Response:
    value = strict_json.loads(request.body)
    return Response(strict_json.dumps({"answer": value["x"] * 2}))


class Server:
    def __init__(self) -> None:
        self.routes = Routes([Route("POST", "/models/{model}/predict", double)])
        self.gate = Gate(SETTINGS)

    async def answer(self, request: Request) -> Response:
        try:
            return await request.route.handler(self, request, request.places)
        except Exception as error:  # noqa: BLE001
            return refusals.response(error, request)


app = application(Server(), SETTINGS)


async def own(port: int) -> None:
    listening = await serve_http(Server(), [socket.create_server(("127.0.0.1", port))], SETTINGS)
    await asyncio.Event().wait()
    await listening.close()


if __name__ == "__main__":
    layer, port = sys.argv[1], int(sys.argv[2])
    if layer == "own":
        run(own(port))
    elif layer == "own-asyncio":
        asyncio.run(own(port))
    elif layer == "uvicorn":
        import uvicorn

        uvicorn.run(app, port=port, http="httptools", loop="uvloop", log_level="error", access_log=False)
    else:
        from granian import Granian
        from granian.constants import Interfaces

        Granian(
            "layers:app",
            address="127.0.0.1",
            port=port,
            interface=Interfaces.ASGI,
            workers=1,
            log_access=False,
        ).serve()
