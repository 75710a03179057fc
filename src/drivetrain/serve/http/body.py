"""A request's body, decompressed, and never more of it than may be."""

from __future__ import annotations

import asyncio
import zlib

from drivetrain.serve.types import Refusal

SMALL = 64 * 1024
"""Bytes that are made at once; more are made in a thread, so that nobody waits for another's large body."""
UNPACKING = 4
"""Large bodies that are decompressed at the same time."""


def too_large(most: int) -> Refusal:
    return Refusal(
        413, f"the request has more than {most} bytes", fix="Send less at once: [limits] body in serve.toml."
    )


def check_encoding(encoding: str) -> None:
    """Raise Refusal 415 for what isn't known."""
    if encoding.strip().lower() not in ("identity", "gzip", "x-gzip", "deflate"):
        raise Refusal(
            415,
            "this Content-Encoding isn't known here",
            fix="Send the body plain, gzip or deflate.",
            headers={"Accept-Encoding": "gzip, deflate"},
        )


class Unpacker:
    """Decompresses bodies of gzip and deflate. No more than `most` + 1 bytes are made of one, so a bomb costs what an honest body
    may cost."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._large = asyncio.Semaphore(UNPACKING)

    async def unpacked(self, data: bytes, encoding: str) -> bytes:
        """The body as it was. Raises Refusal 413 where there is more than may be, 400 where it is damaged."""
        encoding = encoding.strip().lower()
        if encoding == "identity":
            return data
        # "deflate" is zlib's format (RFC 9110 8.4.1.2); some send it without zlib's two bytes in front.
        bare = encoding == "deflate" and not (
            len(data) > 1 and data[0] & 15 == 8 and not (data[0] * 256 + data[1]) % 31
        )
        work = zlib.decompressobj(-15 if bare else 15 if encoding == "deflate" else 31)
        made = _some(work, data, min(SMALL, self._most + 1))
        if not work.eof and SMALL <= len(made) <= self._most:
            async with self._large:
                rest = asyncio.get_running_loop().run_in_executor(
                    None, _some, work, work.unconsumed_tail, self._most + 1 - len(made)
                )
                made += await rest
        if len(made) > self._most:
            raise too_large(self._most)
        if not work.eof:
            raise Refusal(400, "the compressed body is cut off")
        if work.unused_data:
            raise Refusal(400, "bytes come after the compressed body's end")
        return made


def _some(work: zlib._Decompress, data: bytes, most: int) -> bytes:  # pyright: ignore[reportPrivateUsage]
    try:
        return work.decompress(data, most)
    except zlib.error:
        raise Refusal(400, "the compressed body is damaged") from None
