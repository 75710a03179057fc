"""The few .npy files that a bundle may hold: format 1.0, C order, little-endian plain numbers.

Read here and not by numpy.load, because that allocates what the header claims before it looks at the data.
"""

from __future__ import annotations

import io
import re
import struct

import numpy as np

from drivetrain.errors import BundleError
from drivetrain.types import Array

_MAGIC = b"\x93NUMPY\x01\x00"
_DTYPES = ("|b1", "|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8")
_TEXTS = re.compile(r"<U([1-9][0-9]{0,6})")
_HEADER = re.compile(
    rb"\{'descr': '([|<][a-zU][0-9]+)', 'fortran_order': False, 'shape': \(([0-9, ]*)\), \} *\n"
)


def to_npy(array: Array) -> bytes:
    """The array as a .npy file. Texts must not end with NUL: there they are filled up with it."""
    buffer = io.BytesIO()
    if array.dtype == object:
        array = np.array(array, "U") if array.size else np.zeros(array.shape, "<U1")
        array = array.astype("<U1") if not array.dtype.itemsize else array
    plain = np.ascontiguousarray(array).reshape(array.shape)
    np.save(buffer, plain.astype(plain.dtype.newbyteorder("<"), copy=False), allow_pickle=False)
    return buffer.getvalue()


def from_npy(data: memoryview, member: str) -> Array:
    """The array of a .npy file, copied, read-only. Raises BundleError naming the member."""
    fault = BundleError("not a .npy file that a bundle may hold.", where=member)
    if len(data) < 10 or bytes(data[:8]) != _MAGIC:
        raise fault
    (length,) = struct.unpack_from("<H", data, 8)
    match = _HEADER.fullmatch(bytes(data[10 : 10 + length]))
    descr = match[1].decode() if match else ""
    if match is None or (descr not in _DTYPES and not _TEXTS.fullmatch(descr)):
        raise fault
    try:
        shape = tuple(int(part) for part in match[2].decode().split(",") if part.strip())
    except ValueError:
        raise fault from None
    dtype = np.dtype(descr)
    count, body = 1, data[10 + length :]
    for side in shape:
        count *= side
    if len(shape) > 8 or count * dtype.itemsize != len(body):
        raise fault
    if dtype.kind == "U":
        return _texts(np.frombuffer(body, dtype).reshape(shape), fault)
    array = np.frombuffer(body, dtype).reshape(shape).copy()
    array.flags.writeable = False
    return array


def _texts(array: Array, fault: BundleError) -> Array:
    """As objects, when each is a text."""
    codes = np.frombuffer(array.tobytes(), "<u4")
    if ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any():
        raise fault
    texts = array.astype(object)
    texts.flags.writeable = False
    return texts
