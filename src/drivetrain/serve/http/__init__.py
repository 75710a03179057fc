"""HTTP/1.1 on httptools (llhttp, the parser of Node) and uvloop: small, because what it has to do is small, and strict,
because it stands towards the network. `serve_http` is all that others need."""

from __future__ import annotations

from drivetrain.serve.http.listen import HttpServer, run, serve_http

__all__ = ["HttpServer", "run", "serve_http"]
