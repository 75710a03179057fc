"""The vectors that a bundle's networks have learned of words, categories and items: tables in its graphs that are found by
their names (FORMAT.md, section 5.5), and the member `item_vectors.npy`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any

import numpy as np

from drivetrain.bundle.operators import FLOAT
from drivetrain.bundle.protobuf import parse
from drivetrain.bundle.reader import Bundle
from drivetrain.codecs import Codec, Signature
from drivetrain.errors import BundleError
from drivetrain.types import Array

_TABLE = re.compile(r"(?:part_(?:0|[1-9][0-9]?)_)?embedding((?:_[0-9]+)+|_tokens)")


def vectors_of(bundle: Bundle) -> dict[str, Array]:
    """Field -> float32 (values, width), finite: a vector for each of its codec's `code_names`. Empty where the bundle names
    none. Raises BundleError for a table that is not what its name says."""
    found = tables_in(bundle.graphs.values(), bundle.signature)
    if bundle.vectors is not None:
        found.setdefault(next(iter(bundle.signature.targets)), bundle.vectors)
    if bundle.recommender is not None:
        found |= {
            field: table for field, table in vectors_of(bundle.recommender).items() if field not in found
        }
    return found


def tables_in(graphs: Iterable[bytes], signature: Signature) -> dict[str, Array]:
    """Field -> the table of its vectors in serialised graphs, which `vectors_of` finds."""
    found: dict[str, Array] = {}
    inputs, targets = list(signature.inputs.items()), list(signature.targets.items())
    for graph in graphs:
        for name, tensor in _tables(graph):
            # What a step takes are tokens of the only target.
            fields = (
                targets
                if name == "_tokens"
                else [inputs[int(place)] for place in name[1:].split("_") if int(place) < len(inputs)]
            )
            for field, table in _cut(tensor, dict(fields)).items():
                found.setdefault(field, table)
    return found


def _tables(graph: bytes) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for tensor in parse(graph)["graph"].get("initializer", []):
        if named := _TABLE.fullmatch(tensor.get("name", "")):
            yield named[1], tensor


def _cut(tensor: Mapping[str, Any], fields: Mapping[str, Codec]) -> dict[str, Array]:
    """The rows of each field of a table that has them one field after the other."""
    dims = tensor.get("dims", [])
    ends = list(accumulate(len(codec.code_names) for codec in fields.values()))
    data = tensor.get("raw_data") or tensor.get("float_data", b"")
    if not ends or tensor.get("data_type") != FLOAT or len(dims) != 2 or dims[0] != ends[-1]:
        raise BundleError(
            f"the table {tensor['name']!r} doesn't have a vector for each value of {', '.join(map(repr, fields)) or 'an input'}.",
            where="model.onnx",
        )  # fmt: skip
    table = np.frombuffer(data, "<f4").reshape(dims).astype(np.float32)
    if not np.isfinite(table).all():
        raise BundleError(f"the table {tensor['name']!r} has numbers that are none.", where="model.onnx")
    return dict(zip(fields, np.split(table, ends[:-1])))
