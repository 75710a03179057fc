"""`drivetrain serve`: answer many callers over HTTP and gRPC. Imports little: the server is to be there at once."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from functools import partial
from typing import TYPE_CHECKING, Any

from drivetrain.errors import UsageError

if TYPE_CHECKING:
    from drivetrain.serve.settings import Settings
    from drivetrain.serve.supervise import Listening

HELP = "answer many callers over HTTP and gRPC, from a bundle or a folder of models and versions"
EXAMPLE = "drivetrain serve models --http 8000 --grpc 8001"


def add(command: ArgumentParser) -> None:
    command.add_argument(
        "path", metavar="PATH", nargs="?", help="a bundle, or a folder MODELS/NAME/VERSION; a URL too"
    )
    command.add_argument(
        "--http", metavar="PORT", type=_port, help="where HTTP is heard (8000); 0 for a free port, off for none"
    )  # fmt: skip
    command.add_argument(
        "--grpc", metavar="PORT", type=_port, help="where gRPC is heard (off); 0 for a free port"
    )
    command.add_argument(
        "--host", help="the address that is listened on (127.0.0.1: this machine alone; 0.0.0.0: all that can reach it)"
    )  # fmt: skip
    command.add_argument(
        "--workers", metavar="N", type=int, help="processes that answer, which share the cores (1)"
    )
    command.add_argument(
        "--config", metavar="FILE", help="serve.toml: labels, traffic, batching, limits, who may call"
    )
    command.add_argument(
        "--records", metavar="URL",
        help="keep answers as records: sqlite:///FILE or postgresql://HOST/DATABASE",
    )  # fmt: skip
    command.add_argument(
        "--trusted",
        action="store_true",
        help="the bundles are yours: don't try them in a process of their own first",
    )
    command.add_argument("--new-key", metavar="NAME", help="make a key for who calls, print it, and end")


def act(options: Namespace) -> tuple[dict[str, Any] | None, int]:
    if options.new_key is not None:
        return _new_key(options.new_key), 0
    from drivetrain.extras import require
    from drivetrain.serve.supervise import supervise

    for package in ("httptools", "orjson"):
        require(package, "drivetrain serve", "serve")
    if not hasattr(os, "fork"):
        raise UsageError("a server needs a system that can fork: Linux or macOS.", where="serve")
    settings = _settings(options)
    if settings.grpc is not None:
        require("grpc", "--grpc", "serve")
    return None, supervise(settings, partial(_work, options), partial(_tell, as_json=options.json))


def show(answer: dict[str, Any]) -> None:
    """The only answer of its own: a key."""
    print(f"The key, which is shown this once:\n\n    {answer['key']}\n")
    print(f"Put this into serve.toml; callers send it as 'Authorization: Bearer KEY':\n\n{answer['toml']}")


def _work(options: Namespace, *given: Any) -> int:
    """A worker. What it needs is imported where it is: the parent stays small."""
    from drivetrain.serve.run import work

    return work(partial(_settings, options), options.trusted, *given)


def _settings(options: Namespace) -> Settings:
    from drivetrain.serve.load_settings import load_settings

    names = ("path", "http", "grpc", "host", "workers", "records")
    return load_settings(options.config, **{name: getattr(options, name) for name in names})


def _port(text: str) -> int | bool:
    """A port, or False for none."""
    if text == "off":
        return False
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port <= 65535:
        raise ArgumentTypeError(f"{text!r} is no port: give 0 to 65535, or off")
    return port


def _new_key(name: str) -> dict[str, Any]:
    from drivetrain.files import to_json
    from drivetrain.serve.access import new_key

    key, digest = new_key()
    lines = (
        "[[access.keys]]",
        f"name = {to_json(name)}",
        f'sha256 = "{digest}"',
        'rights = ["infer", "read"]',
    )
    return {"name": name, "key": key, "sha256": digest, "toml": "\n".join(lines) + "\n"}


def _tell(listening: Listening, as_json: bool) -> None:
    from drivetrain.files import to_json

    if as_json:
        told = {
            "http": listening.http,
            "grpc": listening.grpc,
            "models": listening.models,
            "pid": os.getpid(),
        }
        lines = [to_json(told)]
    else:
        names = ", ".join(listening.models[:10]) + (" ..." if len(listening.models) > 10 else "")
        lines = [f"Serving {names}. Ctrl-C ends it."]
        if listening.http:
            lines.append(f"  {listening.http}")
        if listening.grpc:
            lines.append(f"  gRPC: {listening.grpc}")
    try:
        print("\n".join(lines), flush=True)
    except BrokenPipeError:  # Nobody reads it, and it serves all the same.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
