"""What the encoded rows of a column hold, as short texts: what a person sees of what the model gets."""

from __future__ import annotations

from drivetrain.codecs import Codec
from drivetrain.extensions import facet
from drivetrain.types import Array

Texts = list[str | None]


def cell_texts(codec: Codec, encoded: Array, raw: Array) -> Texts:
    """A text for each of the encoded rows (n, *shape), whose raw values are `raw` (n,); None where there is no value."""
    make = getattr(facet("data.kinds", codec), "cell_texts", None)
    return make(codec, encoded, raw) if make else [str(value) for value in raw]
