"""Codecs: what a column means. Raw value to array and model output to answer, each defined once.

One file per kind of column; the file's name is the op's name (`image@1` lives in `image.py`).
"""

from drivetrain.codecs.base import Codec, Quantity, Signature, codec_names, from_spec

__all__ = ["Codec", "Quantity", "Signature", "codec_names", "from_spec"]
