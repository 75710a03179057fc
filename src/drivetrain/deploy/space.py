"""A Space of Hugging Face: the container, and the page that says that it is one."""

from __future__ import annotations

from dataclasses import replace

from drivetrain.deploy import container
from drivetrain.deploy.as_yaml import as_yaml
from drivetrain.deploy.plan import Plan

PORT = 7860
"""Where a Space of the kind "docker" is asked, unless its page says otherwise."""


def files(plan: Plan) -> dict[str, bytes]:
    """A repository that can be pushed to a Space as it is. Large bundles go by Git LFS there."""
    names = sorted({each.name for each in plan.models})
    about = {"title": plan.name, "sdk": "docker", "app_port": PORT, "pinned": False}
    page = f"---\n{as_yaml(about)}---\n\n# {plan.name}\n\nModels: {', '.join(names)}. Made with drivetrain.\n"
    config = plan.config or '[access]\nhosts = ["localhost", "*.hf.space", "*.huggingface.co"]\n'
    inside = container.files(replace(plan, config=config), PORT, "Dockerfile")
    return {f"space/{path}": data for path, data in inside.items()} | {
        "space/README.md": page.encode(),
        "space/.gitattributes": b"*.bundle filter=lfs diff=lfs merge=lfs -text\n",
    }
