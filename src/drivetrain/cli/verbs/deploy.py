"""`drivetrain deploy`: the files that other systems run a server by."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from rich.markup import escape

from drivetrain.cli.common import Reply, terminal

HELP = "write what containers, Kubernetes, KServe, Triton, Spaces or Binder need to serve models"
EXAMPLE = "drivetrain deploy models/ --container --kubernetes --out deploy/"


def add(command: ArgumentParser) -> None:
    command.add_argument("path", metavar="PATH", help="a bundle, or a folder NAME/VERSION/ of bundles")
    command.add_argument(
        "--out", required=True, metavar="FOLDER", help="where to write; a new or empty folder"
    )
    command.add_argument("--container", action="store_true", help="a Containerfile, and all that it copies")
    command.add_argument("--compose", action="store_true", help="the same, and compose.yaml")
    command.add_argument(
        "--kubernetes", action="store_true", help="the same, and a Deployment, Service and autoscaler"
    )
    command.add_argument("--kserve", action="store_true", help="the same, and an InferenceService of KServe")
    command.add_argument("--triton", action="store_true", help="a model repository for Triton")
    command.add_argument("--space", action="store_true", help="a Space of Hugging Face")
    command.add_argument("--binder", action="store_true", help="a repository for Binder")
    command.add_argument(
        "--image", metavar="NAME", help="what the image is called (drivetrain-server:latest)"
    )
    command.add_argument("--config", metavar="FILE", help="a serve.toml that goes along")


def act(options: Namespace) -> Reply:
    from drivetrain.deploy.write import TARGETS, write

    chosen = [name for name in TARGETS if getattr(options, name)]
    given = {} if options.image is None else {"image": options.image}
    return write(options.path, options.out, chosen, config=options.config, **given), 0


def show(answer: dict[str, Any]) -> None:
    console = terminal()
    for path in answer["files"]:
        console.print(escape(path))
    console.print(f"{len(answer['files'])} files in {escape(answer['out'])}, {answer['bytes'] / 1e6:.1f} MB")
    if image := answer.get("image"):
        size = f"{image['packages'] / 1e6:.0f} MB of packages, {image['models'] / 1e6:.1f} MB of models"
        console.print(f"the image {escape(image['name'])}: {size}, and Debian's Python below them")
