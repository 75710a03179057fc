"""What a language model writes, looked at before anybody uses it: some samples, how much of them stands in the training text, and
whether their lines are of its kind. The text that was held out is measured alike, and stands beside."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from drivetrain.bundle.strategies import Sampling, strategy_to_json
from drivetrain.codecs.tokens import Tokens
from drivetrain.findings.copying import CHARACTERS, WORDS, Copying, characters, of_units
from drivetrain.models.steps import Steps
from drivetrain.runtime.programs.choose import draw, sampled
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.learn.learner import Learner
    from drivetrain.tasks.writing import Writing

SAMPLES, PROMPT, MOST = 4, 16, 256
"""How many, after how many tokens of the held-out text, and tokens each."""
STRATEGY = Sampling(temperature=0.8)
"""Sample k, from 0, has the seed k."""
LOOKED, HELD_OUT = 2**23, 100_000
"""Tokens of the training text that copies are looked for in, and of the held-out text, at most: those at their beginnings."""
SPEAKER = re.compile(r"([^\s:.,!?()\[\]][^:.!?()\[\]\n]{0,39}):(?:\s|$)")
"""At the beginning of a line: "Moe_Szyslak: ", "First Citizen:"."""
OF_SCENES = 0.2
"""From this share of lines that somebody says on, in the training text, a text is one of scenes."""
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")


def written_by(learner: Learner) -> dict[str, Any]:
    """`{"strategy", "samples": [{"prompt", "text"}], "copying", "held_out", "lines": {"written", "held_out", ...}}`, and
    "sentence", which says how much is copied. Empty where nothing was held out to begin with."""
    data: Writing = learner.data  # type: ignore[assignment]
    ((_, codec),) = data.signature.targets.items()
    assert isinstance(codec, Tokens)
    rows = data.rows("valid")
    if not len(rows):
        return {}
    end = int((data.starts[rows] + data.lengths[rows]).max()) + 1
    first = int(data.starts[rows].min())
    train, held_out = data.tokens[:first][:LOOKED], data.tokens[first:end][:HELD_OUT]
    longest = int(data.lengths.max())
    prompts = _prompts(data.tokens[first:end], longest)
    texts = _written(learner, prompts, longest)
    said = [_text(codec, text) for text in texts]
    ours, theirs = (_copied(codec, parts, train, data.form.copied) for parts in (texts, [held_out]))
    return {
        "strategy": strategy_to_json(STRATEGY),
        "samples": [{"prompt": _text(codec, prompt), "text": text} for prompt, text in zip(prompts, said)],
        "copying": ours.to_json(),
        "held_out": theirs.to_json(),
        "lines": lines_beside(_text(codec, train), said, _text(codec, held_out)),
        "sentence": sentence(ours, theirs),
    }  # fmt: skip


def sentence(ours: Copying, held_out: Copying) -> str:
    """How much of what was written is copied, beside how much a text that was not copied shares."""
    if not ours.stretches or not held_out.stretches:
        return ours.sentence()
    return (
        f"copied: {ours.share:.1%} of the stretches of {ours.length} {ours.unit} that it writes stand in the training text, and "
        f"{held_out.share:.1%} of those of the held-out text; the longest runs have {ours.longest:,} and "
        f"{held_out.longest:,} {ours.unit}"
    )  # fmt: skip


def _prompts(tokens: Array, longest: int) -> list[Array]:
    """The first tokens at places evenly apart in the held-out text."""
    size = max(1, min(PROMPT, longest // 2, len(tokens) // 2))
    starts = np.unique(np.linspace(0, len(tokens) - size, SAMPLES).astype(int))
    return [tokens[start : start + size].astype(np.int64) for start in starts.tolist()]


def _written(learner: Learner, prompts: Sequence[Array], longest: int) -> list[Array]:
    """What the network that is measured, and exported, writes after each of some prompts of one length; as many tokens as there
    is room for."""
    network: Any = copy.deepcopy(learner.evaluated_network())
    steps = Steps(network.cpu().float().eval(), learner.data.signature)
    most = MOST if steps.any_length else max(1, min(MOST, longest - len(prompts[0])))
    chosen = torch.tensor(np.stack(prompts))
    without_text = list(next(iter(learner.data.signature.targets.values())).without_text)
    state = steps.first_state(len(prompts))
    found: list[list[int]] = []
    with torch.no_grad():
        for place in range(most):
            scores, state = steps(chosen, state)
            scores[:, without_text] = -torch.inf
            tokens = [
                sampled(row, STRATEGY, draw(STRATEGY.seed + seed, place))
                for seed, row in enumerate(scores.numpy())
            ]
            found.append(tokens)
            chosen = torch.tensor(tokens)[:, None]
    return list(np.array(found).T)


def _copied(codec: Tokens, written: Sequence[Array], training: Array, words: int | None) -> Copying:
    """By characters, or by the tokens that are words."""
    if codec.tokenizer in ("words", "wordpiece", "characters"):
        unit, length = (
            ("characters", CHARACTERS) if codec.tokenizer == "characters" else ("words", words or WORDS)
        )
        joined = np.concatenate(
            [part for text in written for part in (text, [0])][:-1]
        )  # No text has the token 0.
        return of_units(
            written, training, unit, length,
            lambda at, end: _text(codec, joined[at:end]),
        )  # fmt: skip
    texts = [_text(codec, text) for text in written]
    joined_text = "\n".join(texts)
    units = [characters(text) for text in texts]
    return of_units(
        units, characters(_text(codec, training)), "characters", CHARACTERS,
        lambda at, end: joined_text[at:end],
    )  # fmt: skip


def _text(codec: Tokens, tokens: Array) -> str:
    return codec.decode(tokens.astype(np.int64))["text"]


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a text that are not blank: how many, of how many characters each, the share of them that ends with a word
    that ends a line of the training text, and in which a speaker of it begins (None: it has none)."""

    lines: int
    characters: float
    ends: float
    speakers: float | None

    def to_json(self) -> dict[str, Any]:
        return {
            "lines": self.lines,
            "characters": self.characters,
            "ends": self.ends,
            "speakers": self.speakers,
        }


def lines_beside(training: str, written: Sequence[str], held_out: str) -> dict[str, Any]:
    """`{"written": Lines, "held_out": Lines}` as JSON; without a text of lines nothing. What was written begins within a line and
    ends within one, so that its first and its last don't count."""
    known = [line for line in training.split("\n") if line.strip()]
    if len(known) < 10:
        return {}
    ends = {word for line in known if (word := _last(line))}
    names = Counter(found[1] for line in known if (found := SPEAKER.match(line)))
    speakers = {name for name, count in names.items() if count > 1}
    scenes = sum(names[name] for name in speakers) >= OF_SCENES * len(known)
    whole = [line for text in written for line in text.split("\n")[1:-1]]
    return {
        name: _lines(lines, ends, speakers if scenes else None).to_json()
        for name, lines in (("written", whole), ("held_out", held_out.split("\n")[1:-1]))
    }


def _lines(lines: Sequence[str], ends: set[str], speakers: set[str] | None) -> Lines:
    found = [line for line in lines if line.strip()]
    count = max(1, len(found))
    said = [match[1] for line in found if (match := SPEAKER.match(line))]
    return Lines(
        len(found),
        sum(map(len, found)) / count,
        sum(_last(line) in ends for line in found) / count,
        None if speakers is None else sum(name in speakers for name in said) / count,
    )


def _last(line: str) -> str:
    """The last word of a line, in lower case; empty where it has none."""
    words = _WORD.findall(line[-60:])
    return words[-1].lower() if words else ""


def sections(found: dict[str, Any]) -> list[dict[str, Any]]:
    """What the report shows of it."""
    if not found:
        return []
    strategy = found["strategy"]
    how = f"drawn at temperature {strategy['temperature']:g}, seeds 0 to {len(found['samples']) - 1}"
    columns, rows = ["", "what it writes", "the held-out text"], []
    ours, theirs = found["copying"], found["held_out"]
    unit = f"{ours['length']} {ours['unit']}"
    rows.append(
        [
            f"stretches of {unit} that stand in the training text",
            _share(ours["share"]),
            _share(theirs["share"]),
        ]
    )
    rows.append(
        [
            "longest run that stands there",
            f"{ours['longest']:,} {ours['unit']}",
            f"{theirs['longest']:,} {theirs['unit']}",
        ]
    )
    if lines := found["lines"]:
        both = lines["written"], lines["held_out"]
        rows.append(
            [
                "characters in a line",
                *(f"{each['characters']:.1f}" if each["lines"] else "no line" for each in both),
            ]
        )
        rows.append(
            ["lines that end in a word that ends a line there", *(_share(each["ends"]) for each in both)]
        )
        if both[0]["speakers"] is not None:
            rows.append(
                ["lines of a speaker of the training text", *(_share(each["speakers"]) for each in both)]
            )
    words = f"Each goes on after a few tokens of the held-out text, which stand before it in bold; {how}."
    texts = [(each["prompt"], each["text"]) for each in found["samples"]]
    return [{"title": "What it writes", "words": words, "columns": columns, "rows": rows, "texts": texts}]


def _share(share: float | None) -> str:
    return "too short" if share is None else f"{share:.1%}"
