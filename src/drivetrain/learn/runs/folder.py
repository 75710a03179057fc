"""A run: the folder that holds all there is to know about one training.

config.toml     what was asked for: data, model, settings, phases, versions, seed
metrics.jsonl   one line per epoch
events.*        the same for TensorBoard
checkpoints/    to go on from (see checkpoints.py)
result.json     metrics with intervals, baselines, seconds
model.onnx      the graph that was measured, where the model is no network (see trees.py, best.py)
refitted.onnx   the graph of the model that was fitted again to all rows but the test's, and goes into a bundle
tried/          the answers of what --model best has tried (see tried.py); chosen.json  what has which weight
validation/     what it answered for the rows that it was validated on (see validation.py)
report.html     the page that shows it all
top_losses.csv  the rows where the model is most wrong
"""

from __future__ import annotations

import os
import platform
import struct
import time
import tomllib
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.errors import DrivetrainError, FileError
from drivetrain.files import file_error, from_json, to_json, write_bytes, write_text

if TYPE_CHECKING:
    from drivetrain.learn.runs.predictions import Validation

FORMAT = 1
PARTS = ("task", "data", "model", "settings", "augment", "phases")
"""What a config has besides its head."""


class Run:
    """One run folder. `create` refuses a folder that has something in it; `open` wants one that is a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._events = Events(folder)

    @classmethod
    def create(cls, folder: str | Path, force: bool = False) -> Run:
        """A new run. Raises FileError when the folder exists and is not empty; with `force` a run is replaced."""
        folder = Path(folder)
        try:
            if folder.exists() and not folder.is_dir():
                raise FileError(
                    "there is a file of this name already.", where=folder, fix="Choose another --out."
                )
            refuse_used(folder, force)
            _clear(folder)
            (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise file_error(fault, folder) from fault
        return cls(folder)

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """A run that is there. Raises FileError when it is not one."""
        folder = Path(folder)
        if not folder.is_dir():
            raise FileError("there is no such run.", where=folder, fix="Name the folder that --out gave.")
        if not (folder / "config.toml").is_file():
            raise FileError("this folder is not a run: it has no config.toml.", where=folder)
        return cls(folder)

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def write_config(self, config: dict[str, Any]) -> None:
        import tomli_w

        head = {
            "format": FORMAT,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": versions(),
        }
        text = tomli_w.dumps(_without_none({**head, **config}))
        write_bytes(self.folder / "config.toml", text.encode("utf-8", "surrogateescape"))

    def read_config(self) -> dict[str, Any]:
        path = self.folder / "config.toml"
        try:
            config = tomllib.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))
        except OSError as fault:
            raise file_error(fault, path) from fault
        except ValueError as fault:
            raise DrivetrainError(f"not valid TOML: {fault}.", where=path) from fault
        if config.get("format") != FORMAT:
            raise DrivetrainError(
                f"a run of format {config.get('format')}, not {FORMAT}.",
                where=path,
                fix="Install a newer drivetrain.",
            )
        if missing := [part for part in PARTS if part not in config]:
            raise DrivetrainError(f"there is no {missing[0]!r} in it.", where=path)
        return config

    def write_history(self, history: list[dict[str, Any]]) -> None:
        write_text(self.folder / "metrics.jsonl", "".join(to_json(row) + "\n" for row in history))

    def read_history(self) -> list[dict[str, Any]]:
        path = self.folder / "metrics.jsonl"
        if not path.is_file():
            return []
        return [from_json(line, where=path) for line in path.read_text(encoding="utf-8").splitlines()]

    def write_events(self, row: dict[str, Any], step: int) -> str:
        """The numbers of an epoch as TensorBoard scalars.

        Gives "", or a remark where they can't be written: they are not the run itself, which goes on without them.
        """
        return self._events.add(row, step)

    def write_result(self, result: dict[str, Any]) -> None:
        write_text(self.folder / "result.json", to_json(result, indent=2) + "\n")

    def read_result(self) -> dict[str, Any] | None:
        path = self.folder / "result.json"
        return from_json(path.read_bytes(), where=path) if path.is_file() else None

    def write_validation(self, validation: Validation) -> None:
        """Keep what the model answered for its validation rows."""
        validation.write(self.folder)

    def read_validation(self) -> Validation:
        """What the model answered for its validation rows. Raises FileError where that was not kept."""
        from drivetrain.learn.runs.predictions import Validation

        return Validation.read(self.folder)


class Events:
    """A file of TensorBoard events. What can't be written is told once, and no more is written then."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path: Path | None = None
        self._failed = False

    def add(self, row: dict[str, Any], step: int) -> str:
        """The decimal numbers of a row as scalars. Gives a remark the first time that this fails, else "".

        Not by a SummaryWriter: in its thread a full disk ends in a traceback.
        """
        from tensorboardX.proto.event_pb2 import SessionLog  # pyright: ignore[reportAttributeAccessIssue] (made at run time)
        from tensorboardX.summary import scalar

        if self._failed:
            return ""
        records: list[bytes] = []
        if self._path is None:
            self._path = self.folder / f"events.out.tfevents.{time.time():.0f}.{platform.node()}"
            records.append(_record(file_version="brain.Event:2"))
            # TensorBoard drops what an earlier file has from here on.
            records.append(_record(step=step, session_log=SessionLog(status=SessionLog.START)))
        for name, value in row.items():
            if isinstance(value, float):
                records.append(_record(step=step, summary=scalar(name.replace("_", "/", 1), value)))
        try:
            with open(self._path, "ab") as file:
                file.write(b"".join(records))
                file.flush()
                os.fsync(file.fileno())
        except OSError as fault:
            self._failed = True
            return f"no more events for TensorBoard are written: {file_error(fault, self.folder)}"
        return ""


def _record(**event: Any) -> bytes:
    """An event in TensorFlow's format of records: length and data, each with its checksum."""
    from tensorboardX.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue] (made at run time)
    from tensorboardX.record_writer import masked_crc32c

    data = Event(wall_time=time.time(), **event).SerializeToString()
    size = struct.pack("<Q", len(data))
    return b"".join(
        [size, struct.pack("<I", masked_crc32c(size)), data, struct.pack("<I", masked_crc32c(data))]
    )


def refuse_used(folder: Path, force: bool) -> None:
    """Raises FileError where a folder has something in it; with `force`, where that is no run."""
    if not is_used(folder) or (force and _is_run(folder)):
        return
    raise FileError(
        "this folder has something in it already.", where=folder,
        fix="Choose another --out, go on with --resume, or replace it with --force."
        if _is_run(folder) else "It is not a run: choose another --out.",
    )  # fmt: skip


def is_used(folder: Path) -> bool:
    """Whether there is something in a folder; a process that was killed at once leaves only a folder in it."""
    return folder.is_dir() and any(
        path.name != "checkpoints" or any(path.iterdir()) for path in folder.iterdir()
    )


def _is_run(folder: Path) -> bool:
    try:
        Run(folder).read_config()
    except DrivetrainError:
        return False
    return True


def next_folder(name: str) -> Path:
    """`runs/NAME-001`, or the next number that is free: made here, so that nobody else who starts now takes it."""
    number = 1
    while True:
        folder = Path("runs") / f"{name}-{number:03d}"
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1
        except OSError as fault:
            raise file_error(fault, folder) from fault


def versions() -> dict[str, str]:
    """What made a run: Python, and the packages whose version can change a result."""
    found = {"python": platform.python_version()}
    for package in ("drivetrain", "torch", "numpy", "Pillow", "onnxruntime"):
        try:
            found[package.lower()] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _clear(folder: Path) -> None:
    """Remove what a run writes, and nothing else."""
    for pattern in (
        "config.toml",
        "metrics.jsonl",
        "result.json",
        "report.html",
        "top_losses.csv",
        "model.onnx",
        "refitted.onnx",
        "chosen.json",
        "tried/*",
        "events.*",
        "checkpoints/*",
        "validation/*",
    ):
        for path in folder.glob(pattern):
            path.unlink()


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_without_none(item) for item in value]
    return value
