"""Header blocks of HTTP/2 (HPACK, RFC 7541), as far as they can be counted without being unpacked."""

from __future__ import annotations

PADDED, PRIORITY = 8, 32
"""Flags of HEADERS (RFC 9113, 6.2)."""


def fields(block: bytes) -> int:
    """How many header fields are in a block (RFC 7541, 6), whose texts are passed over. Raises ValueError where it is none."""
    at, end, count = 0, len(block), 0
    try:
        while at < end:
            count += 1
            first = block[at]
            if first & 0x80:
                _, at = _number(block, at, 0x7F)
                continue
            if first & 0xE0 == 0x20:
                _, at = _number(block, at, 0x1F)
                continue
            index, at = _number(block, at, 0x3F if first & 0x40 else 0x0F)
            for _ in range(1 if index else 2):
                size, at = _number(block, at, 0x7F)
                at += size
    except IndexError:
        raise ValueError("no block of header fields") from None
    if at != end:
        raise ValueError("no block of header fields")
    return count


def _number(block: bytes, at: int, mask: int) -> tuple[int, int]:
    """A number that begins in some bits of a byte (RFC 7541, 5.1), and where it ends."""
    number = block[at] & mask
    at += 1
    if number < mask:
        return number, at
    for shift in range(0, 28, 7):
        byte = block[at]
        at += 1
        number += (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise IndexError


def bare(block: bytes, first: int, flags: int) -> bytes:
    """Without what stands around it in the first frame, which has `first` bytes: padding, and a priority. Raises ValueError."""
    begins = padding = 0
    if flags & PADDED and first:
        begins, padding = 1, block[0]
    if flags & PRIORITY:
        begins += 5
    if begins + padding > first:
        raise ValueError("no block of header fields")
    return block[begins : first - padding] + block[first:]
