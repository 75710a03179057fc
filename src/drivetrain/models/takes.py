"""Which inputs and targets a model fits: by their kinds, and by the form in which an encoder lays them before a body.

Told in records (see `registry.py`), of ours and of extensions, and read without torch as far as no encoder is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType

from drivetrain import extensions
from drivetrain.codecs import Codec, Signature
from drivetrain.codecs.base import Quantity
from drivetrain.codecs.tokens import Tokens

PICTURE = "picture"
"""The form of what pictures are to a body: (channels, height, width)."""
TOKENS = "tokens"
"""The form of what comes one after the other: (most places, width of the vector at each)."""
SERIES = "series"
"""The form of numbers one after the other: (moments, channels), moments None where rows have different numbers of them."""
SUBWORDS = "subwords"
"""The form of what a pretrained model of texts reads, by its own tokenizer: (most tokens,)."""
LISTED = 5
"""Inputs that are named one by one."""


def form_of(codec: Codec) -> str | None:
    """What an input is to a network: the form of what its encoder lays before a body, "" where its encoder needs none,
    None where no network can have it."""
    encoder = extensions.facet("models.encoders", codec)
    return None if encoder is None else getattr(encoder, "FORM", "")


def is_like(codec: Codec, kind: str) -> bool:
    """Whether a codec is of a kind, or declares to be like it."""
    return kind in (extensions.kind_of(codec), codec.like)


def has_heads(codecs: Sequence[Codec]) -> bool:
    """Whether a network can answer with all of them."""
    return all(extensions.facet("models.heads", codec) for codec in codecs)


@dataclass(frozen=True)
class Takes:
    """The inputs and the targets that a model fits, in words and as tests."""

    what: str
    inputs: Callable[[Sequence[Codec]], bool]
    gives: str = "what a network has a head for"
    targets: Callable[[Sequence[Codec]], bool] = has_heads

    def fits(self, signature: Signature) -> bool:
        return self.inputs([*signature.inputs.values()]) and self.targets([*signature.targets.values()])

    def misfit(self, signature: Signature) -> str:
        """Why it does not fit, in words after the name of a model."""
        for codecs, room, part in (
            (signature.inputs, "models.encoders", "an encoder"),
            (signature.targets, "models.heads", "a head"),
        ):
            lacking = {
                extensions.kind_of(each) for each in codecs.values() if not extensions.facet(room, each)
            }
            if lacking:
                return f"is no model for this: no network has {part} of {' or '.join(sorted(lacking))}"
        if not self.inputs([*signature.inputs.values()]):
            return f"takes {self.what}; here {_listed(signature.inputs)}"
        return f"gives {self.gives}; here {_listed(signature.targets)}"

    def if_tokens(self, signature: Signature) -> str:
        """The first input that holds texts, where the model would fit if these were read as tokens; "" where it would not."""
        texts = [name for name, codec in signature.inputs.items() if codec.holds_texts]
        cut = [Tokens() if codec.holds_texts else codec for codec in signature.inputs.values()]
        fits = not self.inputs([*signature.inputs.values()]) and self.inputs(cut)
        return texts[0] if texts and fits and self.targets([*signature.targets.values()]) else ""


def _listed(codecs: Mapping[str, Codec]) -> str:
    """ "is price (number)", or of many what kinds they are."""
    kinds = {name: extensions.kind_of(codec) for name, codec in codecs.items()}
    if len(kinds) > LISTED:
        return f"are {len(kinds)} of {', '.join(dict.fromkeys(kinds.values()))}"
    named = ", ".join(name if name == kind else f"{name} ({kind})" for name, kind in kinds.items())
    return f"{'is' if len(kinds) == 1 else 'are'} {named}"


def takes_form(form: str, what: str) -> Takes:
    """Of a body: inputs of its form, and beside them those that need no body."""
    return Takes(what, lambda codecs: form in (found := {*map(form_of, codecs)}) and found <= {form, ""})


def exactly(*kinds: str) -> Callable[[Sequence[Codec]], bool]:
    """Whether codecs are of these kinds, in this order."""
    return lambda codecs: len(codecs) == len(kinds) and all(map(is_like, codecs, kinds))


def _of_columns(codecs: Sequence[Codec]) -> bool:
    """Tokens and series among them: what sees nothing of them says so."""
    return {*map(form_of, codecs)} <= {TOKENS, SERIES, ""}


def _seen_by_trees(codecs: Sequence[Codec]) -> bool:
    return _of_columns(codecs) and any(hasattr(_features(codec), "for_trees") for codec in codecs)


def _with_ngrams(codecs: Sequence[Codec]) -> bool:
    return _of_columns(codecs) and any(
        getattr(_features(codec), "has_ngrams", lambda _: False)(codec) for codec in codecs
    )


def _with_kernels(codecs: Sequence[Codec]) -> bool:
    return _of_columns(codecs) and any(hasattr(_features(codec), "for_kernels") for codec in codecs)


def _features(codec: Codec) -> ModuleType | None:
    """What simple models see of an input: the file of its kind in `learn/features`."""
    return extensions.facet("learn.features", codec)


def is_plain(codec: Codec) -> bool:
    """Whether a target asks for a choice among classes or for a quantity: models that are no networks answer with both."""
    return codec.labels is not None or isinstance(codec, Quantity)


def _plain(codecs: Sequence[Codec]) -> bool:
    return all(map(is_plain, codecs))


def _one_number(codecs: Sequence[Codec]) -> bool:
    return len(codecs) == 1 and isinstance(codecs[0], Quantity)


def takes_sequences() -> Takes:
    """Of a body that reads either tokens or numbers one after the other, and beside them what needs no body."""
    return Takes("tokens or series", lambda codecs: {*map(form_of, codecs)} - {""} in ({TOKENS}, {SERIES}))


PICTURES = takes_form(PICTURE, "pictures")
SEQUENCES = takes_sequences()
READS_TEXTS = Takes(
    "texts, and columns beside them",
    lambda codecs: (
        any(codec.holds_texts for codec in codecs)
        and all(codec.holds_texts or form_of(codec) == "" for codec in codecs)
    ),
)
"""Of a pretrained model, which has its own tokenizer: whatever the codec of a text is until then."""
ANY_FORM = Takes(
    "columns, pictures, tokens or series",
    lambda codecs: {*map(form_of, codecs)} <= {PICTURE, TOKENS, SERIES, ""},
)
CLASS_OR_NUMBER = "a class or a number"
TABLES = Takes("tables", _of_columns, CLASS_OR_NUMBER, _plain)
COLUMNS = Takes("tables", _seen_by_trees, CLASS_OR_NUMBER, _plain)
TEXTS = Takes("tables with text", _with_ngrams, CLASS_OR_NUMBER, _plain)
SENSORS = Takes("series", _with_kernels, CLASS_OR_NUMBER, _plain)
PAIR = Takes(
    "two categories alone, such as user and item", exactly("category", "category"),
    "one number", _one_number,
)  # fmt: skip
HISTORIES = Takes("histories of who had what", lambda codecs: False)
"""Their task alone makes them."""
FORECASTS = Takes(
    "the past of series", lambda codecs: any(is_like(codec, "series") for codec in codecs),
    "the next moments of a series", lambda codecs: len(codecs) == 1 and is_like(codecs[0], "series"),
)  # fmt: skip
TRIED = Takes(
    "tables and series", _of_columns, f"{CLASS_OR_NUMBER}, or the next moments of a series",
    lambda codecs: _plain(codecs) or FORECASTS.targets(codecs),
)  # fmt: skip
"""Of what tries several."""
