"""Text to text: one network reads the whole of a text, another writes, looking back at all that was read (attention).

`encoder_decoder:transformer` (Vaswani et al. 2017, arXiv:1706.03762) and `encoder_decoder:gru` (Luong, Pham and Manning
2015, arXiv:1508.04025), with words such as 4-layers and 128-wide after them. Torch is imported when one is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from drivetrain.codecs import Signature
from drivetrain.errors import UsageError
from drivetrain.models.registry import Model
from drivetrain.models.takes import Takes, exactly
from drivetrain.models.whole import WholeOptions
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.models.encoder_decoder.network import EncoderDecoder

MODEL = Model(
    "reads a text, and writes another", takes=Takes("one text", exactly("tokens"), "one text", exactly("tokens")),
    learning_rate=4e-3,
)  # fmt: skip
KINDS = ("transformer", "gru")
WORDS = (*KINDS, "4-layers", "256-wide")


def build(
    signature: Signature, rows: Mapping[str, Array], options: WholeOptions, *words: str
) -> EncoderDecoder:
    from drivetrain.models.encoder_decoder.network import EncoderDecoder

    del rows
    ((source, reads),), ((target, writes),) = signature.inputs.items(), signature.targets.items()
    if reads.tokenizer_json is None or reads.tokenizer_json != writes.tokenizer_json:  # type: ignore[attr-defined]
        raise UsageError(
            "what is read and what is written are not of the same tokens.", where="model",
            fix="Use --task translation, which learns one tokenizer of both.",
        )  # fmt: skip
    kind = words[0] if words and words[0] in KINDS else KINDS[0]
    return EncoderDecoder(
        source, target, reads.size, kind, words[words[:1] == (kind,) :], options.dropout, options.heads[target].label_smoothing  # type: ignore[attr-defined]
    )  # fmt: skip
