"""Any text backbone of `transformers` as a body, from a folder with config.json and model.safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from drivetrain.errors import UsageError
from drivetrain.models.backbones import NOT_LOADED, not_loaded, parts_of, quiet, refuse_missing
from drivetrain.models.body import Body
from drivetrain.models.hub import read_json
from drivetrain.models.sequences import mean_of, there


class TextBackbone(Body):
    """A model of `transformers` on tokens int64 (N, T) and how many of each row are there, int64 (N,) -> features float32
    (N, width): the mean of its states over the places that are there, as sentence-transformers has it (Reimers and Gurevych 2019,
    arXiv:1908.10084), or the state of the first token where the folder says so (`1_Pooling/config.json`); of each text with mean
    0 and variance 1, for the states of models are of very different sizes, and one learning rate is to do for the heads of all.
    """

    has_maps = True
    heads_from_zero = True

    def __init__(self, model: nn.Module, padding: int, first: bool = False) -> None:
        super().__init__()
        self.model = model
        self.padding, self.first = padding, first
        self.features = int(model.config.hidden_size)  # type: ignore[union-attr]
        if isinstance(getattr(model, "pooler", None), nn.Module):
            # A dense layer for another purpose, often with random weights.
            model.register_module("pooler", None)

    @property
    def vocabulary(self) -> int:
        """How many tokens the model knows."""
        return int(self.model.get_input_embeddings().num_embeddings)  # type: ignore[operator]

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        return self.pooled(self.maps(tokens, lengths), lengths)

    def maps(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float32 (N, T, width): the states of the last layer; of places that aren't there, anything finite."""
        seen = there(tokens, lengths.clamp(min=1)).squeeze(2)
        # What pads a batch is the codec's 0, which may be a token of theirs: some count places by their own padding.
        tokens = torch.where(seen, tokens, self.padding)
        return self.model(input_ids=tokens, attention_mask=seen.to(torch.int64)).last_hidden_state

    def pooled(self, maps: Tensor, lengths: Tensor) -> Tensor:
        found = maps[:, 0] if self.first else mean_of(maps, lengths.clamp(min=1))
        return F.layer_norm(found, (self.features,))

    def blocks(self) -> list[nn.Module]:
        found: list[nn.Module] = []
        seen: set[int] = set()
        for part in parts_of(self.model):
            own = {id(parameter) for parameter in part.parameters()}
            if own - seen:  # T5 has its table of tokens twice.
                found.append(part)
            seen |= own
        return found


def load(folder: str | Path, *, pretrained: bool = True, where: object = "") -> TextBackbone:
    """The text backbone in `folder`; with random weights when not `pretrained`.

    Only safetensors are read and no code of the folder is run. Raises UsageError where the folder holds no text backbone,
    DrivetrainError where weights are missing.
    """
    from transformers import AutoConfig, AutoModel

    folder = Path(folder)
    where = where or folder
    missing: list[str] = []
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        kind = _encoder_kind(config, where)
        options: dict[str, Any] = {"attn_implementation": "eager"}
        with quiet():
            if pretrained:
                model, loading = kind.from_pretrained(
                    folder, config=config, dtype=torch.float32, use_safetensors=True, trust_remote_code=False,
                    local_files_only=True, output_loading_info=True, **options,
                )  # fmt: skip
                missing = loading["missing_keys"]
            else:
                model = (
                    AutoModel.from_config(config, trust_remote_code=False, **options)
                    if kind is AutoModel
                    else kind._from_config(config, **options)
                )
    except NOT_LOADED as fault:
        raise not_loaded(fault, where) from fault
    padding = config.pad_token_id
    body = TextBackbone(model, padding if isinstance(padding, int) else 0, _takes_first(folder))
    refuse_missing(body, missing, where)
    body.pretrained = str(where) if pretrained else None
    return body.train()


def _encoder_kind(config: Any, where: object) -> Any:
    """The class that loads a model's encoder. Raises UsageError for what is no text backbone."""
    import transformers
    from transformers import AutoModel

    encoder = getattr(transformers, f"{type(config).__name__.removesuffix('Config')}EncoderModel", None)
    if encoder is not None:  # The reading half of T5.
        return encoder
    if config.is_encoder_decoder:
        raise UsageError(
            f"{config.model_type} has no encoder by itself.", where=where, fix="Choose BERT or its like."
        )
    kind = AutoModel._model_mapping.get(type(config), None)
    if getattr(kind, "main_input_name", "") != "input_ids":
        raise UsageError(f"{config.model_type} is not a text backbone.", where=where)
    return AutoModel


def _takes_first(folder: Path) -> bool:
    """Whether the folder says that the first token's state stands for a text."""
    path = folder / "1_Pooling" / "config.json"
    return path.is_file() and read_json(path).get("pooling_mode_cls_token") is True
