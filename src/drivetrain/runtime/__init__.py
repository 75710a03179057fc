"""Answers from a bundle, on numpy, onnxruntime and what the codecs need. No torch, ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drivetrain.lazily import attributes, listing

if TYPE_CHECKING:
    from drivetrain.bundle.strategies import Beam, Greedy, Sampling
    from drivetrain.runtime.adopting import from_onnx
    from drivetrain.runtime.forecaster import Forecaster
    from drivetrain.runtime.generator import Generated, Generator
    from drivetrain.runtime.predictor import Predictor, verify_bundle
    from drivetrain.runtime.recommend import Recommender
    from drivetrain.runtime.session import OnnxSession
    from drivetrain.runtime.unusual import Tally
    from drivetrain.runtime.vectors import Embeddings, embeddings

__all__ = [
    "Beam", "Embeddings", "Forecaster", "Generated", "Generator", "Greedy", "OnnxSession", "Predictor", "Recommender", "Sampling",
    "Tally", "embeddings", "from_onnx", "verify_bundle",
]  # fmt: skip
_MODULES = {
    "Beam": "drivetrain.bundle.strategies",
    "Embeddings": "drivetrain.runtime.vectors",
    "Forecaster": "drivetrain.runtime.forecaster",
    "Generated": "drivetrain.runtime.generator",
    "Generator": "drivetrain.runtime.generator",
    "Greedy": "drivetrain.bundle.strategies",
    "OnnxSession": "drivetrain.runtime.session",
    "Predictor": "drivetrain.runtime.predictor",
    "Recommender": "drivetrain.runtime.recommend",
    "Sampling": "drivetrain.bundle.strategies",
    "Tally": "drivetrain.runtime.unusual",
    "embeddings": "drivetrain.runtime.vectors",
    "from_onnx": "drivetrain.runtime.adopting",
    "verify_bundle": "drivetrain.runtime.predictor",
}
__getattr__ = attributes(__name__, _MODULES)
__dir__ = listing(_MODULES)
