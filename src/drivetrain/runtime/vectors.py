"""The vectors that a model has learned of words, categories and items, out of its bundle: who is near whom, and files for
TensorBoard's embedding projector. No torch, ever."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from drivetrain.arguments import public
from drivetrain.bundle.golden import member_part
from drivetrain.bundle.optional import recommends
from drivetrain.bundle.reader import Bundle, open_bundle
from drivetrain.bundle.vectors import vectors_of
from drivetrain.errors import FileError, UsageError, nearest, one_line
from drivetrain.files import file_error, to_json, write_text
from drivetrain.types import Array

CONFIG = "projector_config.pbtxt"
SHOWN = 10
MOST_COMPARED = 20_000
"""An unknown name is compared with so many known ones."""


@dataclass(frozen=True, slots=True)
class Near:
    """A name and the cosine of the angle between its vector and another's, from -1 to 1."""

    name: str
    similarity: float
    title: str | None = None


@dataclass(frozen=True, eq=False)
class Embeddings:
    """`vectors` float32 (n, width) of the values of `field`, which are called `names`, some of them with `titles`."""

    field: str
    names: tuple[str, ...]
    vectors: Array
    titles: dict[str, str] = dataclasses.field(default_factory=dict[str, str], repr=False)
    first: int = 0
    """The names before this one stand for no word, and are near nothing."""

    def __repr__(self) -> str:
        return (
            f"<Embeddings of {self.field!r}: {len(self.names):,} vectors of {self.vectors.shape[1]} numbers>"
        )

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, name: str) -> Array:
        """The vector (width,) of a name. Raises UsageError for an unknown one."""
        return self.vectors[self._place(name)]

    @public
    def nearest(self, name: str, n: int = 10) -> list[Near]:
        """The `n` names whose vectors point most the same way, the nearest first, itself left out. A name may also be given
        without the white space around it, in another case of letters, or by its title. Raises UsageError for an unknown one.
        """
        if n < 1:
            raise UsageError(f"n is a whole number from 1, not {n!r}.", where="n")
        place = self._place(name)
        alike = self._unit @ self._unit[place]
        alike[place] = alike[: self.first] = -np.inf
        best: list[int] = np.argsort(-alike, kind="stable")[: min(n, int(np.isfinite(alike).sum()))].tolist()
        return [
            Near(self.names[near], float(alike[near]), self.titles.get(self.names[near])) for near in best
        ]

    @cached_property
    def _unit(self) -> Array:
        """The vectors brought to length 1; those of length 0 stay, and are like nothing."""
        lengths = np.linalg.norm(self.vectors, axis=1, keepdims=True)
        return self.vectors / np.where(lengths > 0, lengths, 1)

    @cached_property
    def _places(self) -> dict[str, int]:
        """Each way in which a name may be given; the earlier in this order wins, and then the earlier name."""
        titles = [self.titles.get(name, name) for name in self.names]
        found: dict[str, int] = {}
        for ways in (
            self.names,
            [name.strip() for name in self.names],
            [name.casefold().strip() for name in self.names],
            [title.casefold().strip() for title in titles],
        ):
            for place, way in enumerate(ways):
                found.setdefault(way, place)
        return found

    def _place(self, name: str) -> int:
        for given in (name, name.strip(), name.casefold().strip()):
            if given in self._places:
                return self._places[given]
        raise UsageError(
            f"the model has no vector of {name!r:.100}.", where=self.field,
            fix=nearest(name.strip(), [way for way in self._places if way.strip() == way][:MOST_COMPARED])
            or f"It has those of {', '.join(map(repr, self.names[-SHOWN:]))} and others.",
        )  # fmt: skip


@public
def embeddings(bundle: Bundle | str | os.PathLike[str], field: str | None = None) -> Embeddings:
    """The vectors of one field of a bundle, which need not be named where there is only one. Raises UsageError where the bundle
    has no vectors, or none of that field."""
    found = all_embeddings(bundle)
    if field is None and len(found) == 1:
        return found[0]
    known = {each.field: each for each in found}
    if field in known:
        return known[field]
    told = "there are vectors of several fields" if field is None else f"there are no vectors of {field!r}"
    raise UsageError(f"{told}.", where="field", fix=f"Choose {', '.join(map(repr, known))}.")


def all_embeddings(bundle: Bundle | str | os.PathLike[str]) -> list[Embeddings]:
    """The vectors of each field that has any. Raises FileError and BundleError, UsageError where no field has."""
    opened = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
    tables = vectors_of(opened)
    if not tables:
        raise UsageError(
            "this bundle names no vectors of words, categories or items.", where=opened.name,
            fix="A network has them whose inputs are texts, tokens or categories. An older drivetrain did not name them: "
            "export the run again.",
        )  # fmt: skip
    ranker = opened.recommender or opened
    codecs = {**ranker.signature.fields, **opened.signature.fields}
    items = {recommends(ranker.facts).get("item"), *ranker.signature.targets}
    return [
        Embeddings(
            field,
            tuple(codecs[field].code_names),
            table,
            ranker.titles if field in items else {},
            codecs[field].first_word,
        )
        for field, table in tables.items()
    ]


def write_projector(
    found: Sequence[Embeddings], folder: str | os.PathLike[str], force: bool = False
) -> list[Path]:
    """Write a folder for TensorBoard's embedding projector: `vectors.tsv` and `metadata.tsv`, of several fields
    `FIELD_vectors.tsv` and `FIELD_metadata.tsv`, and `projector_config.pbtxt`, which names them and comes last.

    Raises FileError where the folder has something in it; with `force`, where that is no such folder.
    """
    folder = Path(folder)
    _refuse(folder, force)
    lines: list[str] = []
    written: list[Path] = []
    for each in found:
        stem = f"{member_part(each.field)}_" if len(found) > 1 else ""
        vectors, metadata = f"{stem}vectors.tsv", f"{stem}metadata.tsv"
        row = "\t".join(["%.9g"] * each.vectors.shape[1]) + "\n"  # Nine figures: the same float32 again.
        write_text(folder / vectors, "".join(row % tuple(numbers) for numbers in each.vectors.tolist()))
        write_text(folder / metadata, _metadata(each))
        written += [folder / vectors, folder / metadata]
        lines.append(
            f"embeddings {{\n  tensor_name: {_quoted(each.field)}\n  tensor_shape: {len(each)}\n"
            f"  tensor_shape: {each.vectors.shape[1]}\n  tensor_path: {_quoted(vectors)}\n"
            f"  metadata_path: {_quoted(metadata)}\n}}\n"
        )
    write_text(folder / CONFIG, "".join(lines))
    return [*written, folder / CONFIG]


def _refuse(folder: Path, force: bool) -> None:
    try:
        if folder.exists() and not folder.is_dir():
            raise FileError(
                "there is a file of this name already.", where=folder, fix="Choose another --out."
            )
        if not folder.is_dir() or not any(folder.iterdir()) or (force and (folder / CONFIG).is_file()):
            return
    except OSError as fault:
        raise file_error(fault, folder) from fault
    raise FileError(
        "this folder has something in it already.", where=folder,
        fix="Choose another --out, or replace it with --force."
        if (folder / CONFIG).is_file() else "It holds no embeddings: choose another --out.",
    )  # fmt: skip


def _metadata(found: Embeddings) -> str:
    """A name a line; with titles these first, under a head, as the projector wants of more than one column."""
    if not found.titles:
        return "".join(f"{_cell(name)}\n" for name in found.names)
    lines = (f"{_cell(found.titles.get(name, name))}\t{_cell(name)}\n" for name in found.names)
    return "title\tname\n" + "".join(lines)


def _cell(name: str) -> str:
    """A name that neither ends a line nor a cell, and can be seen."""
    return one_line(name) if name.strip() else repr(name)


def _quoted(text: str) -> str:
    """As protobuf's text format has it: JSON's quotes, all else than ASCII in UTF-8."""
    return to_json(text)
