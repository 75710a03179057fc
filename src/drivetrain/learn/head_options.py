"""What the settings of a training, and its rows, say of the heads of a network."""

from __future__ import annotations

import dataclasses

import torch

from drivetrain.data.dataset import Dataset
from drivetrain.extensions import facet
from drivetrain.learn.settings import Settings
from drivetrain.models.heads import HeadOptions


def head_options(data: Dataset, settings: Settings, enlarge: float) -> dict[str, HeadOptions]:
    """Of each head; balanced class weights are n / (classes * count), 0 for an absent class."""
    options = HeadOptions(settings.dropout, settings.label_smoothing, None, settings.loss)
    train = data.part("train", enlarge)
    found: dict[str, HeadOptions] = {}
    for name, codec in data.signature.targets.items():
        weights = None
        if settings.class_weights == "balanced" and codec.labels is not None:
            counts = torch.bincount(torch.as_tensor(train.column(name)), minlength=len(codec.labels)).float()
            weights = torch.where(counts > 0, counts.sum() / (len(counts) * counts.clamp(min=1)), 0.0)
        limits_of = getattr(facet("models.heads", codec), "limits_of", lambda *_: None)
        limits = limits_of(codec, train.column(name))
        found[name] = dataclasses.replace(options, class_weights=weights, limits=limits)
    return found
