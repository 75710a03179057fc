"""What the server needs installed, in the versions that run here, and how much of a disk that takes."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from packaging.requirements import Requirement  # onnxruntime brings it.

from drivetrain.errors import NotInstalled
from drivetrain.extras import installing

STRIPPED = (
    "numpy/*/tests/*", "numpy/tests/*", "*/__pycache__/*", "*.pyi", "*.c", "*.pyx", "*.pxd", "*/include/*",
    "onnxruntime/capi/libonnxruntime.so.*", "onnxruntime/transformers/*", "onnxruntime/quantization/*", "onnxruntime/tools/*",
    "onnxruntime/datasets/*",
)  # fmt: skip
"""Files of other packages that answering never opens: tests, sources, tools, and the library for callers in C, which Python's
has in it."""


def pinned(extras: Sequence[str]) -> dict[str, str]:
    """Package -> the version that is installed here, of all that this package needs with these extras, itself left out. Raises
    NotInstalled where one isn't."""
    found: dict[str, str] = {}
    waiting = [("drivetrain", frozenset(extras))]
    done: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in done:
            continue
        done.add((name, wanted))
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError as fault:
            raise NotInstalled(
                f"{name} is not installed here.", fix=f"Install it with: {installing(','.join(extras))}"
            ) from fault
        if name != "drivetrain":
            found[name] = distribution.version
        for text in distribution.requires or ():
            requirement = Requirement(text)
            if any(_applies(requirement, extra) for extra in (wanted or {""})):
                waiting.append((requirement.name.lower().replace("_", "-"), frozenset(requirement.extras)))
    return dict(sorted(found.items()))


def requirements_txt(extras: Sequence[str], *more: str) -> bytes:
    """The same as a requirements.txt, with these lines behind."""
    lines = [*(f"{package}=={version}" for package, version in pinned(extras).items()), *more]
    return "".join(f"{line}\n" for line in lines).encode()


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def size(packages: Sequence[str], without: Sequence[str] = STRIPPED) -> int:
    """Bytes of the files that these packages have installed here, those left out that `without` names."""
    total = 0
    for name in packages:
        for file in importlib.metadata.files(name) or ():
            path = file.as_posix()
            if path.startswith("..") or any(fnmatch(path, pattern) for pattern in without):
                continue
            located = Path(str(file.locate()))
            total += located.stat().st_size if located.is_file() else 0
    return total
