"""Texts of codecs that a bundle keeps as members of their own: a tokenizer is large, and others read its file as it is.

In signature.json the field is `{"member": NAME}` instead. Fields that hold equal texts share a member.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from drivetrain.bundle.archive import TEXT
from drivetrain.bundle.manifest import MOST_JSON_BYTES
from drivetrain.codecs import Signature
from drivetrain.errors import BundleError

SIGNATURE = "signature.json"


def has_texts(signature: Signature) -> bool:
    """Whether a codec has a text to be kept apart."""
    return any(
        getattr(codec, field) is not None for codec in signature.fields.values() for field in codec.apart
    )


def to_members(signature: Signature) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The content of signature.json, and the members that it names."""
    record = signature.to_json()
    names: dict[tuple[str, str], str] = {}
    for side, codecs in (("inputs", signature.inputs), ("targets", signature.targets)):
        for name, codec in codecs.items():
            for field, what in codec.apart.items():
                text = getattr(codec, field)
                if text is not None:
                    place = sum(1 for other, _ in names if other == what)
                    member = names.setdefault(
                        (what, text), f"{what}_{place}.json" if place else f"{what}.json"
                    )
                    record[side][name][field] = {"member": member}
    return record, {member: text.encode() for (_, text), member in names.items()}


def put_in(record: Any, members: Mapping[str, memoryview]) -> None:
    """Put the texts of members into the content of signature.json that names them. Raises BundleError for a member that isn't
    there, isn't text, or that nothing names."""
    texts = {name: _text(members[name], name) for name in members if TEXT.fullmatch(name)}
    named: set[str] = set()
    sides = cast("dict[str, Any]", record) if isinstance(record, dict) else {}
    for specs in sides.values():
        for spec in cast("dict[str, Any]", specs).values() if isinstance(specs, dict) else ():
            for field, value in cast("dict[str, Any]", spec).items() if isinstance(spec, dict) else ():
                if isinstance(value, dict):
                    member = cast("dict[str, Any]", value).get("member")
                    if value.keys() != {"member"} or not isinstance(member, str) or member not in texts:
                        raise BundleError(f"{field!r} names no member that it could be.", where=SIGNATURE)
                    named.add(member)
                    spec[field] = texts[member]
    for name in texts.keys() - named:
        raise BundleError("nothing in signature.json names this member.", where=name)


def _text(data: memoryview, name: str) -> str:
    if len(data) > MOST_JSON_BYTES:
        raise BundleError(f"it is larger than {MOST_JSON_BYTES:,} bytes.", where=name)
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError as fault:
        raise BundleError("it is not UTF-8.", where=name) from fault
