"""A container: what builds its image, and nothing in it that answering doesn't need."""

from __future__ import annotations

import json

from drivetrain.deploy.plan import GRPC, HTTP, Plan
from drivetrain.deploy.requirements import STRIPPED, requirements_txt
from drivetrain.deploy.wheel import wheel

BUILDER = "docker.io/library/python:3.11-slim-bookworm"
BASE = "gcr.io/distroless/python3-debian12:nonroot"
"""Debian's Python 3.11 and what it needs: no shell, no package manager, no root (about 52 MB of Debian packages)."""
TARGET = "/app"


def files(plan: Plan, port: int = HTTP, name: str = "Containerfile") -> dict[str, bytes]:
    """What an image is built from, by path: its description, the packages to install, this package, the models, the settings."""
    wheel_name, wheel_data = wheel()
    found = {
        name: _description(plan, wheel_name, port).encode(),
        "requirements.txt": requirements_txt(plan.extras),
        wheel_name: wheel_data,
        ".dockerignore": b"kubernetes.yaml\nkserve.yaml\ncompose.yaml\ntriton\n",
        **models(plan),
    }
    return found | ({"serve.toml": plan.config.encode()} if plan.config else {})


def models(plan: Plan) -> dict[str, bytes]:
    """The repository: models/NAME/VERSION/NAME.bundle."""
    return {f"models/{each.path}": each.packed for each in plan.models}


def arguments(config: str = "", port: int = HTTP) -> list[str]:
    """What drivetrain is started with in the image; `config` is where serve.toml lies there, "" for none."""
    chosen = ["--config", config] if config else []
    return ["serve", "/models", "--host", "0.0.0.0", "--http", str(port), "--grpc", str(GRPC), *chosen]


def _description(plan: Plan, wheel_name: str, port: int) -> str:
    patterns = " -o ".join(f"-path '{TARGET}/{pattern}'" for pattern in STRIPPED)
    copy_config = "COPY serve.toml /serve.toml\n" if plan.config else ""
    probe = (
        f"import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}/health/ready', timeout=2)"
    )
    command = arguments("/serve.toml" if plan.config else "", port)
    return f"""# Written by drivetrain. Build and run it with docker or podman:
#   docker build -f Containerfile -t {plan.image} .
#   docker run --rm --read-only --tmpfs /tmp --cap-drop ALL -p {port}:{port} -p {GRPC}:{GRPC} {plan.image}
FROM {BUILDER} AS build
COPY requirements.txt {wheel_name} /build/
RUN pip install --no-cache-dir --no-compile --only-binary :all: --no-deps --target {TARGET} -r /build/requirements.txt \\
 && pip install --no-cache-dir --no-compile --no-deps --target {TARGET} /build/{wheel_name} \\
 && find {TARGET} -type f \\( {patterns} \\) -delete

FROM {BASE}
COPY --from=build {TARGET} {TARGET}
COPY models /models
{copy_config}ENV PYTHONPATH={TARGET} PYTHONDONTWRITEBYTECODE=1 DRIVETRAIN_CACHE=/tmp/drivetrain
EXPOSE {port} {GRPC}
USER nonroot
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD {json.dumps(["python3", "-c", probe])}
ENTRYPOINT ["python3", "-m", "drivetrain"]
CMD {json.dumps(command)}
"""
