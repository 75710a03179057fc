"""A request's body, decompressed while it comes in, and never more of it than may be."""

from __future__ import annotations

import zlib

from drivetrain.serve.types import Refusal


def too_large(most: int) -> Refusal:
    return Refusal(
        413, f"the request has more than {most} bytes", fix="Send less at once: [limits] body in serve.toml."
    )


class Inflater:
    """A gzip or deflate body. No more than `most` + 1 bytes are ever made, so a bomb costs what an honest body costs at most."""

    def __init__(self, encoding: str, most: int) -> None:
        self._most = most
        self._made = 0
        self._gzip = encoding in ("gzip", "x-gzip")
        self._zlib = zlib.decompressobj(31) if self._gzip else None
        self._first = b""

    def feed(self, data: bytes) -> bytes:
        """What `data` decompresses to. Raises Refusal 413 where there is more than may be, 400 where it is damaged."""
        if self._zlib is None:
            # "deflate" is zlib's format (RFC 9110 8.4.1.2); some send it without zlib's two bytes in front.
            data = self._first = self._first + data
            if len(data) < 2:
                return b""
            wrapped = data[0] & 15 == 8 and (data[0] * 256 + data[1]) % 31 == 0
            self._zlib = zlib.decompressobj(15 if wrapped else -15)
        try:
            made = self._zlib.decompress(data, self._most - self._made + 1)
        except zlib.error:
            raise Refusal(400, "the compressed body is damaged") from None
        self._made += len(made)
        if self._made > self._most:
            raise too_large(self._most)
        if self._zlib.unused_data:
            raise Refusal(400, "bytes come after the compressed body's end")
        return made

    def end(self) -> None:
        """Raise Refusal 400 where the compressed body has no end."""
        if self._zlib is None or not self._zlib.eof:
            raise Refusal(400, "the compressed body is cut off")
