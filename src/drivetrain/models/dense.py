"""Dense layers on the features of tables, ratings, texts: what combines the inputs of a network."""

from __future__ import annotations

from torch import Tensor, nn

WIDTHS = (256, 128)


class Dense(nn.Module):
    """float32 (N, features) -> (N, `features`): dense, ReLU and dropout for each of WIDTHS."""

    def __init__(self, features: int, dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in WIDTHS:
            layers += [nn.Linear(features, width), nn.ReLU(), *([nn.Dropout(dropout)] if dropout else [])]
            features = width
        self.layers = nn.Sequential(*layers)
        self.features = features

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)
