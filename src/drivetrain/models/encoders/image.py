"""Pictures as they are packed -> features: scaling and normalising in the graph, then a body for each input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from drivetrain.codecs import Codec
from drivetrain.models.body import Body
from drivetrain.models.encoders import Encoder, EncoderOptions, Places
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.graphs.network import NetworkGraph


FORM = "picture"


class PictureEncoder(nn.Module):
    """uint8 (or float 0..255) (N, H, W, C) -> what `body` makes of normalised float32 (N, C, H, W)."""

    shift: Tensor
    scale: Tensor

    def __init__(self, body: nn.Module, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.body = body
        self.register_buffer("shift", -mean / std)
        self.register_buffer("scale", 1 / std)

    def prepare(self, images: Tensor) -> Tensor:
        """Normalised pictures; the NHWC input makes them channels-last without a copy."""
        return torch.addcmul(self.shift, images.to(self.scale.dtype), self.scale).permute(0, 3, 1, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.body(self.prepare(images))

    def write_graph(self, graph: NetworkGraph, images: str) -> str:
        scaled = graph.add("Mul", graph.floats(images), graph.tensor(self.scale))
        prepared = graph.add("Add", scaled, graph.tensor(self.shift))
        return graph.write(self.body, graph.add("Transpose", prepared, perm=[0, 3, 1, 2]))


class ImageEncoder(Encoder):
    """The pictures of each input through a body of its own; or what another encoder lays out as one (`prepare`, `body`)."""

    def __init__(self, pictures: Mapping[str, nn.Module]) -> None:
        super().__init__(list(pictures))
        self.pictures = nn.ModuleList(pictures.values())

    @property
    def bodies(self) -> list[nn.Module]:
        return [picture.body for picture in list[Any](self.pictures)]

    def forward(self, arrays: list[Tensor]) -> list[Tensor]:
        return [picture(images) for picture, images in zip(self.pictures, arrays)]

    def with_places(self, batch: Mapping[Any, Tensor]) -> tuple[list[Tensor], dict[str, Places]]:
        parts: list[Tensor] = []
        places: dict[str, Places] = {}
        for name, picture in zip(self.names, list[Any](self.pictures)):
            prepared, body = picture.prepare(batch[name]), picture.body
            if isinstance(body, Body) and body.has_maps:
                maps = body.maps(prepared)
                parts.append(body.pooled(maps))
                places[name] = Places(maps)
            else:
                parts.append(body(prepared))
        return parts, places

    def write_graph(self, graph: NetworkGraph) -> list[str]:
        return [
            graph.write(picture, graph.inputs[name])
            for name, picture in zip(self.names, list[Any](self.pictures))
        ]


def build(codecs: Mapping[str, Codec], rows: Mapping[str, Array], options: EncoderOptions) -> ImageEncoder:
    """The mean and deviation are those that the body's weights want, or where it has none those of `rows`."""
    pictures: dict[str, PictureEncoder] = {}
    for name, codec in codecs.items():
        height, width, channels = codec.shape
        pictures[name] = _picture(options.body((channels, height, width)), rows[name])
    return ImageEncoder(pictures)


def _picture(body: nn.Module, rows: Array) -> PictureEncoder:
    normalization = getattr(body, "normalization", None)
    if normalization is not None:
        mean, std = (torch.tensor(part, dtype=torch.float32) * 255 for part in normalization)
        return PictureEncoder(body, mean, std)
    pixels = torch.as_tensor(rows).to(torch.float32).flatten(0, -2)
    return PictureEncoder(body, pixels.mean(0), pixels.std(0).clamp(min=1.0))
