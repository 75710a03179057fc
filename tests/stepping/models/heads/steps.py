"""Features -> how often each step is among those of a row; the loss is the mean over its steps, and 0 where there is none."""

from __future__ import annotations

import torch.nn.functional as F
from torch import nn

from drivetrain.models.heads import last_layer


class StepsHead(nn.Module):
    error_name = "nats"

    def __init__(self, codec, features, options) -> None:
        super().__init__()
        self.padding = int(codec.padding)
        self.layers = last_layer(features, codec.levels, options)

    def forward(self, features):
        scores = self.layers(features)
        return scores if scores.ndim == 2 else scores.mean(1)

    def losses(self, scores, steps):
        there = (steps != self.padding).float()
        each = -F.log_softmax(scores.float(), 1).gather(1, steps.clamp(min=0))
        return (each * there).sum(1) / there.sum(1).clamp(min=1)

    def loss(self, scores, steps):
        return self.losses(scores, steps).mean()

    def error(self, scores, steps):
        return self.losses(scores, steps).sum()

    def error_of_mean(self, mean):
        return mean

    def finish(self, scores):
        return scores.float().softmax(1)


def build(codec, features, options):
    return StepsHead(codec, features, options)
