"""Sentences of a small made language beside plain English: its words are others, and stand in another order.

Adjectives come after their noun, and the verb comes last: "the red fox sees a small bird" is "lo fuk rubi un aves pika vid".
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

NOUNS = {
    "fox": "fuk",
    "bird": "aves",
    "child": "nin",
    "river": "rio",
    "house": "kasa",
    "dog": "kan",
    "tree": "arbo",
    "ship": "nav",
}
ADJECTIVES = {"red": "rubi", "small": "pika", "old": "vetu", "quiet": "silen", "big": "gran"}
VERBS = {"sees": "vid", "follows": "seg", "likes": "plas", "finds": "trov"}
ARTICLES = {"the": "lo", "a": "un"}


def pairs(n: int, seed: int = 0) -> list[tuple[str, str]]:
    """(English, made) sentences, no two alike."""
    drawn = np.random.default_rng(seed)
    found: dict[str, str] = {}
    while len(found) < n:
        sides = [_phrase(drawn) for _ in range(2)]
        verb = str(drawn.choice(list(VERBS)))
        english = f"{sides[0][0]} {verb} {sides[1][0]}."
        found[english[0].upper() + english[1:]] = f"{sides[0][1]} {sides[1][1]} {VERBS[verb]}.".capitalize()
    return list(found.items())


def _phrase(drawn: np.random.Generator) -> tuple[str, str]:
    article, noun = str(drawn.choice(list(ARTICLES))), str(drawn.choice(list(NOUNS)))
    words, made = [article], [ARTICLES[article], NOUNS[noun]]
    for adjective in drawn.choice(list(ADJECTIVES), drawn.integers(0, 3), replace=False).tolist():
        words.append(adjective)
        made.append(ADJECTIVES[adjective])
    return " ".join([*words, noun]), " ".join(made)


def write_pairs(path: Path, n: int, seed: int = 0) -> Path:
    """A TSV of them, with the columns en and made."""
    path.write_text("en\tmade\n" + "".join(f"{a}\t{b}\n" for a, b in pairs(n, seed)), encoding="utf-8")
    return path
