"""Made texts: words that tell the class among those that tell nothing."""

from __future__ import annotations

import random
from pathlib import Path

TELLING = {
    "neg": ["dull", "awful", "boring", "cold", "bad", "weak"],
    "pos": ["great", "lovely", "superb", "warm", "funny", "bright"],
}
_SENTENCE = """
the film was seen by us in a small town with some friends and then we went home late while it rained on every street of
that old city where nobody had ever known what time or place meant
"""
COMMON = _SENTENCE.split()


def made_texts(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """(text, label), the classes in turn, of 15 to 40 words."""
    draw = random.Random(seed)
    made: list[tuple[str, str]] = []
    for place in range(count):
        label = ("neg", "pos")[place % 2]
        words = draw.choices(COMMON, k=draw.randint(12, 37)) + draw.choices(TELLING[label], k=3)
        draw.shuffle(words)
        made.append((" ".join(words), label))
    return made


def text_files(folder: Path, count: int = 40, seed: int = 0) -> Path:
    """A folder of class folders of texts."""
    for place, (text, label) in enumerate(made_texts(count, seed)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        (folder / label / f"{place:03}.txt").write_text(text + "\n")
    return folder
