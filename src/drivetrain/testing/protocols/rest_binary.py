"""Open Inference Protocol over REST: tensors as bytes beside the JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from drivetrain.testing.protocols.rest_infer import INFER, SUM, VALUES
from drivetrain.testing.protocols.suite import Unmet, add, case, equal, must
from drivetrain.testing.protocols.target import Reply, Target, outputs_of, simple_inputs

SOURCE = "triton extension_binary_data.md"
LENGTH = "Inference-Header-Content-Length"
DTYPES = {
    "BOOL": np.bool_, "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
    "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
    "FP16": np.float16, "FP32": np.float32, "FP64": np.float64,
}  # fmt: skip


def packed(datatype: str, values: Sequence[Any]) -> bytes:
    """Elements as the extension has them: little-endian, row by row; texts with their length in four bytes before."""
    if datatype == "BYTES":
        texts = [value.encode() if isinstance(value, str) else value for value in values]
        return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    dtype = np.dtype(DTYPES[datatype]).newbyteorder("<")
    return np.array(values, dtype).tobytes()


def unpacked(datatype: str, data: bytes) -> list[Any]:
    if datatype != "BYTES":
        return np.frombuffer(data, np.dtype(DTYPES[datatype]).newbyteorder("<")).tolist()
    found: list[Any] = []
    while data:
        size = int.from_bytes(data[:4], "little")
        must(len(data) >= 4 + size, "a text is longer than what is left")
        found.append(data[4 : 4 + size].decode())
        data = data[4 + size :]
    return found


def binary_input(name: str, datatype: str, shape: list[int], size: int) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}}


def send(server: Target, path: str, record: Any, data: bytes, **headers: str | None) -> Reply:
    """JSON and bytes behind it, with the length of the JSON unless `length` says another, or None: no header."""
    text = json.dumps(record).encode()
    length = headers.get("length", str(len(text)))
    given = {"Content-Type": "application/octet-stream", **({} if length is None else {LENGTH: length})}
    return server.ask("POST", path, text + data, given)


def received(reply: Reply) -> dict[str, dict[str, Any]]:
    """Outputs by name, bytes put in as data."""
    if reply.status != 200:
        raise Unmet(f"status {reply.status}, not 200: {reply.body[:160]!r}")
    length = reply.headers.get(LENGTH.lower())
    text, rest = (
        (reply.body, b"") if length is None else (reply.body[: int(length)], reply.body[int(length) :])
    )
    found = outputs_of(json.loads(text))
    for each in found.values():
        size = (each.get("parameters") or {}).get("binary_data_size")
        if size is not None:
            must("data" not in each, f"{each['name']} has both data and bytes")
            each["data"], rest = unpacked(each["datatype"], rest[:size]), rest[size:]
            each["binary"] = True
    must(not rest, f"{len(rest)} bytes belong to no output")
    return found


ZEROS = packed("INT32", range(16))
ONES = packed("INT32", [1] * 16)
INPUTS = [binary_input("INPUT0", "INT32", [1, 16], 64), binary_input("INPUT1", "INT32", [1, 16], 64)]


def _ready(server: Target, model: str = "simple") -> None:
    server.needs_extension("binary_tensor_data")
    server.needs_model(model)


@case("v2.binary.inputs", source=SOURCE)
def binary_inputs(server: Target) -> None:
    """Inputs may come as bytes, in their order, the outputs in JSON."""
    _ready(server)
    found = received(send(server, INFER, {"inputs": INPUTS}, ZEROS + ONES))
    equal(found["OUTPUT0"]["data"], SUM, "the sum")
    must("binary" not in found["OUTPUT0"], "bytes came that nobody asked for")


@case("v2.binary.mixed", source=SOURCE)
def binary_mixed(server: Target) -> None:
    """One input may be bytes, the other JSON."""
    _ready(server)
    found = received(send(server, INFER, {"inputs": [simple_inputs()[0], INPUTS[1]]}, ONES))
    equal(found["OUTPUT0"]["data"], SUM, "the sum")


@case("v2.binary.output", source=SOURCE)
def binary_output(server: Target) -> None:
    """An output comes as bytes where `binary_data` asks for it, another as JSON."""
    _ready(server)
    asked = [
        {"name": "OUTPUT0", "parameters": {"binary_data": True}},
        {"name": "OUTPUT1", "parameters": {"binary_data": False}},
    ]
    found = received(server.post(INFER, {"inputs": simple_inputs(), "outputs": asked}))
    equal(found["OUTPUT0"]["data"], SUM, "the sum")
    must(found["OUTPUT0"].get("binary") and not found["OUTPUT1"].get("binary"), "not as it was asked for")


@case("v2.binary.output.all", source=SOURCE)
def binary_all(server: Target) -> None:
    """`binary_data_output` asks for all outputs as bytes."""
    _ready(server)
    found = received(
        server.post(INFER, {"inputs": simple_inputs(), "parameters": {"binary_data_output": True}})
    )
    must(all(each.get("binary") for each in found.values()), "some came as JSON")
    equal(found["OUTPUT0"]["data"], SUM, "the sum")


@case("v2.binary.output.overridden", source=SOURCE)
def binary_overridden(server: Target) -> None:
    """`binary_data` of an output goes before `binary_data_output`."""
    _ready(server)
    asked = [{"name": "OUTPUT0"}, {"name": "OUTPUT1", "parameters": {"binary_data": False}}]
    record = {"inputs": simple_inputs(), "outputs": asked, "parameters": {"binary_data_output": True}}
    found = received(server.post(INFER, record))
    must(found["OUTPUT0"].get("binary") and not found["OUTPUT1"].get("binary"), "not as it was asked for")


@case("v2.binary.both", source=SOURCE)
def binary_both(server: Target) -> None:
    """Bytes in and bytes out, several rows."""
    _ready(server)
    inputs = [binary_input(name, "INT32", [3, 16], 192) for name in ("INPUT0", "INPUT1")]
    record = {"inputs": inputs, "parameters": {"binary_data_output": True}}
    found = received(send(server, INFER, record, ZEROS * 3 + ONES * 3))
    equal(found["OUTPUT0"]["data"], SUM * 3, "the sum")
    equal(list(found["OUTPUT0"]["shape"]), [3, 16], "the shape")


@case("v2.binary.content_type", source=SOURCE, must=False)
def binary_type(server: Target) -> None:
    """An answer with bytes is application/octet-stream, and says how long its JSON is."""
    _ready(server)
    reply = server.post(INFER, {"inputs": simple_inputs(), "parameters": {"binary_data_output": True}})
    equal(reply.headers.get("content-type"), "application/octet-stream", "Content-Type")
    must(LENGTH.lower() in reply.headers, f"no {LENGTH}")


def _identity(datatype: str, server: Target) -> None:
    name = f"identity_{datatype.lower()}"
    _ready(server, name)
    data = packed(datatype, VALUES[datatype])
    record = {
        "inputs": [binary_input("INPUT0", datatype, [1, 4], len(data))],
        "parameters": {"binary_data_output": True},
    }
    found = received(send(server, f"/v2/models/{name}/infer", record, data))["OUTPUT0"]
    equal((found["datatype"], list(found["shape"])), (datatype, [1, 4]), "the output's type")
    equal(packed(datatype, found["data"]), data, "the bytes")


for _datatype in VALUES:
    add(
        f"v2.binary.{_datatype}",
        f"{_datatype} goes in and comes out as the same bytes",
        partial(_identity, _datatype),
        source=SOURCE,
    )


def _changed(size: int) -> dict[str, Any]:
    return {"inputs": [binary_input("INPUT0", "INT32", [1, 16], size), INPUTS[1]]}


REFUSED: dict[str, tuple[str, Any, bytes, str | None]] = {
    "no_header": (
        "bytes without the header that says where they begin",
        {"inputs": INPUTS},
        ZEROS + ONES,
        None,
    ),
    "header_negative": ("a length of the JSON below 0", {"inputs": INPUTS}, ZEROS + ONES, "-1"),
    "header_beyond": ("a length of the JSON beyond the body", {"inputs": INPUTS}, ZEROS + ONES, "1000000"),
    "header_short": ("a length that cuts the JSON off", {"inputs": INPUTS}, ZEROS + ONES, "40"),
    "header_text": ("a length that is no number", {"inputs": INPUTS}, ZEROS + ONES, "many"),
    "bytes_few": ("fewer bytes than the sizes say", {"inputs": INPUTS}, ZEROS, ""),
    "bytes_many": ("more bytes than the sizes say", {"inputs": INPUTS}, ZEROS + ONES + b"x", ""),
    "size_other": ("a size that the shape doesn't come to", _changed(60), ZEROS[:60] + ONES, ""),
    "size_negative": ("a size below 0", _changed(-64), ZEROS + ONES, ""),
    "size_text": ("a size that is a text", _changed("64"), ZEROS + ONES, ""),  # type: ignore[arg-type]
    "size_huge": ("a size that no memory holds", _changed(2**62), ZEROS + ONES, ""),
    "data_too": (
        "an input both as data and as bytes",
        {"inputs": [{**simple_inputs()[0], **INPUTS[0]}, INPUTS[1]]},
        ZEROS + ONES,
        "",
    ),
}
"""What, the JSON, the bytes, and the header: "" as it should be, None for none."""


def _refused(name: str, server: Target) -> None:
    _ready(server)
    _, record, data, length = REFUSED[name]
    (
        send(server, INFER, record, data)
        if length == ""
        else send(server, INFER, record, data, length=length)
    ).refused()
    server.golden()


for _name, (_about, *_) in REFUSED.items():
    add(
        f"v2.binary.refused.{_name}",
        f"{_about[0].upper()}{_about[1:]} is 4xx with an error object, and the next answer is right",
        partial(_refused, _name),
        source=SOURCE,
        must=_name != "data_too",
    )


@case("v2.binary.refused.no_header.words", source="triton issue 4244", must=False)
def no_header_words(server: Target) -> None:
    """The error of a missing header names it."""
    _ready(server)
    must(
        LENGTH.lower()
        in send(server, INFER, {"inputs": INPUTS}, ZEROS + ONES, length=None).refused().lower(),
        "it doesn't",
    )


@case("v2.binary.refused.text_beyond", source=SOURCE)
def text_beyond(server: Target) -> None:
    """A text that is longer than its bytes is 4xx with an error object."""
    _ready(server, "identity_bytes")
    data = packed("BYTES", ["a", "b", "c"]) + (2**32 - 1).to_bytes(4, "little")
    record = {"inputs": [binary_input("INPUT0", "BYTES", [1, 4], len(data))]}
    send(server, "/v2/models/identity_bytes/infer", record, data).refused()
