"""Where the bundles of a repository are: from the files that are there to models and versions.

    NAME/VERSION/            an unpacked bundle, or a folder that holds one .bundle file
    NAME/VERSION.bundle
    NAME.bundle, NAME/       a bundle, packed or not: version 1 of its model
    VERSION/, VERSION.bundle and nothing else: one model, named as the folder

A version is a whole number. Names that begin with a dot are passed over: that is how what is being written is called. A link is
followed where it leads to something within the repository; one that leads outside is reported.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from drivetrain.errors import FileError
from drivetrain.files import file_error
from drivetrain.model_names import BUNDLE, SAFE_NAME, is_version

MANIFEST = "manifest.json"
MOST_FILES = 200_000
DEEPEST = 4
"""NAME/VERSION/golden/FILE."""


@dataclass(frozen=True)
class Found:
    """A version that is there: the path of its file or folder below the repository, and a mark that is another one as soon as a
    file of it is."""

    name: str
    version: int
    path: str
    mark: str


@dataclass(frozen=True)
class Listing:
    """What is there, by model and version; and by path why something is not taken for one."""

    found: Mapping[str, Mapping[int, Found]] = field(default_factory=dict[str, "Mapping[int, Found]"])
    faults: Mapping[str, str] = field(default_factory=dict[str, str])


def files_below(root: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The regular files below a folder, as paths with slashes, each with what tells it from another of that name; and by path what
    was left out, and why. Raises FileError where the folder itself can't be read."""
    files: dict[str, str] = {}
    faults: dict[str, str] = {}
    try:
        real = os.path.realpath(root)
        _walk(real, "", real, files, faults)
    except OSError as fault:
        raise file_error(fault, root) from fault
    return files, faults


def _walk(folder: str, below: str, root: str, files: dict[str, str], faults: dict[str, str]) -> None:
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        if entry.name.startswith("."):
            continue
        name = f"{below}{entry.name}"
        try:
            leads = ""
            if entry.is_symlink():
                leads = os.path.realpath(entry.path)
                if os.path.commonpath([leads, root]) != root:
                    faults[name] = "this is a link that leads out of the repository"
                    continue
            status = entry.stat()
            if stat.S_ISDIR(status.st_mode):
                # A link to a folder that it lies in would have no end.
                if name.count("/") + 1 < DEEPEST and not (leads and _within(folder, leads)):
                    _walk(leads or entry.path, f"{name}/", root, files, faults)
            elif stat.S_ISREG(status.st_mode):
                files[name] = stamp(status, leads)
        except FileNotFoundError:  # Gone since the folder was read, or a link to nothing.
            if entry.is_symlink():
                faults[name] = "this is a link to nothing"
        except OSError as fault:
            faults[name] = file_error(fault, "").error
        if len(files) > MOST_FILES:
            raise FileError(
                f"there are more than {MOST_FILES:,} files.", where=root, fix="Name the folder of the models."
            )


def _within(folder: str, other: str) -> bool:
    return os.path.commonpath([os.path.realpath(folder), other]) == other


def models_in(files: Mapping[str, str], faults: Mapping[str, str], name: str) -> Listing:
    """The models and versions that these files make; `name` is that of the folder, for one that is itself a model's, or of the one
    file that there is, whose path is ""."""
    if MANIFEST in files or "" in files:
        return Listing({name: {1: Found(name, 1, "", _mark(files))}})
    groups = _by_first(files)
    if all(map(is_version, (first.removesuffix(BUNDLE) for first in groups))) and any(
        _holds_bundle(first, below) for first, below in groups.items()
    ):
        listing = _versions(name, "", files)
        return Listing({name: listing.found[name]}, {**faults, **listing.faults})
    found: dict[str, Mapping[int, Found]] = {}
    wrong = dict(faults)
    for first, below in groups.items():
        model = first.removesuffix(BUNDLE) if "" in below else first
        if "" in below and model == first:
            continue  # A file that is no bundle: a README, say.
        if not SAFE_NAME.fullmatch(model):
            if any(_is_bundle(path or first) for path in below):
                wrong[first] = (
                    "this is no name for a model: take letters, digits, dots, dashes and underscores, a letter or digit first"
                )
        elif model in found:
            wrong[first] = f"the model {model!r} is there twice, as a file and as a folder"
        elif "" in below or MANIFEST in below:
            found[model] = {1: Found(model, 1, first, _mark(below))}
        else:
            listing = _versions(model, f"{first}/", below)
            found.update(listing.found)
            wrong.update(listing.faults)
    return Listing(found, wrong)


def _versions(name: str, prefix: str, files: Mapping[str, str]) -> Listing:
    """The versions of a model from what lies in its folder."""
    versions: dict[int, Found] = {}
    wrong: dict[str, str] = {}
    for first, below in _by_first(files).items():
        path = f"{prefix}{first}"
        number = first.removesuffix(BUNDLE) if "" in below else first
        if not is_version(number):
            if first.endswith(BUNDLE) or ("" not in below and any(map(_is_bundle, below))):
                wrong[path] = "a version is called by a whole number, such as 3, without zeros before it"
            continue
        if "" in below and number == first:
            wrong[path] = "this is neither a folder nor a .bundle file"
            continue
        packed = [inner for inner in below if inner.endswith(BUNDLE) and "/" not in inner]
        if int(number) in versions:
            wrong[path] = f"version {number} is there twice, as a file and as a folder"
        elif "" not in below and MANIFEST not in below and len(packed) > 1:
            wrong[path] = f"there are {len(packed)} bundles in the folder of one version"
        else:
            alone = "" not in below and MANIFEST not in below and len(packed) == 1
            inner = f"{path}/{packed[0]}" if alone else path
            mark = _mark({packed[0]: below[packed[0]]} if alone else below)
            versions[int(number)] = Found(name, int(number), inner, mark)
    return Listing({name: dict(sorted(versions.items()))} if versions else {}, wrong)


def _by_first(files: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The files by the first part of their paths; one that has no other is there as ""."""
    parts: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for path, stamp in files.items():
        first, _, rest = path.partition("/")
        parts[first][rest] = stamp
    return parts


def _holds_bundle(first: str, below: Mapping[str, str]) -> bool:
    """Whether this is a bundle, packed or not, or a folder right around one: not a folder of versions."""
    inner = [path for path in below if path and "/" not in path]
    packed = [path for path in inner if path.endswith(BUNDLE) and not is_version(path.removesuffix(BUNDLE))]
    return ("" in below and first.endswith(BUNDLE)) or MANIFEST in inner or bool(packed)


def _is_bundle(path: str) -> bool:
    return path.endswith(BUNDLE) or path.rpartition("/")[2] == MANIFEST


def _mark(files: Mapping[str, str]) -> str:
    """Another one as soon as a file is another, or has another name."""
    lines = "\n".join(f"{name} {stamp}" for name, stamp in sorted(files.items()))
    return hashlib.blake2b(lines.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def one_file(path: Path, name: str, version: int) -> Listing:
    """A file that is a bundle by itself. Raises FileError where there is none."""
    try:
        status = path.stat()
    except OSError as fault:
        raise file_error(fault, path) from fault
    return Listing({name: {version: Found(name, version, "", _mark({"": stamp(status)}))}})


def stamp(status: os.stat_result, leads: str = "") -> str:
    """What tells a file from another of its name: size, times to the nanosecond, its number on the disk, and where a link leads."""
    return f"{leads} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
