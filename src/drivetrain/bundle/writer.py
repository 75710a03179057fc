"""Writing a bundle: made in memory, opened again as any reader would, and only then put under its name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from drivetrain.bundle import apart, generations
from drivetrain.bundle.archive import MANIFEST, MANIFEST_HASH, is_bundle, write_zip
from drivetrain.bundle.golden import GoldenCase, to_members
from drivetrain.bundle.graph import check_graph
from drivetrain.bundle.manifest import check_label, make_manifest
from drivetrain.bundle.program import MODEL, Generate, Program, Single, refuse_graphs
from drivetrain.bundle.reader import Bundle, open_bundle_bytes
from drivetrain.bundle.step_graphs import check_step_graphs
from drivetrain.codecs import Signature
from drivetrain.errors import FileError
from drivetrain.files import refuse_taken, sha256, to_json, write_bytes


def write_bundle(
    path: str | os.PathLike[str],
    *,
    name: str,
    task: str,
    signature: Signature,
    graph: bytes | Mapping[str, bytes],
    program: Program | None = None,
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

    `graph` is a serialized ONNX model, or by name those that a `program` runs (by default one, once); `profile` and `facts` are
    JSON, `card` is Markdown, `members` are optional ones (see `optional.py`). `check` is called with the finished bundle before
    it is put under its name, and stops that by raising: a place to run `verify`.

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
        program=program,
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
    graph: bytes | Mapping[str, bytes],
    program: Program | None = None,
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
    program = program or Single()
    graphs = {MODEL: graph} if isinstance(graph, bytes) else dict(graph)
    refuse_graphs(program, graphs)
    if isinstance(program, Generate):
        interfaces: Mapping[str, Any] = check_step_graphs(graphs, program, signature)
        golden = generations.to_members(cases, signature)
    else:
        interfaces = {MODEL: check_graph(graphs[MODEL], signature)}
        golden = to_members(cases, signature)
    record, texts = apart.to_members(signature)
    contents = {
        "signature.json": to_json(record, indent=1).encode(),
        **texts,
        **{f"{name}.onnx": data for name, data in graphs.items()},
        "profile.json": to_json(dict(profile), indent=1).encode(),
        "README.md": card.encode(),
        **golden,
        **(members or {}),
    }
    manifest = make_manifest(
        contents, signature, program, interfaces, name=name, task=task, facts=facts, created=created,
        penalty=generations.penalised(cases),
    )  # fmt: skip
    return write_zip({**contents, MANIFEST: manifest, MANIFEST_HASH: (sha256(manifest) + "\n").encode()})
