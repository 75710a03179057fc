"""The container: named members in one stored zip with exactly one possible layout, or in a folder.

A zip is read with `struct` alone. From the names, sizes and checksums of its directory the one layout that
FORMAT.md allows is derived again and compared with the file byte for byte, so there is no byte that means
nothing. Nothing is ever unpacked to disk.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

from drivetrain.errors import BundleError, FileError
from drivetrain.files import file_error, open_regular

MANIFEST, MANIFEST_HASH = "manifest.json", "manifest.sha256"
MOST_BYTES = 2**32 - 2**16  # So that every offset fits in 32 bits and zip64 is never needed.
MOST_MEMBERS = 20_000
RECORD, HISTORIES = "forecast.json", "golden/histories.json"
"""What a bundle that forecasts has beside."""
FIELD = r"[A-Za-z0-9_%]{1,200}"
TEXT = re.compile(r"tokenizer(?:_[1-9][0-9]{0,3})?\.json")
"""The members that hold a text of a codec (see `apart`): tokenizer.json, tokenizer_1.json, ..."""
MEMBER = re.compile(
    rf"manifest\.json|manifest\.sha256|signature\.json|(?:model|prefill|step)\.onnx|profile\.json|README\.md|golden/cases\.json"
    rf"|{TEXT.pattern}|item_vectors\.npy|seen\.json|titles\.json|recommender\.bundle"
    rf"|golden/[0-9]{{4}}\.{FIELD}\.(?:raw|read\.npy)|golden/(?:encoded|lengths|output)\.{FIELD}\.npy"
    r"|golden/[0-9]{4}\.(?:logits|state_[0-9]{1,4})\.npy|forecast\.json|golden/histories\.json"
)

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_NOT_A_BUNDLE = "Check that the file is a Drivetrain bundle and was copied completely."
_ALTERED = "Get the bundle again from where it was made."


def write_zip(members: Mapping[str, bytes]) -> bytes:
    """The members as one zip in the canonical layout of FORMAT.md: the same members always give the same
    bytes."""
    parts: list[bytes] = []
    central: list[bytes] = []
    offset = 0
    for name in sorted(members, key=_order):
        body = members[name]
        entry = (name.encode("ascii"), zlib.crc32(body), len(body))
        header = _local(*entry)
        parts += [header, body]
        central.append(_directory_entry(*entry, offset))
        offset += len(header) + len(body)
        if offset > MOST_BYTES:
            raise BundleError(f"the bundle is larger than {MOST_BYTES:,} bytes.", fix="Use a smaller model.")
    directory = b"".join(central)
    return b"".join([*parts, directory, _end(len(central), len(directory), offset)])


def read_zip(data: bytes, where: object = "") -> dict[str, memoryview]:
    """The members of a bundle file as views of `data`. Raises BundleError unless every byte is as FORMAT.md
    says."""
    view = memoryview(data)
    if len(data) > MOST_BYTES:
        raise BundleError(f"the file is larger than {MOST_BYTES:,} bytes.", where=where)
    if len(data) < _END.size or not data.startswith(b"PK\x03\x04"):
        raise BundleError("this is not a bundle.", where=where, fix=_NOT_A_BUNDLE)
    signature, _, _, count, _, size, start, _ = _END.unpack_from(data, len(data) - _END.size)
    if signature != b"PK\x05\x06" or start + size + _END.size != len(data):
        raise BundleError("the file is cut off, or something was added to it.", where=where, fix=_ALTERED)
    if count > MOST_MEMBERS:
        raise BundleError(f"there are more than {MOST_MEMBERS:,} members.", where=where)
    members: dict[str, memoryview] = {}
    central: list[bytes] = []
    position = 0
    for name, checksum, length in _directory(data, start, len(data) - _END.size, count, where):
        text = name.decode("ascii")
        if text in members:
            raise BundleError(f"the member {text!r} is there twice.", where=where, fix=_ALTERED)
        header = _local(name, checksum, length)
        central.append(_directory_entry(name, checksum, length, position))
        body = position + len(header)
        if body + length > start or data[position:body] != header:
            raise BundleError(f"the header of {text!r} is not what it has to be.", where=where, fix=_ALTERED)
        members[text] = view[body : body + length]
        if zlib.crc32(members[text]) != checksum:
            raise BundleError(f"the member {text!r} is damaged.", where=where, fix=_ALTERED)
        position = body + length
    directory = b"".join(central)
    if position != start or data[start:] != directory + _end(count, len(directory), start):
        raise BundleError("the directory at its end is not what it has to be.", where=where, fix=_ALTERED)
    if list(members) != sorted(members, key=_order):
        raise BundleError("the members are not in their order.", where=where, fix=_ALTERED)
    return members


def read_file(path: Path) -> bytes:
    """The bytes of a bundle file, read once, after its kind and size were looked at."""
    try:
        with open_regular(path) as file:
            return _read_limited(file.fileno(), MOST_BYTES, path)
    except OSError as fault:
        raise file_error(fault, path) from fault


def read_folder(folder: Path) -> dict[str, memoryview]:
    """The members of an unpacked bundle. Raises BundleError for a folder that is none, and in one for a link, a
    special file or a file that isn't a member."""
    members: dict[str, memoryview] = {}
    left = MOST_BYTES
    try:
        _refuse_other(folder)
        for path in _files(folder):
            name = path.relative_to(folder).as_posix()
            check_name(name, folder)
            if len(members) >= MOST_MEMBERS:
                raise BundleError(f"there are more than {MOST_MEMBERS:,} members.", where=folder)
            handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0))
            with open(handle, "rb") as file:
                data = _read_limited(file.fileno(), left, path)
            members[name] = memoryview(data)
            left -= len(data)
    except OSError as fault:
        raise file_error(fault, folder) from fault
    return members


def is_bundle(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as a bundle does: a damaged or newer one is one too."""
    try:
        with open_regular(path) as file:
            return bool(peek_manifest(file.read(4096)))
    except OSError as fault:
        raise file_error(fault, path) from fault


def peek_manifest(data: bytes) -> bytes:
    """The bytes of a first member called manifest.json, unchecked; empty where there is none."""
    if len(data) < _LOCAL.size or not data.startswith(b"PK\x03\x04"):
        return b""
    *_, size, _, name_length, extra_length = _LOCAL.unpack_from(data)
    name_end = _LOCAL.size + name_length
    if data[_LOCAL.size : name_end] != MANIFEST.encode():
        return b""
    return data[name_end + extra_length : name_end + extra_length + size]


def check_name(name: str, where: object = "") -> None:
    """Raise BundleError unless `name` is one that a bundle may have."""
    if MEMBER.fullmatch(name):
        return
    if name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
        raise BundleError(
            f"the member name {name!r} leads out of the bundle.", where=where, fix="Do not trust this file."
        )
    raise BundleError(
        f"{name!r} is not a member that a bundle has.", where=where, fix="Remove it, or get the bundle again."
    )


def refuse_run(folder: Path) -> None:
    """Raise BundleError for the folder of a run, which is exported first."""
    if (folder / "config.toml").is_file() and (folder / "checkpoints").is_dir():
        command = shlex.join(["drivetrain", "export", str(folder), "MODEL.bundle"])
        raise BundleError("this is a run, not a bundle.", where=folder, fix=f"Run: {command}")


def _refuse_other(folder: Path) -> None:
    """Raise BundleError for a folder that is no bundle: what is in it is no bundle's, and nobody shall remove it."""
    if os.path.lexists(folder / MANIFEST):
        return
    refuse_run(folder)
    raise BundleError(
        f"this folder is no bundle: it has no {MANIFEST}.", where=folder,
        fix="Name the file that 'drivetrain export' wrote, or the folder that it was unpacked in.",
    )  # fmt: skip


def _order(name: str) -> tuple[int, str]:
    return ((MANIFEST, MANIFEST_HASH).index(name) if name in (MANIFEST, MANIFEST_HASH) else 2, name)


def _local(name: bytes, checksum: int, size: int) -> bytes:
    return _LOCAL.pack(b"PK\x03\x04", 10, 0, 0, 0, 0x21, checksum, size, size, len(name), 0) + name


def _directory_entry(name: bytes, checksum: int, size: int, offset: int) -> bytes:
    fields = (10, 10, 0, 0, 0, 0x21, checksum, size, size, len(name), 0, 0, 0, 0, 0, offset)
    return _CENTRAL.pack(b"PK\x01\x02", *fields) + name


def _end(count: int, size: int, start: int) -> bytes:
    return _END.pack(b"PK\x05\x06", 0, 0, count, count, size, start, 0)


def _directory(
    data: bytes, position: int, end: int, count: int, where: object
) -> list[tuple[bytes, int, int]]:
    """(name, CRC-32, size) of each entry. What is wrong with an entry is said here; that it is canonical is
    not."""
    entries: list[tuple[bytes, int, int]] = []
    for _ in range(count):
        if position + _CENTRAL.size > end:
            raise BundleError("the directory at its end is cut off.", where=where, fix=_ALTERED)
        (signature, _, _, flags, method, _, _, checksum, packed, size, *lengths, external, _) = (
            _CENTRAL.unpack_from(data, position)
        )
        position += _CENTRAL.size + lengths[0]
        name = data[position - lengths[0] : position]
        shown = name[:100].decode("ascii", "backslashreplace")
        faults = (
            (signature != b"PK\x01\x02", "the directory at its end is damaged."),
            (flags & 1, f"the member {shown!r} is encrypted."),
            (method or packed != size, f"the member {shown!r} is compressed; a bundle is stored."),
            (flags, f"the member {shown!r} has flags; a bundle has none."),
            (any(lengths[1:]), f"the member {shown!r} carries extra fields or a comment."),
            (external, f"the member {shown!r} has file attributes, like a link; a bundle has none."),
            (not name.isascii() or position > end, f"the member name {shown!r} is damaged."),
        )
        for wrong, error in faults:
            if wrong:
                raise BundleError(error, where=where, fix=_ALTERED)
        check_name(name.decode("ascii"), where)
        entries.append((name, checksum, size))
    return entries


def _files(folder: Path) -> list[Path]:
    """The regular files of the folder and of its `golden` folder; anything else is refused."""
    found: list[Path] = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        if entry.is_symlink():
            raise BundleError("there is a link in the bundle.", where=path, fix="Do not trust this folder.")
        if entry.is_dir(follow_symlinks=False) and entry.name == "golden" and folder.name != "golden":
            found += _files(path)
        elif entry.is_file(follow_symlinks=False):
            found.append(path)
        else:
            raise BundleError("this is not a member that a bundle has.", where=path, fix="Remove it.")
        if len(found) > MOST_MEMBERS:
            raise BundleError(f"there are more than {MOST_MEMBERS:,} members.", where=folder)
    return found


def _read_limited(handle: int, most: int, path: Path) -> bytes:
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        raise FileError("this is not a regular file.", where=path, fix="Name a bundle.")
    if status.st_size > most:
        raise BundleError(f"the bundle is larger than {MOST_BYTES:,} bytes.", where=path)
    with open(handle, "rb", closefd=False) as file:
        data = file.read(status.st_size + 1)
    if len(data) != status.st_size:
        raise BundleError("the file changed while it was being read.", where=path, fix="Try again.")
    return data
