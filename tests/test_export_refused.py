"""A network that can't be written says why: the last cause, the line that it is about, and what to do."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import drivetrain as dt
from drivetrain.errors import DrivetrainError

pytestmark = pytest.mark.slow


class Branching(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        if features.sum() > 0:
            return features * 2
        return features


class Unknown(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        return torch.special.bessel_j0(features)


@pytest.mark.parametrize(
    ("module", "reason", "fix"),
    [
        (Branching(), r"data-dependent.*\(in forward, line \d+: if features\.sum\(\) > 0:\)", "no Python branches on values"),
        (Unknown(), "No ONNX function found for prims.bessel_j0", "Do without prims.bessel_j0, or"),
    ],
)  # fmt: skip
def test_why_a_network_is_no_graph_is_told(
    module: nn.Module, reason: str, fix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    block = dt.DataBlock(inputs={"x": dt.Number()}, targets={"y": dt.Number()})
    data = block.from_columns({"x": [0.5, 1.0, 2.0, 3.0] * 4, "y": [1.0, 2.0, 3.0, 4.0] * 4})
    learner = data.learner(nn.Sequential(nn.Linear(1, 1), module), quiet=True, bare=True)
    with pytest.raises(DrivetrainError, match=reason) as failed:
        learner.graph()
    assert fix in failed.value.fix
    assert "\x1b" not in failed.value.error
    assert "Next steps" not in failed.value.error
    assert not capfd.readouterr().err, "what torch prints of its own workings is no reason"
