"""Opening a bundle: the bytes are read once, every one of them is accounted for, and only then is anything
made of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from drivetrain.bundle import forecasts, generations
from drivetrain.bundle.apart import has_texts, put_in
from drivetrain.bundle.archive import (
    HISTORIES,
    MANIFEST,
    RECORD,
    peek_manifest,
    read_file,
    read_folder,
    read_zip,
)
from drivetrain.bundle.forecasts import Forecasts, HistoryCase
from drivetrain.bundle.generations import GeneratedCase
from drivetrain.bundle.golden import CASES, GoldenCase, from_members
from drivetrain.bundle.graph import check_graph
from drivetrain.bundle.manifest import (
    FORMAT,
    WITHOUT_LENGTHS,
    WITHOUT_PADDING,
    WITHOUT_PARTS,
    WITHOUT_TEXTS,
    check_members,
    check_tolerances,
    format_of,
    interfaces_of,
    load_json,
    program_of,
    too_new,
)
from drivetrain.bundle.optional import RECOMMENDER, Histories, ranking_of, seen_in, titles_in, vectors_in
from drivetrain.bundle.parts import Part, parts_in
from drivetrain.bundle.program import MODEL, STEP, Forecast, Generate, Program, Single
from drivetrain.bundle.step_graphs import check_fields, check_step_graphs
from drivetrain.bundle.tensors import Tensors, made_names, own_names
from drivetrain.codecs import Signature
from drivetrain.errors import BundleError, DrivetrainError, UsageError
from drivetrain.files import sha256
from drivetrain.model_names import is_url
from drivetrain.types import Array

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model as data: `graphs` by their names, and the `program` that says what is done with them. `hash` is the SHA-256 of
    the manifest, which names the hash of everything else.

    What recommends has `vectors` and perhaps `titles` of its items, and where that was asked for `seen`; a model of
    ratings has what recommends as a bundle of its own, the `recommender`. What forecasts has `forecasts`, and whole `histories`
    beside its golden cases.
    """

    manifest: dict[str, Any]
    signature: Signature
    program: Program
    graphs: Mapping[str, bytes] = field(repr=False)
    cases: tuple[GoldenCase, ...] = field(repr=False)
    profile: dict[str, Any] = field(repr=False)
    card: str = field(repr=False)
    hash: str
    vectors: Array | None = field(default=None, repr=False)
    seen: Histories | None = field(default=None, repr=False)
    titles: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    recommender: Bundle | None = field(default=None, repr=False)
    forecasts: Forecasts | None = field(default=None, repr=False)
    histories: tuple[HistoryCase, ...] = field(default=(), repr=False)
    members: Mapping[str, memoryview] = field(default_factory=dict[str, memoryview], repr=False)

    @property
    def name(self) -> str:
        return self.manifest["name"]

    @property
    def task(self) -> str:
        return self.manifest["task"]

    @property
    def facts(self) -> dict[str, Any]:
        """What was written down about the training: metrics, data, settings."""
        return self.manifest["facts"]

    @property
    def graph(self) -> bytes:
        """The graph that is run once for an answer. Raises UsageError where tokens are generated instead."""
        if isinstance(self.program, Generate):
            raise UsageError(
                "this bundle generates tokens, one after the other.", where=self.name,
                fix="Use drivetrain.runtime.Generator, in a terminal drivetrain generate.",
            )  # fmt: skip
        return self.graphs[MODEL]

    @property
    def parts(self) -> tuple[Part, ...]:
        """Of a blend the models that it is made of. Raises BundleError."""
        blend = isinstance(self.program, Single) and self.manifest["format"] > WITHOUT_PARTS
        return parts_in(self.facts, self.signature) if blend else ()

    @property
    def tensors(self) -> Tensors:
        """What the graph calls the fields."""
        return made_names(self.signature) if self._made else own_names(self.signature)

    @property
    def _made(self) -> bool:
        return self.manifest["format"] > 1

    def check_graph(self) -> None:
        """Raise BundleError unless each graph may be run and fits signature and manifest."""
        if self.manifest["format"] <= WITHOUT_LENGTHS and any(
            codec.varies for codec in self.signature.inputs.values()
        ):
            raise BundleError("a bundle of this format has no rows of different lengths.", where=MANIFEST)
        interfaces: Mapping[str, Any]
        if isinstance(self.program, Generate):
            interfaces = check_step_graphs(self.graphs, self.program, self.signature)
        else:
            blend = self.manifest["format"] > WITHOUT_PARTS
            interfaces = {MODEL: check_graph(self.graph, self.signature, made=self._made, blend=blend)}
        if interfaces != interfaces_of(self.manifest):
            raise BundleError(
                "the graph has other inputs and outputs than the manifest says.", where=MANIFEST
            )
        self._check_parts(interfaces)
        if self.recommender is not None:
            _at(RECOMMENDER, self.recommender.check_graph)

    def _check_parts(self, interfaces: Mapping[str, Any]) -> None:
        """What is told of a blend's parts, and of states after a generation, is what the graphs have."""
        parts = {name for part in self.parts for name in part.tensors.values()}
        if isinstance(self.program, Single) and parts != {*interfaces[MODEL].get("parts", {})}:
            raise BundleError("the graph has other parts than the facts say.", where=MANIFEST)
        for case in self.cases:
            if isinstance(case, GeneratedCase) and case.state.keys() != interfaces[STEP]["state"].keys():
                raise BundleError("the golden cases have other states than the graph.", where=CASES)


def open_bundle(path: str | os.PathLike[str], *, check_graph: bool = True) -> Bundle:
    """The bundle in a file or folder, checked. Raises FileError where it can't be read, BundleError where
    it must not be.

    `check_graph=False` leaves the graph unread; then `Bundle.check_graph` must be called before it is run.
    """
    if isinstance(path, str) and is_url(path):
        raise BundleError(
            "this is an address, and a bundle is a file or folder here.", where=path,
            fix="A model on a server is asked by 'drivetrain predict' and by drivetrain.client.",
        )  # fmt: skip
    path = Path(path)
    if path.is_dir():
        members = read_folder(path)
        bundle = _open(lambda: members, bytes(members.get(MANIFEST, b"")), path)
    else:
        data = read_file(path)
        bundle = _open(lambda: read_zip(data, path), peek_manifest(data), path)
    if check_graph:
        _at(path, bundle.check_graph)
    return bundle


def open_bundle_bytes(data: bytes, where: object = "") -> Bundle:
    """The bundle in these bytes, checked as `open_bundle` does."""
    bundle = _open(lambda: read_zip(data, where), peek_manifest(data), where)
    _at(where, bundle.check_graph)
    return bundle


def _open(read: Callable[[], Mapping[str, memoryview]], manifest: bytes, where: object) -> Bundle:
    try:
        return _at(where, lambda: _assembled(read()))
    except BundleError as fault:
        # A newer format may differ in anything but the place of its number, so that is said first.
        if (version := format_of(manifest)) > FORMAT:
            raise too_new(version, where) from fault
        raise


def _assembled(members: Mapping[str, memoryview], inner: bool = False) -> Bundle:
    if inner and RECOMMENDER in members:
        raise BundleError("a bundle within a bundle holds none.", where=RECOMMENDER)
    manifest = check_members(members)
    program = program_of(manifest)
    record = load_json(members["signature.json"], "signature.json")
    put_in(record, members)
    signature = _signature(record, program)
    if has_texts(signature) and manifest["format"] <= WITHOUT_TEXTS:
        raise BundleError("a bundle of this format has no texts of codecs.", where=MANIFEST)
    graphs = {
        name: bytes(members[f"{name}.onnx"])
        for name in (*program.required, *program.optional)
        if f"{name}.onnx" in members
    }
    check_tolerances(manifest, signature)
    profile = load_json(members["profile.json"], "profile.json")
    if not isinstance(profile, dict):
        raise BundleError("it is not an object.", where="profile.json")
    try:
        card = str(members["README.md"], "utf-8")
        record = load_json(members[CASES], CASES)
        if isinstance(program, Generate):
            check_fields(signature, graphs)
            cases = generations.from_members(members, record, signature, program)
            if manifest["format"] <= WITHOUT_PADDING and generations.penalised(cases):
                raise BundleError("a bundle of this format has no length penalty.", where=CASES)
        else:
            rows = {name: member for name, member in members.items() if name != HISTORIES}
            cases = from_members(rows, record, signature)
    except UnicodeDecodeError as fault:
        raise BundleError("it is not UTF-8.", where="README.md") from fault
    foretold: tuple[Forecasts | None, tuple[HistoryCase, ...]] = (None, ())
    if isinstance(program, Forecast):
        foretold = forecasts.from_members(members, signature)
    elif there := {RECORD, HISTORIES} & members.keys():
        raise BundleError("a bundle that forecasts nothing has no such member.", where=min(there))
    return Bundle(
        manifest=manifest,
        signature=signature,
        program=program,
        graphs=graphs,
        cases=cases,
        profile=cast("dict[str, Any]", profile),
        card=card,
        hash=sha256(members[MANIFEST]),
        vectors=vectors_in(members, signature),
        seen=seen_in(members, signature),
        titles=titles_in(members, signature),
        recommender=_recommender(members, signature, program),
        forecasts=foretold[0],
        histories=foretold[1],
        members=members,
    )


def _recommender(members: Mapping[str, memoryview], signature: Signature, program: Program) -> Bundle | None:
    """The bundle within a bundle: of a ranking in one that is none."""
    if RECOMMENDER not in members:
        return None
    inner = _at(RECOMMENDER, lambda: _assembled(read_zip(bytes(members[RECOMMENDER])), inner=True))
    beside = isinstance(program, Single) and ranking_of(signature) is None
    if not beside or ranking_of(inner.signature) is None:
        raise BundleError("it is not what recommends beside a model of ratings.", where=RECOMMENDER)
    return inner


def _signature(record: Any, program: Program) -> Signature:
    try:
        sides = (record["inputs"], record["targets"])
        if not all(isinstance(spec, dict) for side in sides for spec in side.values()) or not all(sides):
            raise BundleError(
                "it doesn't name inputs and targets, each with its codec.", where="signature.json"
            )
        signature = Signature.from_json(record)
        # A codec without its fitted state has no shape, and says so here.
        for codec in signature.inputs.values():
            _ = codec.shape
        for codec in signature.targets.values() if isinstance(program, Single) else ():
            _ = codec.output_shape
        for name, codec in signature.fields.items():
            if any(getattr(codec, learned) is None for learned in codec.learned):
                raise BundleError(f"the codec of {name!r} isn't fitted.", where="signature.json")
    except BundleError:
        raise
    except (DrivetrainError, KeyError, TypeError, AttributeError) as fault:
        raise BundleError(f"it is not a signature: {fault}", where="signature.json") from fault
    return signature


def _at(where: object, make: Callable[[], Result]) -> Result:
    """What `make` gives; a BundleError gets the bundle's path before the member that it names."""
    try:
        return make()
    except BundleError as fault:
        if where and str(where) not in fault.where:
            fault.where = f"{where}, {fault.where}" if fault.where else str(where)
        raise
