"""The contract of a bundle as one call: `check_bundle("flowers.bundle")`."""

from __future__ import annotations

import os
import random
from pathlib import Path

import numpy as np

from drivetrain.bundle import Bundle, open_bundle_bytes
from drivetrain.bundle.generations import GeneratedCase, written
from drivetrain.bundle.program import Generate
from drivetrain.errors import BundleError
from drivetrain.runtime import Generator, Predictor, verify_bundle
from drivetrain.types import Answer


def check_bundle(path: str | os.PathLike[str], flips: int = 200) -> Bundle:
    """Show that a bundle file keeps what it promises, and give it opened.

    Every stage holds in this runtime; no changed bit is overlooked (`flips` random ones are tried); the
    golden raw values get their stored answers through the whole way, one by one and together, or have what was
    written after them. Raises AssertionError that says what does not hold.
    """
    data = Path(path).read_bytes()
    bundle = open_bundle_bytes(data, path)
    report = verify_bundle(path)
    assert report.ok, report.failed
    _check_flips(data, flips)
    if isinstance(bundle.program, Generate):
        _check_generations(bundle)
    else:
        _check_answers(bundle)
    return bundle


def _check_flips(data: bytes, flips: int) -> None:
    chance, changed = random.Random(0), bytearray(data)
    for _ in range(flips):
        place, bit = chance.randrange(len(data)), 1 << chance.randrange(8)
        changed[place] ^= bit
        try:
            open_bundle_bytes(bytes(changed))
        except BundleError:
            changed[place] ^= bit
        else:
            raise AssertionError(f"bit {bit} of byte {place} may be flipped without being noticed")


def _check_generations(bundle: Bundle) -> None:
    generator = Generator(bundle, verify=False)
    for case in bundle.cases:
        assert isinstance(case, GeneratedCase)
        prompt = {name: codec.from_bytes(case.raw[name]) for name, codec in bundle.signature.inputs.items()}
        for one in case.generations:
            found = generator.generate(prompt, one.strategy, most=one.most)
            assert found.tokens == tuple(written(one.tokens, generator.program).tolist()), (
                f"case {case.name!r}, {one.strategy}: {found.tokens} is not {one.tokens}"
            )


def _check_answers(bundle: Bundle) -> None:
    predictor = Predictor(bundle, verify=False)
    items = [
        {name: codec.from_bytes(case.raw[name]) for name, codec in bundle.signature.inputs.items()}
        for case in bundle.cases
    ]
    together = predictor.predict_many(items)
    for case, item, answer in zip(bundle.cases, items, together, strict=True):
        assert isinstance(answer, Answer), f"case {case.name!r} got no answer: {answer.error}"
        alone = predictor.predict(item)
        for target, parts in case.answer.items():
            for found in (alone.targets[target], answer.targets[target]):
                if "label" in parts:
                    assert found["label"] == parts["label"], f"case {case.name!r}: {found} is not {parts}"
                if "value" in parts:
                    np.testing.assert_allclose(found["value"], parts["value"], rtol=1e-3, atol=1e-3)
