"""A body from a local safetensors file and the record that says what is in it.

The record is JSON: architecture, preprocessing, origin. It lies beside the weights (NAME.json for
NAME.safetensors) or is shipped in `records/` and found by the hash of the weights.
"""

from __future__ import annotations

import importlib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain import files
from drivetrain.errors import DataError, DrivetrainError, UsageError, nearest

if TYPE_CHECKING:
    from torch import Tensor

    from drivetrain.models.body import Body

ARCHITECTURES = {
    "mobilenet_v1": "drivetrain.models.mobilenet",
    "mobilenet_v2": "drivetrain.models.mobilenet",
}
"""Name in a record -> the module that has a function of that name, which takes `width` and `padding`."""

FIELDS = {
    "architecture": (str, f"one of {', '.join(ARCHITECTURES)}"),
    "width": ((int, float), "the factor on the channels, such as 1.0"),
    "padding": (str, '"same" (TensorFlow) or "symmetric" (torch)'),
    "mean": (list, "one number per channel, for pixels in 0..1"),
    "std": (list, "one number per channel, for pixels in 0..1"),
    "size": (int, "the height and width in pixels that it was trained on"),
    "frozen_norm": (bool, "whether batch norm must stay in eval mode"),
    "sha256": (str, "of the weights file"),
    "source": (str, "where the weights come from"),
    "licence": (str, "theirs"),
}
"""What a record must hold: type, and meaning in words."""

LISTED = 5


def load(path: str | Path, *, pretrained: bool = True) -> Body:
    """The body of the weights file `path`; with random weights when not `pretrained`.

    Raises DrivetrainError where the record is missing or wrong, where the file is not the recorded one, and where
    its tensors are not exactly those of the architecture (beyond the published classifier, which is left out).
    """

    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as fault:
        raise files.file_error(fault, path) from fault
    record = find_record(path, data)
    module = importlib.import_module(ARCHITECTURES[record["architecture"]])
    body: Body = getattr(module, record["architecture"])(width=record["width"], padding=record["padding"])
    body.size = record["size"]
    body.normalization = (tuple(record["mean"]), tuple(record["std"]))
    if pretrained:
        _fill(body, _tensors(data, path), path)
        body.frozen_norm = record["frozen_norm"]
        body.pretrained = f"{record['source']} (sha256 {record['sha256']})"
    return body


def find_record(path: Path, data: bytes) -> dict[str, Any]:
    """The checked record of the weights `data` at `path`: from beside it, else a shipped one with that hash."""
    digest = files.sha256(data)
    beside = path.with_suffix(".json")
    if beside.is_file():
        record = check_record(files.from_json(beside.read_bytes(), where=beside), beside)
        if record["sha256"] != digest:
            raise DataError(
                f"these are not the recorded weights: sha256 is {digest}, the record says {record['sha256']}.",
                where=path, fix=f"Get the file from {record['source']} again, or mend {beside.name}.",
            )  # fmt: skip
        return record
    for record in shipped_records():
        if record["sha256"] == digest:
            return record
    wanted = "; ".join(f'"{name}": {words}' for name, (_, words) in FIELDS.items())
    raise UsageError(
        "these weights have no record of architecture and preprocessing.", where=path,
        fix=f"Write {beside.name} beside it, a JSON object with {wanted}. Its sha256 is {digest}.",
    )  # fmt: skip


def shipped_records() -> list[dict[str, Any]]:
    """The records in the package, checked."""
    folder = resources.files("drivetrain.models") / "records"
    found = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".json")), key=lambda file: file.name
    )
    return [check_record(files.from_json(file.read_bytes(), where=file.name), file.name) for file in found]


def check_record(record: Any, where: object) -> dict[str, Any]:
    """The record, if it is an object with exactly FIELDS of the right types. Raises DataError naming the field."""
    if not isinstance(record, dict):
        raise DataError("a record must be a JSON object.", where=where)
    for name in record:
        if name not in FIELDS:
            raise DataError(
                f"a record has no field {name!r}.", where=where, fix=nearest(name, FIELDS) or "Remove it."
            )
    for name, (kind, words) in FIELDS.items():
        value = record.get(name)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            state = "has no" if name not in record else "has a wrong"
            raise DataError(f"the record {state} {name!r}.", where=where, fix=f"It must be {words}.")
    if record["architecture"] not in ARCHITECTURES:
        raise DataError(
            f"unknown architecture {record['architecture']!r}.",
            where=where,
            fix=f"It must be {FIELDS['architecture'][1]}.",
        )
    for name in ("mean", "std"):
        if len(record[name]) != 3 or not all(type(part) in (int, float) for part in record[name]):
            raise DataError(f"{name!r} must be three numbers.", where=where, fix=f"It is {FIELDS[name][1]}.")
    if min(record["std"]) <= 0 or record["width"] <= 0 or record["size"] <= 0:
        raise DataError("'std', 'width' and 'size' must be above 0.", where=where)
    return record


def _tensors(data: bytes, path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load as parse

    try:
        return parse(data)
    except (SafetensorError, ValueError, KeyError) as fault:
        raise DataError(f"this is not a safetensors file, or it is damaged: {fault}.", where=path) from fault


def _fill(body: Body, tensors: dict[str, Tensor], path: Path) -> None:
    """Put the published tensors into the body, cast to its types, and refuse anything missing, extra or misshapen."""
    extras = tuple(getattr(body, "published_extras", ()))
    renamed = dict(getattr(body, "published_keys", {}))
    found: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        if not key.startswith(extras):
            prefix = next((prefix for prefix in renamed if key.startswith(prefix)), "")
            found[renamed.get(prefix, "") + key.removeprefix(prefix)] = tensor
    wanted = body.state_dict()
    shapes = [
        f"{key} is {tuple(found[key].shape)} and must be {tuple(wanted[key].shape)}"
        for key in wanted
        if key in found and found[key].shape != wanted[key].shape
    ]
    faults = {
        "missing": [key for key in wanted if key not in found],
        "unexpected": [key for key in found if key not in wanted],
        "of another shape": shapes,
    }
    told = [f"{kind}: {_list(keys)}" for kind, keys in faults.items() if keys]
    if told:
        raise DrivetrainError(
            f"the weights don't fit the recorded architecture; {'; '.join(told)}.", where=path,
            fix="Check architecture and width in the record.",
        )  # fmt: skip
    body.load_state_dict({key: tensor.to(wanted[key].dtype) for key, tensor in found.items()})


def _list(keys: list[str]) -> str:
    more = f" and {len(keys) - LISTED} more" if len(keys) > LISTED else ""
    return ", ".join(keys[:LISTED]) + more
