"""The manifest: which format this is, what every other member must be, and how close a runtime has to
come."""

from __future__ import annotations

import datetime
import importlib.metadata
import re
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from drivetrain.bundle.archive import MANIFEST, MANIFEST_HASH, TEXT
from drivetrain.bundle.golden import tolerances
from drivetrain.bundle.graph import Interface
from drivetrain.bundle.program import (
    MODEL,
    PREFILL,
    Forecast,
    Generate,
    Program,
    Single,
    program_from_json,
    program_to_json,
    refuse_graphs,
)
from drivetrain.codecs import Signature
from drivetrain.errors import BundleError, DrivetrainError
from drivetrain.files import from_json, sha256, to_json

FORMAT, WITHOUT_FORECASTS, WITHOUT_PADDING, WITHOUT_TEXTS = 8, 7, 6, 5
WITHOUT_PROGRAM, WITHOUT_LENGTHS, WITHOUT_PARTS = 4, 3, 2
"""The newest format version that this code reads, and it reads every older one; and those that it writes where nothing is
forecast, where no graph `prefill` has to mind the lengths of rows and no search has a length penalty either, where no text of a
codec is a member of its own (see `apart`) either, where the program is one graph run once too, where no rows are of different
lengths either, and where the graph has no outputs for parts either, so that who reads those can go on."""
MOST_JSON_BYTES = 2**24
MOST_JSON_DEPTH = 64
MOST_TOLERANCE = 10
"""Times the format's own tolerance. One that lets anything pass would make the golden cases say nothing."""
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
KEYS = ("format", "name", "task", "created", "drivetrain", "members", "tolerances", "facts")
REQUIRED = ("signature.json", "golden/cases.json", "profile.json", "README.md")


def make_manifest(
    members: Mapping[str, bytes],
    signature: Signature,
    program: Program,
    interfaces: Mapping[str, Interface],
    *,
    name: str,
    task: str,
    facts: Mapping[str, Any],
    penalty: bool = False,
    created: str | None = None,
) -> bytes:
    """manifest.json for these members and the interfaces of the graphs. `penalty` tells whether a golden generation is of a
    search with a length penalty. `created` is the UTC time in ISO 8601; now by default."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    version = WITHOUT_FORECASTS if penalty else _least_format(members, signature, program, interfaces)
    manifest = {
        "format": version,
        "name": name,
        "task": task,
        "created": created or now,
        "drivetrain": _version(),
        "members": {
            name: {"sha256": sha256(data), "bytes": len(data)} for name, data in sorted(members.items())
        },
        **(
            {"graph": interfaces[MODEL]}
            if version <= WITHOUT_PROGRAM
            else {"graphs": dict(interfaces), "program": program_to_json(program)}
        ),
        "tolerances": tolerances(signature),
        "facts": dict(facts),
    }
    return to_json(manifest, indent=1).encode()


def _least_format(
    members: Mapping[str, bytes], signature: Signature, program: Program, interfaces: Mapping[str, Interface]
) -> int:
    """The oldest format that says all of it."""
    if isinstance(program, Forecast):
        return FORMAT
    if PREFILL in interfaces or (isinstance(program, Generate) and program.never):
        return WITHOUT_FORECASTS
    if any(map(TEXT.fullmatch, members)):
        return WITHOUT_PADDING
    if not isinstance(program, Single):
        return WITHOUT_TEXTS
    if any(codec.varies for codec in signature.inputs.values()):
        return WITHOUT_PROGRAM
    return WITHOUT_LENGTHS if "parts" in interfaces[MODEL] else WITHOUT_PARTS


def check_members(members: Mapping[str, memoryview]) -> dict[str, Any]:
    """The manifest, when each member is there and has the size and hash that it names. Raises BundleError."""
    for name in (MANIFEST, MANIFEST_HASH):
        if name not in members:
            raise BundleError("this member is missing.", where=name)
    if bytes(members[MANIFEST_HASH]) != (sha256(members[MANIFEST]) + "\n").encode():
        raise BundleError("it doesn't have the hash that manifest.sha256 names.", where=MANIFEST)
    manifest = _checked(load_json(members[MANIFEST], MANIFEST))
    listed = manifest["members"]
    program = program_of(manifest)
    required = (*REQUIRED, *(f"{graph}.onnx" for graph in program.required))
    for name in (*required, *sorted({*members, *listed} - {MANIFEST, MANIFEST_HASH})):
        if name not in listed:
            raise BundleError("the manifest doesn't list this member.", where=name)
        if name not in members:
            raise BundleError("this member is missing.", where=name)
        facts = {"sha256": sha256(members[name]), "bytes": len(members[name])}
        if listed[name] != facts:
            raise BundleError("it doesn't have the size and hash that the manifest names.", where=name)
    refuse_graphs(program, [name[:-5] for name in members if name.endswith(".onnx")])
    return manifest


def program_of(manifest: Mapping[str, Any]) -> Program:
    """The program of a bundle: before there were any, one graph run once. Raises BundleError."""
    program = program_from_json(manifest["program"]) if manifest["format"] > WITHOUT_PROGRAM else Single()
    if manifest["format"] <= WITHOUT_FORECASTS and isinstance(program, Forecast):
        raise BundleError(f"format {manifest['format']} has no forecasts.", where=MANIFEST)
    if manifest["format"] <= WITHOUT_PADDING and isinstance(program, Generate) and program.never:
        raise BundleError(f"format {manifest['format']} has no tokens that are never chosen.", where=MANIFEST)
    return program


def interfaces_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Graph -> what the manifest says of it."""
    return manifest["graphs"] if manifest["format"] > WITHOUT_PROGRAM else {MODEL: manifest["graph"]}


def check_tolerances(manifest: Mapping[str, Any], signature: Signature) -> None:
    """Raise BundleError unless there is a tolerance for each stage and field."""
    given, wanted = manifest["tolerances"], tolerances(signature)
    shapes_agree = _is_object(given) and given.keys() == wanted.keys()
    if not shapes_agree or any(
        not _is_object(given[stage]) or given[stage].keys() != wanted[stage].keys() for stage in wanted
    ):
        raise BundleError("the tolerances don't have the fields of the signature.", where=MANIFEST)
    for stage, fields in wanted.items():
        for name, usual in fields.items():
            value = given[stage][name]
            if type(value) not in (int, float) or not 0 <= value <= MOST_TOLERANCE * usual:
                raise BundleError(
                    f"{value!r:.50} is not a tolerance: {stage} of {name!r} may differ by {MOST_TOLERANCE * usual:g} at most.",
                    where=MANIFEST,
                )


def format_of(manifest: bytes) -> int:
    """The format version that an unchecked manifest names; 0 where it names none."""
    try:
        record = load_json(memoryview(manifest), MANIFEST)
    except BundleError:
        return 0
    version = cast("dict[str, Any]", record).get("format") if isinstance(record, dict) else None
    return version if type(version) is int else 0


def load_json(data: memoryview, member: str) -> Any:
    """The content of a JSON member. Raises BundleError."""
    if len(data) > MOST_JSON_BYTES:
        raise BundleError(f"it is larger than {MOST_JSON_BYTES:,} bytes.", where=member)
    if _depth(data) > MOST_JSON_DEPTH:
        raise BundleError(f"it is nested more than {MOST_JSON_DEPTH} deep.", where=member)
    try:
        return from_json(bytes(data), where=member)
    except DrivetrainError as fault:
        raise BundleError(fault.error, where=member) from fault


def _depth(data: memoryview) -> int:
    """The deepest nesting of JSON text, before anything is made of it."""
    signs = np.frombuffer(_STRING.sub(b"", bytes(data)), np.uint8)
    steps = np.isin(signs, (0x5B, 0x7B)).astype(np.int32) - np.isin(signs, (0x5D, 0x7D))
    return int(steps.cumsum().max(initial=0))


def too_new(version: int, where: object) -> BundleError:
    """The error for a bundle of a format that this code doesn't know yet."""
    return BundleError(
        f"the bundle is of format {version}; this drivetrain reads up to {FORMAT}.",
        where=where,
        fix="Install a newer drivetrain.",
    )


def _checked(manifest: Any) -> dict[str, Any]:
    if not _is_object(manifest) or type(version := manifest.get("format")) is not int:
        raise BundleError("it names no format version.", where=MANIFEST)
    if version > FORMAT:
        raise too_new(version, MANIFEST)
    texts = ("name", "task", "created", "drivetrain")
    graphs = ("graphs", "program") if version > WITHOUT_PROGRAM else ("graph",)
    objects = ("members", "tolerances", "facts", *graphs)
    if (
        version < 1
        or set(manifest) != {*KEYS, *graphs}
        or not all(isinstance(manifest[key], str) for key in texts)
        or not all(_is_object(manifest[key]) for key in objects)
    ):
        raise BundleError("it doesn't have the fields of its format.", where=MANIFEST)
    check_label("name", manifest["name"])
    check_label("task", manifest["task"])
    return manifest


def check_label(what: str, text: str) -> None:
    """Raise BundleError unless `text` can stand in a table, a URL path segment or a file name."""
    plain = 1 <= len(text) <= 200 and text.isprintable() and text.strip() == text
    if not plain or {"/", "\\"} & {*text} or not text.strip("."):
        raise BundleError(
            f"{text[:50]!r} can't be the {what} of a bundle.", where=MANIFEST, fix="Use a short plain word."
        )


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _version() -> str:
    try:
        return importlib.metadata.version("drivetrain")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
