"""This package as a wheel, from the files that run here: an image then has what was tested, whether or not an index has it."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import io
import zipfile
from functools import cache
from pathlib import Path

import drivetrain
from drivetrain.errors import FileError

_STAMP = (2020, 1, 1, 0, 0, 0)
"""Of all files: the same package makes the same bytes."""
_LEFT_OUT = frozenset(("__pycache__",))


@cache
def wheel() -> tuple[str, bytes]:
    """(its name, its bytes), after the binary distribution format (PEP 427). Raises FileError where no metadata is installed."""
    try:
        installed = importlib.metadata.distribution("drivetrain")
    except importlib.metadata.PackageNotFoundError as fault:
        raise FileError(
            "drivetrain itself is not installed here.",
            fix="Install it with pip, from a clone: pip install -e .",
        ) from fault
    version, metadata = installed.version, installed.read_text("METADATA") or ""
    info = f"drivetrain-{version}.dist-info"
    root = Path(drivetrain.__file__).parent
    members = {
        f"drivetrain/{path.relative_to(root).as_posix()}": path.read_bytes()
        for path in sorted(root.rglob("*"))
        if _belongs(path)
    }
    members[f"{info}/METADATA"] = metadata.encode()
    members[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: drivetrain\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    members[f"{info}/entry_points.txt"] = b"[console_scripts]\ndrivetrain = drivetrain.cli:run\n"
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in members.items())
    members[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            entry = zipfile.ZipInfo(name, _STAMP)
            entry.external_attr = 0o644 << 16
            file.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return f"drivetrain-{version}-py3-none-any.whl", written.getvalue()


def _belongs(path: Path) -> bool:
    return path.is_file() and not _LEFT_OUT.intersection(path.parts) and path.suffix != ".pyc"


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
