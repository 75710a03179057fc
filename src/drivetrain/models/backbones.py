"""Any image backbone of `transformers` as a body, from a folder with config.json and model.safetensors."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from drivetrain.errors import DrivetrainError, UsageError
from drivetrain.models.body import Body, Normalization, repeat_grey
from drivetrain.models.hub import read_json

IMAGENET: Normalization = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
PIXEL = 1 / 255
NOT_LOADED = (OSError, ValueError, KeyError, RuntimeError, SafetensorError)
"""What transformers raises for a folder that isn't whole."""
NOT_ENOUGH = (RuntimeError, ValueError, IndexError, AssertionError, ZeroDivisionError)
"""What models raise for pictures that are too small for them."""


class Backbone(Body):
    """A model of `transformers` -> pooled features (N, features).

    Convolutional: its own pooling, else the mean over the map. Transformers: the class token where there is one.
    """

    def __init__(self, model: nn.Module, channels: int) -> None:
        super().__init__()
        self.model = model
        self.channels = channels
        self.class_token = any(name.rpartition(".")[2] == "cls_token" for name, _ in model.named_parameters())
        if self.class_token and isinstance(getattr(model, "pooler", None), nn.Module):
            # A dense layer for another purpose, often with random weights.
            model.register_module("pooler", None)

    def forward(self, images: Tensor) -> Tensor:
        output = self.model(pixel_values=repeat_grey(images, self.channels))
        states = output.last_hidden_state
        if self.class_token:
            return states[:, 0]
        pooled = getattr(output, "pooler_output", None)
        if pooled is not None:
            return pooled.flatten(1)
        return states.mean((2, 3)) if states.ndim == 4 else states.mean(1)

    def blocks(self) -> list[nn.Module]:
        return [part for part in parts_of(self.model) if any(True for _ in part.parameters())]


def parts_of(model: nn.Module) -> Iterator[nn.Module]:
    """Stem, then each stage or layer of the encoder, then what follows."""
    for child in model.children():
        if isinstance(child, nn.ModuleList):
            yield from child
        elif any(isinstance(part, nn.ModuleList) for part in child.children()) and not list(
            child.parameters(False)
        ):
            yield from parts_of(child)
        else:
            yield child


def load(
    folder: str | Path, shape: tuple[int, ...], *, pretrained: bool = True, where: object = ""
) -> Backbone:
    """The backbone in `folder`, for pictures of `shape` (channels, height, width).

    Only safetensors are read and no code of the folder is run. Raises UsageError where the folder holds no image
    backbone or the pictures don't suit it, DrivetrainError where weights are missing.
    """
    from transformers import AutoConfig, AutoModel

    folder = Path(folder)
    where = where or folder
    raw = read_json(folder / "config.json")
    if not pretrained:
        return from_config(raw, shape, where=where)
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        _image_model(config, where)
        _without_mask_token(config)
        with quiet():
            model, loading = AutoModel.from_pretrained(
                folder, config=config, dtype=torch.float32, attn_implementation="eager", use_safetensors=True,
                trust_remote_code=False, local_files_only=True, output_loading_info=True,
            )  # fmt: skip
    except NOT_LOADED as fault:
        raise not_loaded(fault, where) from fault
    body = Backbone(model, int(getattr(config, "num_channels", 3)))
    refuse_missing(body, loading["missing_keys"], where)
    preprocessing = folder / "preprocessor_config.json"
    body.normalization, body.size = _preprocessing(
        read_json(preprocessing) if preprocessing.is_file() else {}, where
    )
    body.pretrained = str(where)
    body.frozen_norm = any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in body.modules())
    return _fitted(body, shape, where)


def not_loaded(fault: BaseException, where: object) -> UsageError:
    """What a person is told of what transformers has raised."""
    first = next((line for line in str(fault).splitlines() if line.strip()), type(fault).__name__)
    return UsageError(
        f"this backbone can't be loaded: {first}", where=where,
        fix="It needs config.json and model.safetensors of a model that transformers itself knows.",
    )  # fmt: skip


def refuse_missing(body: Body, missing: Iterable[str], where: object) -> None:
    """Raises DrivetrainError where `missing` weights are of what the body has, in which NAME is called model.NAME."""
    kept = body.state_dict()
    if lacks := sorted(name for name in missing if f"model.{name}" in kept):
        raise DrivetrainError(
            f"the weights lack {len(lacks)} tensors, {lacks[0]} among them.",
            where=where,
            fix="Download them again.",
        )


def from_config(config: Mapping[str, Any], shape: tuple[int, ...], *, where: object = "") -> Backbone:
    """The architecture of a configuration with random weights, made for `shape` from the start."""
    from transformers import AutoConfig, AutoModel

    settings = {key: value for key, value in config.items() if key != "model_type"}
    try:
        made = AutoConfig.for_model(config["model_type"], **settings)
    except (KeyError, ValueError) as fault:
        raise UsageError("transformers knows no model of this configuration.", where=where) from fault
    _image_model(made, where)
    _without_mask_token(made)
    channels, height, width = shape
    if hasattr(made, "num_channels"):
        made.num_channels = channels
    if hasattr(made, "image_size"):
        # Square: some models interpolate their position embeddings from a square grid only.
        made.image_size = max(height, width)
    try:
        model = AutoModel.from_config(made, attn_implementation="eager", trust_remote_code=False)
    except NOT_ENOUGH as fault:
        raise _unsuited(shape, where) from fault
    return _fitted(Backbone(model, channels), shape, where)


def _fitted(body: Backbone, shape: tuple[int, ...], where: object) -> Backbone:
    """The body with position embeddings for these pictures, its width known, in training mode, channels-last."""
    _, height, width = shape
    body.eval()
    try:
        for part in body.modules():
            if hasattr(part, "interpolate_pos_encoding") and isinstance(
                getattr(part, "position_embeddings", None), Tensor
            ):
                _resize_positions(part, height, width)
        with torch.no_grad():
            body.features = body(torch.zeros(1, body.channels, height, width)).shape[1]
    except NOT_ENOUGH as fault:
        raise _unsuited(shape, where, body.size) from fault
    return body.train().to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] (not in its stub)


def _resize_positions(embeddings: Any, height: int, width: int) -> None:
    """Interpolate the position embeddings once, here, and not at every pass and in the exported graph."""
    interpolates = "interpolate_pos_encoding" not in inspect.signature(embeddings.forward).parameters
    if interpolates and height != width:
        # It does so at every pass, always from a square.
        return
    patch = embeddings.patch_embeddings
    tall, broad = height // patch.patch_size[0], width // patch.patch_size[1]
    old = embeddings.position_embeddings
    if 1 + tall * broad != old.shape[1]:
        with torch.no_grad():
            new = embeddings.interpolate_pos_encoding(
                old.new_empty(1, 1 + tall * broad, old.shape[2]), height, width
            )
        embeddings.position_embeddings = nn.Parameter(new.clone())
    embeddings.image_size = patch.image_size = (height, width)


def _unsuited(shape: tuple[int, ...], where: object, size: int | None = None) -> UsageError:
    _, height, width = shape
    return UsageError(
        f"it can't work on pictures of {height}x{width} pixels.",
        where=where,
        fix=f"Set the image size to {size or 224}.",
    )


def _image_model(config: Any, where: object) -> None:
    from transformers import AutoModel

    kind = AutoModel._model_mapping.get(type(config), None)
    if getattr(kind, "main_input_name", "") != "pixel_values":
        raise UsageError(f"{config.model_type} is not an image backbone.", where=where)


def _without_mask_token(config: Any) -> None:
    """A token of self-supervised training that no picture passes through."""
    if hasattr(config, "use_mask_token"):
        config.use_mask_token = False


def _preprocessing(record: Mapping[str, Any], where: object) -> tuple[Normalization, int | None]:
    """Mean and deviation for pixels in 0..1, and the size, from preprocessor_config.json; ImageNet's if it says nothing."""
    if record.get("do_flip_channel_order"):
        raise UsageError("this model wants blue-green-red pictures, which are not supported.", where=where)
    mean, std = record.get("image_mean") or IMAGENET[0], record.get("image_std") or IMAGENET[1]
    if record.get("do_normalize") is False:
        mean, std = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    factor = record.get("rescale_factor") or PIXEL
    # (255 x factor - mean) / std, for x in 0..1
    shift = 1.0 if record.get("rescale_offset") else 0.0
    normalization = (
        tuple((m + shift) * PIXEL / factor for m in mean),
        tuple(s * PIXEL / factor for s in std),
    )
    size = record.get("crop_size") or record.get("size")
    if isinstance(size, dict):
        size = size.get("height") or size.get("shortest_edge")
    return normalization, size if isinstance(size, int) else None


@contextmanager
def quiet() -> Iterator[None]:
    """Without the loader's report of left-out classifiers and its progress bar, which would break ours."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
