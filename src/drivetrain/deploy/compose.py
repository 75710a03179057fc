"""Docker Compose (the Compose Specification): one machine, one command."""

from __future__ import annotations

from typing import Any

from drivetrain.deploy.as_yaml import as_yaml
from drivetrain.deploy.plan import GRPC, HTTP, Plan


def described(plan: Plan) -> dict[str, Any]:
    """One service, built from the Containerfile beside it: what it may write is a folder in memory and a volume for records."""
    return {
        "name": plan.name,
        "services": {
            "server": {
                "image": plan.image,
                "build": {"context": ".", "dockerfile": "Containerfile"},
                "ports": [f"127.0.0.1:{HTTP}:{HTTP}", f"127.0.0.1:{GRPC}:{GRPC}"],
                "read_only": True,
                "tmpfs": ["/tmp"],
                "cap_drop": ["ALL"],
                "security_opt": ["no-new-privileges:true"],
                "restart": "unless-stopped",
                "stop_grace_period": "30s",
            }
        },
    }


def files(plan: Plan) -> dict[str, bytes]:
    return {"compose.yaml": f"# docker compose up --build\n{as_yaml(described(plan))}".encode()}
