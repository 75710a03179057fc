"""The files for the systems that were chosen, in one folder that appears whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from drivetrain.deploy import binder, compose, container, kserve, kubernetes, space, triton
from drivetrain.deploy.plan import IMAGE, Plan, planned
from drivetrain.deploy.requirements import pinned, size
from drivetrain.errors import FileError, UsageError
from drivetrain.files import file_error, write_bytes

Files = dict[str, bytes]


TARGETS: Mapping[str, Callable[[Plan], Files]] = {
    "container": container.files,
    "compose": compose.files,
    "kubernetes": kubernetes.files,
    "kserve": kserve.files,
    "triton": triton.files,
    "space": space.files,
    "binder": binder.files,
}
"""Name -> path -> what is in the file."""
OF_THE_IMAGE = frozenset(("compose", "kubernetes", "kserve"))
"""Targets that start what "container" builds: they come with it."""


def write(
    path: str, out: str, targets: Sequence[str], *, image: str = IMAGE, config: str | None = None
) -> dict[str, Any]:
    """Write what these targets need for the models of a bundle or repository into the folder `out`, new or empty. Gives
    {"out", "files", "bytes"}, and for an image {"image": {"name", "packages", "models"}} in bytes. Raises UsageError, FileError,
    DataError, BundleError, NotInstalled; then nothing is written."""
    unknown = [name for name in targets if name not in TARGETS]
    if unknown or not targets:
        what = f"{unknown[0]!r} is no target" if unknown else "no target is chosen"
        raise UsageError(f"{what}.", fix=f"Choose from {', '.join(f'--{name}' for name in TARGETS)}.")
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileError("there is something already.", where=out, fix="Name a new folder, or an empty one.")
    plan = planned(path, image, config)
    files: Files = {}
    wanted: list[str] = [*(["container"] if OF_THE_IMAGE & {*targets} else []), *targets]
    for name in dict.fromkeys(wanted):
        files |= TARGETS[name](plan)
    _written(folder, files)
    found: dict[str, Any] = {"out": out, "files": sorted(files), "bytes": sum(map(len, files.values()))}
    if "Containerfile" in files:
        models = sum(len(data) for name, data in files.items() if name.startswith("models/"))
        found["image"] = {"name": plan.image, "packages": size([*pinned(plan.extras)]), "models": models}
    return found


def _written(folder: Path, files: Files) -> None:
    """A folder beside it is filled and then takes its name."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=folder.parent, prefix=f".{folder.name}-", ignore_cleanup_errors=True
        ) as beside:
            made = Path(beside) / "made"
            for name, data in files.items():
                place = made / name
                place.parent.mkdir(parents=True, exist_ok=True)
                write_bytes(place, data)
            os.replace(made, folder)
    except OSError as fault:
        raise file_error(fault, folder) from fault
