"""Raw values as callers send them, and as codecs read them. Here, and nowhere else, a text from the network becomes a file's bytes:
it is never the path of one, nor an address that is fetched."""

from __future__ import annotations

from base64 import b64decode
from typing import Any, cast

from drivetrain.codecs import Codec
from drivetrain.errors import DataError
from drivetrain.picture_file import opened
from drivetrain.serve.settings import Limits

PIXELS = Limits().pixels
TOGETHER = 10
NO_FILE = "Give the bytes of a file, in JSON as base64."


class Budget:
    """How many pixels the pictures of one request may have: `each`, and TOGETHER times as many all of them."""

    def __init__(self, each: int) -> None:
        self.each, self.left = each, TOGETHER * each

    def take(self, data: Any) -> None:
        """Count a picture, by its header. Raises DataError."""
        with opened(data) as picture:
            count = picture.width * picture.height
        if count > self.each:
            raise DataError(
                f"the picture has {count:,} pixels; {self.each:,} are the most.", fix="Make it smaller."
            )
        if count > self.left:
            raise DataError(
                f"with this picture the request has more than {TOGETHER * self.each:,} pixels.",
                fix="Ask in parts.",
            )
        self.left -= count


def from_wire(raw: Any, codec: Codec, budget: Budget) -> Any:
    """A raw value for a codec: of files the bytes, which in a text are base64 or a data: URL, and in an object its "b64"; a
    picture's header is read before anything of it is decoded. Raises DataError."""
    if not codec.from_files:
        return raw
    data = file_of(raw)
    if codec.pictured:
        budget.take(data)
    return data


def file_of(raw: Any) -> bytes | bytearray | memoryview:
    """The bytes of a file: of a text what it is base64 of. Raises DataError."""
    if isinstance(raw, dict) and len(cast("dict[str, Any]", raw)) == 1:
        raw = cast("dict[str, Any]", raw).get("b64", 0)
    data: Any = cast("Any", raw)
    if isinstance(raw, str):
        return _decoded(raw.partition(",")[2] if raw.startswith("data:") else raw)
    if isinstance(data, (bytes, bytearray, memoryview)):
        return cast("bytes", data)
    raise DataError(f"{type(data).__name__} is no file.", fix=NO_FILE)


def _decoded(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        pass
    try:
        return b64decode("".join(text.split()), validate=True)  # As mail and `base64` break its lines.
    except ValueError:
        raise DataError(
            "this text is not base64, nor is it taken for a path or an address.", fix=NO_FILE
        ) from None
