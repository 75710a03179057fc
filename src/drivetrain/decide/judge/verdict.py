"""The verdict on a proposed setting: act, test first, do not act, or only a comparison; and whether it may be called optimal."""

from __future__ import annotations

import math
from dataclasses import dataclass

from drivetrain.decide.beyond import Beyond
from drivetrain.decide.judge.decision import Held, Judged, Result, Verdict
from drivetrain.decide.solve.solution import Certificate
from drivetrain.effects.claim import Claim
from drivetrain.figures import percent, rough

SAME = 1e-9
"""Of the size of the objective: a gain no larger is none."""
NEAR = 0.01
"""Of what is proposed: how much better another setting may be for the word optimal."""
ALIKE = 1e-9
"""Of a gain: what is no wider is the same in all draws."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """All that a verdict is made of. `numerical` is by how much the gain may be off for want of draws; `unmeasured` names models
    of which nobody measured how sure they are of a lever's effect; `known`: somebody said what is done now; `broken` are the
    hard constraints that this breaks; `rule`: a lever is set by one, so that what is proposed is the best of rules.

    Of what is `beyond` all that was observed, `risky` is what is no lever whose effect is one by definition: nobody has to
    have tried an order of 70 to know what it costs. `once` are the chances that fall once, for all rows and periods alike, and
    that nobody estimated from rows: each is the world's or a belief, which the plan doesn't say.
    """

    result: Result
    claim: Claim
    beyond: tuple[Beyond, ...]
    risky: tuple[Beyond, ...]
    constraints: tuple[Held, ...]
    certificate: Certificate
    rests: str
    learned: bool
    unmeasured: tuple[str, ...]
    known: bool
    numerical: float
    broken: tuple[str, ...] = ()
    rule: bool = False
    once: tuple[str, ...] = ()
    spread: float = 0.0
    """Between the least and the greatest gain of a draw."""
    each: bool = False
    whole: bool = True
    """Whether the correction is of settings of each row, and whether it is of all that could have been chosen."""


def _near(weighed: Weighed) -> bool:
    """Whether the bound that is proven is so near that it says something: far above, a better setting may well exist."""
    certificate, result = weighed.certificate, weighed.result
    gain = 0.0 if result.gain is None else result.gain.value
    return certificate.kind != "gap" or certificate.value <= NEAR * max(abs(result.proposed.value), abs(gain))


def verdict(weighed: Weighed) -> Judged:
    """Whether to act.

    *comparison only*: nobody claims that the levers cause what the models say. *do not act*: there is no gain, or it can't be
    told from none. *test first*: the gain is there by the models, and they know too little where it lies. *act*: else. Where
    something was learned from rows the lower end of the corrected interval decides; a chance that somebody put in a plan is
    believed, and the expected gain decides (Savage, 1954, The Foundations of Statistics).
    """
    declared = weighed.claim.kind != "undeclared"
    optimal = declared and weighed.certificate.proves and _near(weighed)
    word, words = _weigh(weighed)
    because = [_sentence(weighed.rests), _sentence(weighed.certificate.words)]
    because += [f"Extrapolates: {each.words}." for each in weighed.beyond]
    because += [_sentence(each.words) for each in weighed.constraints if each.active or not each.holds]
    if weighed.unmeasured:
        because.append(
            f"How sure {' and '.join(weighed.unmeasured)} is of what a lever does was never measured: a model that foretells well "
            "may still be wrong about that."
        )
    if weighed.result.chance_of_loss > 0 and word in ("act", "test first"):
        because += _of_loss(weighed, told=word == "act")
    if optimal and word == "act":
        kind = "rule of this kind" if weighed.rule else "setting"
        words += f" It is optimal: there is no better {kind} by these models."
    return Judged(word, optimal, words, tuple(because))


def _weigh(weighed: Weighed) -> tuple[Verdict, str]:
    result = weighed.result
    if weighed.claim.kind == "undeclared" and weighed.claim.why:
        return "comparison only", (
            "Comparison only: where the rows come from was claimed, and they don't bear it out, so the best by the models may not "
            "be the best to do. Try it on some rows by chance."
        )
    if weighed.claim.kind == "undeclared":
        return "comparison only", (
            "Comparison only: it is not known that the levers cause what the models say, so the best by the models may not be the "
            "best to do. Say what each model's claim is (randomised, adjusted, assumed; definition, where it is so by its words "
            "alone), or try it on some rows by chance."
        )  # fmt: skip
    if result.gain is None:
        if weighed.learned:
            return (
                "test first",
                "Test first: with what is done now unknown, it can't be told whether this gains anything.",
            )
        return "act", "Act: this is the best setting found; what it gains on what is done now isn't known."
    gain, size = result.gain.value, abs(result.proposed.value)
    if weighed.broken and gain <= 0:
        broken = " and ".join(weighed.broken)
        return (
            "act",
            f"Act: what is done now breaks {broken}. This is the best found that keeps to it; it costs {rough(-gain)}.",
        )
    if gain <= SAME * max(size, SAME):
        return "do not act", "Do not act: what is done now is as good as the best that was found."
    fixed = result.corrected
    if fixed is not None and not fixed.low > 0:
        told = f"{rough(fixed.value)}, between {rough(fixed.low)} and {rough(fixed.high)}"
        return "do not act", (
            f"Do not act: the gain can't be told from none. After what being the best of {result.compared} settings "
            f"{'of each row ' if weighed.each else ''}adds by luck it is {told}; a trial would tell more."
        )  # fmt: skip
    if fixed is None and weighed.learned:
        return "test first", (
            "Test first: by the models there is a gain, but how much of it is luck in what they were learned from can only be told "
            "of a mean."
        )
    if not weighed.whole:
        return "test first", (
            "Test first: by the models there is a gain, but each row has a setting of its own, and how much of the gain is luck in "
            "what they were learned from can here only be told as though all had the same."
        )
    if fixed is None and gain <= weighed.numerical:
        return "do not act", (
            f"Do not act: the gain of {rough(gain)} is no larger than what so few draws leave open ({rough(weighed.numerical)})."
        )
    if weighed.risky:
        names = " and ".join(dict.fromkeys(each.name for each in weighed.risky))
        return (
            "test first",
            f"Test first: by the models there is a gain, but {names} lies outside of what was ever observed.",
        )
    if weighed.unmeasured:
        names = " and ".join(weighed.unmeasured)
        return (
            "test first",
            f"Test first: by the models there is a gain, but how sure {names} is of it was never measured.",
        )
    return "act", _act(weighed)


def _act(weighed: Weighed) -> str:
    """How sure the gain is: in all draws, or as the mean of them alone, with how often it is a loss."""
    result = weighed.result
    than = "what is done now" if weighed.known else "the average of what was tried"
    if result.chance_of_loss > 0:
        lost = f"{_lost(result.chance_of_loss)} of the draws are a loss on {than}"
        # A gain that is a difference of quantiles, or of chances, has no range.
        if result.gain is not None and not math.isnan(result.gain.low):
            return f"Act, if the mean is what counts: {lost}, though all of them together are a gain."
        return f"Act, if what was asked for is what counts: by it there is a gain, and {lost}."
    if result.gain is not None and weighed.spread <= ALIKE * abs(result.gain.value):
        return f"Act: the gain on {than} is sure by these models, in which nothing that moves it is left to chance."
    return f"Act: in none of the draws of these models is it a loss on {than}."


def _lost(share: float) -> str:
    return percent(share, 0) if share >= 0.01 else "less than 1 %"


def _of_loss(weighed: Weighed, *, told: bool) -> list[str]:
    """That it may be a loss (where that isn't `told`), and whether doing it often, or more rows to learn from, would help."""
    lost = _lost(weighed.result.chance_of_loss)
    found = [] if told else [f"In {lost} of the draws it is a loss: the gain is one on average."]
    if weighed.once:
        names = " and ".join(weighed.once[:3])
        found.append(
            f"In each draw {names} {'is' if len(weighed.once) == 1 else 'are'} the same for all rows and periods. If the world "
            "draws it anew each time, losses and gains even out over many such decisions, though not in one; if it only isn't "
            "known, they don't."
        )
    if weighed.learned:
        found.append(
            "What was learned from rows isn't sure either: more rows would narrow it, deciding more often wouldn't."
        )
    return found


def _sentence(words: str) -> str:
    text = words.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}" if text else text
