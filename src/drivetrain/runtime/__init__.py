"""Answers from a bundle, on numpy, onnxruntime and what the codecs need. No torch, ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from drivetrain.runtime.predictor import Predictor, verify_bundle
    from drivetrain.runtime.recommend import Recommender
    from drivetrain.runtime.session import OnnxSession
    from drivetrain.runtime.unusual import Tally

__all__ = ["OnnxSession", "Predictor", "Recommender", "Tally", "verify_bundle"]
_MODULES = {
    "OnnxSession": "session", "Predictor": "predictor", "Recommender": "recommend", "Tally": "unusual",
    "verify_bundle": "predictor",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
