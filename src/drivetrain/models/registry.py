"""Models by name: one record each, of what it is and which inputs and targets it fits; hub names, folders and weights
files. Names that have their record here resolve without torch.

A name stands for the body of inputs that need one, such as pictures; `linear` and `mlp` also for what combines columns,
and the names of LEARNERS for a model that is no network. A new body is a file in `bodies/` with `build(shape, dropout)`,
a whole network one in `whole/` (see there): both say in a constant MODEL what they are, and are found by their name in
extensions too. Our bodies of pictures have their record here instead, so that their names are known without torch.
"""

from __future__ import annotations

import importlib
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from drivetrain import extensions
from drivetrain.codecs.base import Quantity
from drivetrain.errors import DrivetrainError, FileError, UsageError, nearest
from drivetrain.interface import column_option
from drivetrain.models.takes import (
    ANY_FORM,
    COLUMNS,
    FORECASTS,
    HISTORIES,
    PAIR,
    PICTURES,
    READS_TEXTS,
    SENSORS,
    TEXTS,
    TOKENS,
    TRIED,
    Takes,
    form_of,
)
from drivetrain.models.widths import embedding_width

if TYPE_CHECKING:
    from torch import nn

    from drivetrain.codecs import Signature
    from drivetrain.models.body import Body
    from drivetrain.models.encoders import EncoderOptions
    from drivetrain.models.vectors import WordVectors

Kind = Literal["built-in", "whole", "hub", "folder", "weights"]


@dataclass(frozen=True)
class Model:
    """What a name stands for, and what it fits.

    A network that is built here has its `module`; one from the hub `hub`, and for training from scratch its `config`; a
    model that is no network its `learner`, "module:class" in `drivetrain.learn`, and the `network` that is trained instead
    where it must be one; one that looks for the best of `several` does so for itself. `weight_decay` and `learning_rate`
    are those that a network wants unless others are given.
    """

    description: str
    module: str = ""
    hub: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    learner: str = ""
    network: str = ""
    several: bool = False
    takes: Takes = PICTURES
    weight_decay: float | None = None
    learning_rate: float | None = None


def _built_in(name: str, description: str, takes: Takes = PICTURES) -> Model:
    return Model(description, module=f"drivetrain.models.bodies.{name}", takes=takes)


def _resnet(layer_type: str, depths: list[int], hidden_sizes: list[int]) -> dict[str, Any]:
    return {"model_type": "resnet", "layer_type": layer_type, "depths": depths, "hidden_sizes": hidden_sizes}


def _transformer(model_type: str, width: int, heads: int, patch_size: int) -> dict[str, Any]:
    sizes = {"hidden_size": width, "num_attention_heads": heads, "patch_size": patch_size}
    return {"model_type": model_type, **sizes} | (
        {"intermediate_size": 4 * width} if model_type == "vit" else {}
    )


BASIC, BOTTLENECK = [64, 128, 256, 512], [256, 512, 1024, 2048]

MODELS: dict[str, Model] = {
    "linear": _built_in("linear", "no layers: softmax regression on pixels, columns or the mean of tokens", ANY_FORM),
    "mlp": _built_in(
        "mlp", "two dense layers: (128, 64) on pixels or the mean of tokens, (256, 128) on the columns of a table", ANY_FORM
    ),
    "cnn": _built_in("cnn", "the textbook's convolutions and pooling, then a dense layer of 128"),
    "residual": _built_in("residual", "a small residual network, quick on a CPU; the best start without pretrained weights"),
    "resnet18": Model("ResNet-18, ImageNet", hub="microsoft/resnet-18", config=_resnet("basic", [2, 2, 2, 2], BASIC)),
    "resnet34": Model("ResNet-34, ImageNet", hub="microsoft/resnet-34", config=_resnet("basic", [3, 4, 6, 3], BASIC)),
    "resnet50": Model(
        "ResNet-50, ImageNet", hub="microsoft/resnet-50", config=_resnet("bottleneck", [3, 4, 6, 3], BOTTLENECK)
    ),
    "mobilenet_v2": Model(
        "MobileNetV2, ImageNet: small and quick", hub="google/mobilenet_v2_1.0_224", config={"model_type": "mobilenet_v2"}
    ),
    "convnext_tiny": Model("ConvNeXt tiny, ImageNet", hub="facebook/convnext-tiny-224", config={"model_type": "convnext"}),
    "vit_small": Model(
        "vision transformer, small", hub="WinKawaks/vit-small-patch16-224", config=_transformer("vit", 384, 6, 16)
    ),
    "vit_base": Model(
        "vision transformer, base", hub="google/vit-base-patch16-224", config=_transformer("vit", 768, 12, 16)
    ),
    "dinov2_small": Model(
        "DINOv2 small: self-supervised, strong frozen features", hub="facebook/dinov2-small",
        config=_transformer("dinov2", 384, 6, 14),
    ),
}  # fmt: skip


def _pair(description: str, weight_decay: float) -> Model:
    return Model(
        description, module="drivetrain.models.dot", takes=PAIR, weight_decay=weight_decay, learning_rate=1e-2
    )


PAIRS: dict[str, Model] = {
    "dot": _pair("who and what: the product of their vectors, with biases", 1.2),
    "neural": _pair("the same with a dense layer on both vectors", 2.0),
}
"""Measured on a part of the training ratings of MovieLens 100k: without the strong decay 64 numbers for each user
learn the noise (bench/movielens.py)."""
PAIR_WIDTH = 64
LEARNERS: dict[str, Model] = {
    "best": Model(
        "the best of several, or a blend of them", learner="best.learner:BestLearner", network="mlp", several=True,
        takes=TRIED,
    ),
    "trees": Model("gradient-boosted trees", learner="trees.learner:TreesLearner", takes=COLUMNS),
    "regression": Model(
        "regression in closed form", learner="closed_form.regression:RegressionLearner", takes=COLUMNS
    ),
    "ngrams": Model("regression on n-grams", learner="closed_form.ngrams:NgramsLearner", takes=TEXTS),
    "minirocket": Model(
        "ridge regression on what many small kernels find in series",
        learner="closed_form.minirocket:MiniRocketLearner", takes=SENSORS,
    ),
    "ease": Model(
        "what comes next, by what came together", learner="recommend.ease:EaseLearner", takes=HISTORIES
    ),
    "factors": Model(
        "matrix factorisation", learner="recommend.factors:FactorsLearner", network="dot", takes=PAIR
    ),
    "bank": Model(
        "ridge regressions and plain rules in closed form, averaged", learner="forecast.bank:BankLearner",
        network="nlinear", takes=FORECASTS,
    ),
    "seasonal": Model(
        "what was a season ago, in the range of what that was off by", learner="forecast.seasonal:SeasonalLearner",
        network="nlinear", takes=FORECASTS,
    ),
}  # fmt: skip
"""Models that are no networks, and have a learner of their own."""
OURS = {"best": LEARNERS["best"], **MODELS, **LEARNERS, **PAIRS}
"""All records, in the order in which they are offered."""

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
PICKLED = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt")
WEIGHTS = ".safetensors"


@dataclass(frozen=True)
class ModelSource:
    """What a name means. `location` is a module, a hub name or a path; `words` are those that follow the name of a body."""

    name: str
    kind: Kind
    location: str
    words: tuple[str, ...] = ()


def record_of(name: str) -> Model | None:
    """The record of a short name, ours or an extension's; None for other names. Raises DrivetrainError where the file of
    a whole network has none."""
    if name in OURS:
        return OURS[name]
    name, _ = _parted(name)
    kind, file = _file_of(name)
    record = getattr(file, "MODEL", None)
    if isinstance(record, Model):
        return record
    if kind == "whole":
        raise DrivetrainError(f"there is no MODEL that says what {name} is.", where=f"models/whole/{name}")
    return None


def _file_of(name: str) -> tuple[Kind, ModuleType | None]:
    """The file of a whole network, or of a body, that has no record here."""
    whole = extensions.find("models.whole", name)
    return ("built-in", extensions.find("models.bodies", name)) if whole is None else ("whole", whole)


def _parted(name: str) -> tuple[str, tuple[str, ...]]:
    """A name, and the words that follow it: lstm:bidirectional. Only bodies and whole networks whose file has WORDS, how they
    are said, take any."""
    first, *words = name.split(":")
    known = bool(words) and hasattr(_file_of(first)[1], "WORDS")
    return (first, tuple(words)) if known else (name, ())


def fitting(signature: Signature) -> tuple[str, ...]:
    """The names to offer for a dataset: models that can take its inputs and give its targets."""
    theirs = [*extensions.names("models.whole"), *extensions.names("models.bodies")]
    found = {name: record_of(name) for name in (*OURS, *theirs)}
    return tuple(
        name for name, record in found.items() if record is not None and record.takes.fits(signature)
    )


def takes_of(name: str) -> Takes:
    """What a model fits. Those from the hub, and in a folder, are for texts or for pictures, as their configuration tells."""
    from drivetrain.models import hub

    if (record := record_of(name)) is not None:
        return record.takes
    folder = folder_of(name)
    return READS_TEXTS if folder is not None and hub.reads_texts(folder) else PICTURES


def folder_of(name: str) -> Path | None:
    """The folder of the pretrained model that a name without a record stands for, downloaded when it must be; None for other names.
    Raises hub.Unreachable, and UsageError as `resolve` does."""
    from drivetrain.models import hub

    if record_of(name) is not None:
        return None
    source = resolve(name)
    if source.kind == "hub":
        return hub.fetch(source.location)
    return Path(source.location) if source.kind == "folder" else None


def refuse_unfit(name: str, signature: Signature) -> None:
    """Raises UsageError for a model that can't take the inputs or give the targets, with those that can: it would be as if
    another had been asked for."""
    texts = any(codec.holds_texts for codec in signature.inputs.values())
    on_hub = record_of(name) is None and resolve(name).kind == "hub"
    takes = (
        PICTURES if on_hub and not texts else takes_of(name)
    )  # What can't be of texts is not asked about yet.
    if takes.fits(signature):
        return
    offered = fitting(signature)
    fix = f"Choose one of {', '.join(offered)}." if offered else "Give a torch module of your own."
    if column := takes.if_tokens(signature):
        fix = f"Say that it is read word by word: {column_option(column, TOKENS)}. Or, as it is: {', '.join(offered)}."
    raise UsageError(f"{name} {takes.misfit(signature)}.", where="model", fix=fix)


def may_be_pretrained(name: str) -> bool:
    """Whether weights that were trained before may be had for a name; asks no network."""
    record = record_of(name)
    return resolve(name).kind != "built-in" if record is None else bool(record.hub)


def resolve(name: str, offered: Sequence[str] = tuple(MODELS)) -> ModelSource:
    """What `name` stands for: a short name with a record, a local folder or weights file, or `owner/name` on the hub.

    Raises UsageError for what is no name, for an unknown one (with the nearest of those `offered`) and for pickled
    weights, FileError for a path that isn't there. Asks no network.
    """
    name = _checked(name)
    others = [other for other in offered if other != name]
    pictures = any(other in MODELS and MODELS[other].hub for other in others)
    files = ", a hub name (owner/name), a folder or a file" if pictures else ""
    choice = f"Choose one of {', '.join(others)}{files}." if others else "Give a torch module of your own."
    if (record := record_of(name)) is not None:
        if record.learner:
            raise UsageError(f"{name} is for {record.takes.what}, and no network.", where="model", fix=choice)
        if record.hub:
            return ModelSource(name, "hub", record.hub)
        if record.module:
            return ModelSource(name, "built-in", record.module)
        first, words = _parted(name)
        kind, file = _file_of(first)
        return ModelSource(name, kind, "" if file is None else file.__name__, words)
    path = Path(name).expanduser()
    if path.suffix.lower() in PICKLED:
        raise UsageError(
            f"{path.suffix} files are pickles, which can run any code when they are opened; they are not loaded.",
            where=name,
            fix="Where you trust its origin, load it with torch.load(..., weights_only=True) and save the tensors "
                "with safetensors.torch.save_file.",
        )  # fmt: skip
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise UsageError(
                "this folder is not a model: it has no config.json.", where=name,
                fix="Give a folder written by save_pretrained (config.json and model.safetensors), or a .safetensors file.",
            )  # fmt: skip
        return ModelSource(name, "folder", str(path))
    if path.suffix.lower() == WEIGHTS:
        if not path.is_file():
            raise FileError("no such file.", where=name, fix="Check the path.")
        return ModelSource(name, "weights", str(path))
    if HUB_NAME.fullmatch(name):
        return ModelSource(name, "hub", name)
    if "/" in name or "\\" in name:
        raise FileError("no such folder.", where=name, fix="Check the path.")
    raise UsageError(f"no model is called {name!r}.", where="model", fix=nearest(name, others) or choice)


def _checked(name: Any) -> str:
    """A model's name as text. Raises UsageError for what is none; a torch module never comes here."""
    if isinstance(name, type):
        raise UsageError(
            f"a model is an object, not the class {name.__name__}.", where="model",
            fix=f"Make one: {name.__name__}(...).",
        )  # fmt: skip
    if not isinstance(name, (str, os.PathLike)):
        raise UsageError(
            f"a model is a name or a torch module, not {type(name).__name__}.", where="model",
            fix="Give a name, such as cnn, or an object of a class derived from torch.nn.Module.",
        )  # fmt: skip
    return os.fspath(name)


MOST_PIECES = 512


@dataclass(frozen=True)
class TableShape:
    """The size of `mlp` on a table: the pieces that a number is cut into, the widths of the dense layers, and how many
    members share them (see `dense.py`)."""

    bins: int = 64
    widths: tuple[int, ...] = (256, 128)
    members: int = 1


def table_shape(rows: int, numbers: int) -> TableShape:
    """The shape for so many training rows and inputs that are numbers: half the root of the rows is the number of pieces,
    and all numbers together have no more than MOST_PIECES. Members are work: a table that has rows enough is learned
    well by few. Measured: docs/decisions/tables.md."""
    wished = min(max(rows, 1) ** 0.5 / 2, MOST_PIECES / max(numbers, 1) / 2**0.5)
    bins = 2 ** round(min(max(math.log2(wished), 3), 6))
    members = 8 if rows <= 50_000 else 4 if rows <= 200_000 else 2
    return TableShape(bins, (128, 128), members)


def shape_of(name: str, signature: Signature, rows: int) -> TableShape:
    """That of `mlp` where no input needs a body, which then has nothing else to learn in; else the plain one."""
    inputs = signature.inputs.values()
    if name != "mlp" or any(map(form_of, inputs)):
        return TableShape()
    return table_shape(rows, sum(isinstance(codec, Quantity) for codec in inputs))


def encoder_options(
    name: str,
    body: Callable[..., nn.Module],
    shape: TableShape,
    vectors: WordVectors | None = None,
) -> EncoderOptions:
    """What a model wants of its encoders. `body` makes the body of an input that needs one; words begin with `vectors`. Raises
    UsageError where these have another width than the name says."""
    from drivetrain.models.encoders import EncoderOptions

    if name in PAIRS:
        return EncoderOptions(body, width=lambda _: PAIR_WIDTH, biases=True)
    widths = [word.partition("-")[0] for word in _parted(name)[1] if word.endswith("-embedded")]
    if (
        widths and widths[0].isascii() and widths[0].isdecimal() and int(widths[0])
    ):  # The body refuses all else.
        if vectors is not None and vectors.width != int(widths[0]):
            raise UsageError(
                f"the vectors are {vectors.width} wide, and the model says {widths[0]}-embedded.", where="vectors",
                fix="Leave the word out.",
            )  # fmt: skip
        return EncoderOptions(body, shape.bins, lambda _: int(widths[0]), vectors=vectors)
    if name == "linear":
        return EncoderOptions(body, vectors=vectors)
    return EncoderOptions(body, shape.bins, embedding_width, vectors=vectors)


def build_combiner(name: str, inputs: Sequence[int], dropout: float, shape: TableShape) -> nn.Module:
    """What lies between the features of all inputs and the heads: nothing for `linear`, else dense layers. `inputs` has
    for each feature the number of the input that it is of."""
    from torch import nn

    from drivetrain.models import dot
    from drivetrain.models.dense import Dense

    if name in PAIRS:
        return dot.build(name, len(inputs), dropout)
    if name == "linear":
        return nn.Identity()
    return Dense(inputs, dropout, shape.widths, shape.members)


def build_body(
    name: str,
    shape: tuple[int, ...],
    form: str = "",
    *,
    pretrained: bool | str = "auto",
    dropout: float = 0.0,
) -> Body:
    """The body that `name` stands for, for inputs of `shape`: of pictures (channels, height, width), of tokens (most, width), of
    the tokens of a pretrained model (most,). Of another `form` than tokens and pictures are, which a body's file may have a
    builder of its own for: `build_series`.

    `pretrained`: True wants weights or fails; False wants random ones; "auto" takes weights where they can be had,
    and for a short name without network says in `body.notes` that it starts from random ones. Raises UsageError
    (unknown name, no weights for it, pictures too small), FileError, hub.Unreachable.
    """
    source = resolve(name)
    if name in PAIRS or source.kind == "whole":
        raise UsageError(
            f"{name} takes {takes_of(name).what}, not pictures.", where="model", fix="Choose cnn."
        )
    if source.kind == "built-in":
        if pretrained is True:
            choices = ", ".join(name for name, model in MODELS.items() if model.hub)
            raise UsageError(
                f"there are no pretrained weights for {name!r}.", where="model", fix=f"Choose {choices}."
            )
        file = importlib.import_module(source.location)
        return getattr(file, f"build_{form}", file.build)(shape, dropout, *source.words)
    if source.kind == "weights":
        from drivetrain.models import local

        return local.load(source.location, pretrained=bool(pretrained))
    from drivetrain.models import backbones, hub

    if len(shape) == 1:
        from drivetrain.models import text_backbones

        return text_backbones.load(
            folder_of(name) or name, pretrained=bool(pretrained), where=source.location
        )
    if source.kind == "folder":
        return backbones.load(source.location, shape, pretrained=bool(pretrained))
    config = MODELS[name].config if name in MODELS else {}
    if config and pretrained is False:
        return backbones.from_config(config, shape, where=name)
    try:
        folder = hub.fetch(source.location)
    except hub.Unreachable as fault:
        if not config or pretrained is True:
            raise
        body = backbones.from_config(config, shape, where=name)
        body.notes.append(
            f"pretrained weights for {name} can't be had ({fault.error.rstrip('.')}): training from scratch. {fault.fix}"
        )
        return body
    return backbones.load(folder, shape, pretrained=bool(pretrained), where=source.location)
