"""The items of a request to the friendly routes, by its Content-Type: JSON, lines of JSON, CSV, a file, a form, plain text."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl

from drivetrain.codecs import Codec
from drivetrain.errors import DataError, DrivetrainError, nearest
from drivetrain.serve import strict_json
from drivetrain.serve.multipart import Part, parts
from drivetrain.serve.settings import Limits
from drivetrain.serve.types import Refusal, Request

ROWS = "rows"
TAKEN = (
    "application/json", "application/x-ndjson", "text/csv", "text/plain", "multipart/form-data", "image/*, audio/*, video/* and "
    "application/octet-stream",
)  # fmt: skip
FORM = "application/x-www-form-urlencoded"
SEPARATORS = ",;\t"


@dataclass(frozen=True, slots=True)
class Given:
    """Raw items, or in the place of one why it can't be read. `alone`: it was one item, and no list of them. `origins` say where
    each came from."""

    items: list[Any]
    alone: bool = False
    origins: Sequence[str] = ()


def items_of(request: Request, inputs: Mapping[str, Codec], limits: Limits) -> Given:
    """What a request asks about. Raises Refusal: 400 for what can't be read, 415 for another type, 413 for too many rows."""
    given = request.headers.get("content-type", "")
    kind = given.partition(";")[0].strip().lower()
    body = bytes(request.body)
    if kind in ("", FORM) and body.lstrip()[:1] in (b"{", b"[", b'"'):
        kind = "application/json"  # `curl -d` says that JSON is a form.
    if not body and kind != "text/plain":
        raise Refusal(400, "the request has no body.", fix="Send what is to be answered.")
    reader = _READERS.get(kind) or _READERS.get(kind.partition("/")[0])
    if reader is None:
        if kind.endswith("+json"):
            reader = _json
        else:
            raise Refusal(
                415,
                f"{kind or 'a body without a Content-Type':.80} is not taken.",
                fix=f"Taken are {', '.join(TAKEN)}.",
            )
    _refuse_charset(given)
    found = reader(body, given, inputs, limits)
    if len(found.items) > limits.rows:
        raise Refusal(
            413, f"it has {len(found.items):,} rows; {limits.rows:,} are the most.", fix="Ask in parts."
        )
    if not found.items:
        raise Refusal(400, "there is nothing to answer in it.", fix="Give one item at least.")
    return found


def _refuse_charset(content_type: str) -> None:
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.strip().partition("=")
        if name.lower() == "charset" and value.strip('"').lower() not in (
            "utf-8",
            "utf8",
            "us-ascii",
            "ascii",
        ):
            raise Refusal(415, f"the charset {value[:40]!r} is not taken.", fix="Send UTF-8.")


# --- by type ----------------------------------------------------------------------------------------------


def _json(body: bytes, content_type: str, inputs: Mapping[str, Codec], limits: Limits) -> Given:
    """An object is an item, an array many, anything else an item of the only input; `{"rows": [...]}` is an array too."""
    del content_type
    found = _loads(body, limits)
    if isinstance(found, dict) and ROWS not in inputs:
        record = cast("dict[str, Any]", found)
        found = record[ROWS] if [*record] == [ROWS] and isinstance(record[ROWS], list) else record
    if isinstance(found, list):
        return Given(cast("list[Any]", found))
    return Given([found], alone=True)


def _lines(body: bytes, content_type: str, inputs: Mapping[str, Codec], limits: Limits) -> Given:
    """An item a line; a line that can't be read is its own fault."""
    del content_type, inputs
    items: list[Any] = []
    for number, line in enumerate(body.split(b"\n"), 1):
        if not line.strip():
            continue
        if len(items) > limits.rows:
            break
        try:
            items.append(_loads(line, limits))
        except Refusal as fault:
            items.append(DataError(fault.error, where=f"line {number}", fix=fault.fix))
    return Given(items)


def _csv(body: bytes, content_type: str, inputs: Mapping[str, Codec], limits: Limits) -> Given:
    """A row an item: the header names the inputs, in any order; other columns are left alone. A row that has more cells, or
    fewer, is its own fault."""
    del content_type
    header, rows = table_of(utf8(body), limits.rows)
    if missing := [name for name in inputs if name not in header]:
        fix = nearest(missing[0], header) or f"The header has to name {', '.join(inputs)}."
        raise Refusal(400, f"there is no column {missing[0]!r}.", where="the header", fix=fix)
    items: list[Any] = [
        dict(zip(header, cells))
        if len(cells) == len(header)
        else DataError(f"there are {len(cells)} cells, and {len(header)} columns.", where=f"line {line}")
        for line, cells in rows
    ]
    return Given(items, origins=[f"line {line}" for line, _ in rows])


def table_of(text: str, most: int) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header of a CSV, and its rows with their lines. Raises Refusal."""
    head = text.split("\n", 1)[0]
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=max(SEPARATORS, key=head.count), strict=True
    )  # fmt: skip
    header: list[str] = []
    rows: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if not header:
                header = [name.strip() for name in cells]
            elif cells:
                rows.append((reader.line_num, cells))
                if len(rows) > most:
                    raise Refusal(413, f"it has more than {most:,} rows.", fix="Ask in parts.")
    except csv.Error as fault:
        raise Refusal(400, f"this is no CSV: {fault}.", where=f"line {reader.line_num}") from None
    if len({*header}) < len(header):
        twice = next(name for place, name in enumerate(header) if name in header[:place])
        raise Refusal(400, f"two columns are called {twice!r:.60}.", where="the header")
    return header, rows


def _text(body: bytes, content_type: str, inputs: Mapping[str, Codec], limits: Limits) -> Given:
    """One text, for the only input."""
    del content_type, limits
    name, codec = _only(inputs, "A text")
    if codec.from_files:
        raise Refusal(415, f"the model takes a file as {name!r}, and no text.", fix="Send the file's bytes.")
    return Given([utf8(body)], alone=True)


def _file(body: bytes, content_type: str, inputs: Mapping[str, Codec], limits: Limits) -> Given:
    """One file's bytes, for the only input."""
    del limits
    name, codec = _only(inputs, "A file")
    if not codec.from_files:
        words = "takes no file: " + codec.input_words()
        raise Refusal(415, f"the model {words}", where=name, fix="Send JSON or CSV.")
    del content_type
    return Given([{name: body}], alone=True)


def _form(body: bytes, content_type: str, inputs: Mapping[str, Codec], limits: Limits) -> Given:
    """Parts by the names of inputs; the k-th part of each name is of the k-th item. A part without a file's name is a cell, one of
    type application/json a value. Where there is one input its parts may have any name; a CSV alone is a table."""
    found = parts(content_type, body)
    if len(found) == 1 and found[0].name not in inputs and _is_table(found[0], inputs):
        return _csv(found[0].data, found[0].type, inputs, limits)
    several: dict[str, list[Any]] = {}
    for part in found:
        name = part.name
        if name not in inputs and len(inputs) == 1 and all(each.name not in inputs for each in found):
            name = next(iter(inputs))
        codec = inputs.get(name)
        several.setdefault(name, []).append(_cell(part, codec, limits))
    return _items_by_name(several)


def _is_table(part: Part, inputs: Mapping[str, Codec | None]) -> bool:
    named = part.type == "text/csv" or (part.filename or "").lower().endswith(".csv")
    return named and not any(codec is None or codec.from_files for codec in inputs.values())


def _cell(part: Part, codec: Codec | None, limits: Limits) -> Any:
    if part.type == "application/json":
        return _loads(part.data, limits)
    if codec is not None and codec.from_files:
        return part.data
    return utf8(part.data)


def _fields(body: bytes, content_type: str, inputs: Mapping[str, Codec], limits: Limits) -> Given:
    """A form without files."""
    del content_type, inputs, limits
    several: dict[str, list[Any]] = {}
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=8192
        )
    except ValueError:
        raise Refusal(
            400, "this is no form, as its Content-Type says (curl says so of each body that it isn't told about).",
            fix="Say what it is: curl -H 'Content-Type: image/png', text/csv, text/plain or application/json.",
        ) from None  # fmt: skip
    for name, value in pairs:
        several.setdefault(name, []).append(value)
    return _items_by_name(several)


def _items_by_name(several: Mapping[str, Sequence[Any]]) -> Given:
    counts = {len(values) for values in several.values()}
    if len(counts) > 1:
        told = ", ".join(f"{len(values)} of {name!r:.40}" for name, values in [*several.items()][:20])
        raise Refusal(
            400,
            f"the form has not as many parts of each name: {told}.",
            fix="Give each item all of its parts.",
        )
    items = [dict(zip(several, values)) for values in zip(*several.values())]
    return Given(cast("list[Any]", items), alone=len(items) == 1)


def _only(inputs: Mapping[str, Codec], what: str) -> tuple[str, Codec]:
    if len(inputs) != 1:
        raise Refusal(
            415, f"{what} alone is not enough: the model has {len(inputs)} inputs.",
            fix=f"Send a form or JSON with {', '.join(inputs)}.",
        )  # fmt: skip
    return next(iter(inputs.items()))


def _loads(data: bytes, limits: Limits) -> Any:
    try:
        return strict_json.loads(data, depth=limits.depth)
    except DrivetrainError as fault:
        raise Refusal(400, fault.error, where=fault.where, fix=fault.fix) from fault


def utf8(data: bytes) -> str:
    """The text that bytes are. Raises Refusal."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refusal(400, "it is not UTF-8.", fix="Send it as UTF-8.") from None


_READERS: Mapping[str, Callable[[bytes, str, Mapping[str, Codec], Limits], Given]] = {
    "application/json": _json,
    "application/x-ndjson": _lines,
    "application/jsonl": _lines,
    "text/csv": _csv,
    "text/plain": _text,
    "multipart/form-data": _form,
    FORM: _fields,
    "application/octet-stream": _file,
    "image": _file,
    "audio": _file,
    "video": _file,
}
