"""Writing a bundle: made in memory, opened again as any reader would, and only then put under its name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from drivetrain.bundle.archive import MANIFEST, MANIFEST_HASH, is_bundle, write_zip
from drivetrain.bundle.golden import GoldenCase, to_members
from drivetrain.bundle.graph import check_graph
from drivetrain.bundle.manifest import check_label, make_manifest
from drivetrain.bundle.reader import Bundle, open_bundle_bytes
from drivetrain.codecs import Signature
from drivetrain.errors import FileError
from drivetrain.files import refuse_taken, sha256, to_json, write_bytes


def write_bundle(
    path: str | os.PathLike[str],
    *,
    name: str,
    task: str,
    signature: Signature,
    graph: bytes,
    cases: Sequence[GoldenCase],
    profile: Mapping[str, Any],
    card: str,
    facts: Mapping[str, Any],
    force: bool = False,
    created: str | None = None,
    members: Mapping[str, bytes] | None = None,
    check: Callable[[Bundle], object] | None = None,
) -> Bundle:
    """Write one bundle file and give back what a reader sees in it.

    `graph` is a serialized ONNX model, `profile` and `facts` are JSON, `card` is Markdown, `members` are optional ones
    (see `optional.py`). `check` is called with the finished bundle before it is put under its name, and stops that by
    raising: a place to run `verify`.

    Raises FileError where `path` is taken (see `refuse_no_bundle`) or can't be written, and BundleError where a reader
    would refuse the bundle. `path` is then as it was before.
    """
    path = Path(path)
    refuse_no_bundle(path, force)
    data = bundle_bytes(
        name=name,
        task=task,
        signature=signature,
        graph=graph,
        cases=cases,
        profile=profile,
        card=card,
        facts=facts,
        created=created,
        members=members,
    )
    bundle = open_bundle_bytes(data, path)
    if check is not None:
        check(bundle)
    write_bytes(path, data)
    return bundle


def refuse_no_bundle(path: str | os.PathLike[str], force: bool) -> None:
    """Raise FileError for a name that is taken (see `files.refuse_taken`), and even with `force` for that of a file
    which is no bundle."""
    if os.path.isfile(path) and os.path.getsize(path) and not is_bundle(path):
        raise FileError(
            "this is no bundle, and is not replaced by one.", where=path, fix="Choose another name."
        )
    refuse_taken(path, force)


def bundle_bytes(
    *,
    name: str,
    task: str,
    signature: Signature,
    graph: bytes,
    cases: Sequence[GoldenCase],
    profile: Mapping[str, Any],
    card: str,
    facts: Mapping[str, Any],
    created: str | None = None,
    members: Mapping[str, bytes] | None = None,
) -> bytes:
    """The bytes of a bundle. Equal arguments, `created` included, give equal bytes."""
    check_label("name", name)
    check_label("task", task)
    interface = check_graph(graph, signature)
    contents = {
        "signature.json": to_json(signature.to_json(), indent=1).encode(),
        "model.onnx": graph,
        "profile.json": to_json(dict(profile), indent=1).encode(),
        "README.md": card.encode(),
        **to_members(cases, signature),
        **(members or {}),
    }
    manifest = make_manifest(
        contents, signature, interface, name=name, task=task, facts=facts, created=created
    )
    return write_zip({**contents, MANIFEST: manifest, MANIFEST_HASH: (sha256(manifest) + "\n").encode()})
