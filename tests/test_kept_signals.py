"""Bundles of sounds, traces and files that were made once still open, verify and answer: the vectors of their codecs."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from drivetrain.bundle import open_bundle, verify
from drivetrain.runtime import OnnxSession, Predictor

KEPT = Path(__file__).parent / "bundles"
TURN = np.linspace(0, 6.28, 30)
ITEMS = {
    "sounds": {
        "low": (0.3 * np.sin(2 * np.pi * 100 * np.arange(500) / 2000), 2000),
        "high": ((8000 * np.sin(2 * np.pi * 300 * np.arange(250) / 1000)).astype(np.int16), 1000),
    },
    "traces": {
        "circle": np.stack([np.cos(TURN) * 9, np.sin(TURN) * 9, TURN], axis=1).tolist(),
        "zigzag": np.stack([TURN / 3, np.abs(TURN % 2 - 1), TURN], axis=1).tolist(),
    },
    "files": {
        "words": b"the wind and the sail " * 9,
        "packed": zlib.compress(np.random.default_rng(5).bytes(200)),
    },
}


@pytest.mark.parametrize("name", ITEMS)
def test_what_was_made_once_still_answers_with_the_base_install(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    bundle = open_bundle(KEPT / f"format-7-{name}.bundle")
    assert any(case.kind == "nasty" for case in bundle.cases)
    verify(bundle, OnnxSession(bundle.graph, bundle.tensors)).require()
    predictor = Predictor(bundle)
    for label, item in ITEMS[name].items():
        assert predictor.predict(item).targets["label"]["label"] == label
