"""The verdict on a proposed setting: act, test first, do not act, or only a comparison; and whether it may be called optimal."""

from __future__ import annotations

from dataclasses import dataclass

from drivetrain.decide.beyond import Beyond
from drivetrain.decide.judge.decision import Held, Judged, Result, Verdict
from drivetrain.decide.solve.solution import Certificate
from drivetrain.effects.claim import Claim
from drivetrain.figures import percent, rough

SAME = 1e-9
"""Of the size of the objective: a gain no larger is none."""
OFTEN = 0.2
"""A share of draws with a loss that is told."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """All that a verdict is made of. `numerical` is by how much the gain may be off for want of draws; `unmeasured` names models
    of which nobody measured how sure they are of a lever's effect; `known`: somebody said what is done now; `broken` are the
    hard constraints that this breaks; `rule`: a lever is set by one, so that what is proposed is the best of rules.

    Of what is `beyond` all that was observed, `risky` is what is no lever whose effect is one by definition: nobody has to
    have tried an order of 70 to know what it costs.
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


def verdict(weighed: Weighed) -> Judged:
    """Whether to act.

    *comparison only*: nobody claims that the levers cause what the models say. *do not act*: there is no gain, or it can't be
    told from none. *test first*: the gain is there by the models, and they know too little where it lies. *act*: else. Where
    something was learned from rows the lower end of the corrected interval decides; a chance that somebody put in a plan is
    believed, and the expected gain decides (Savage, 1954, The Foundations of Statistics).
    """
    declared = weighed.claim.kind != "undeclared"
    optimal = declared and weighed.certificate.proves
    word, words = _weigh(weighed)
    because = [_sentence(weighed.rests), _sentence(weighed.certificate.words)]
    because += [f"Extrapolates: {each.words}." for each in weighed.beyond]
    because += [_sentence(each.words) for each in weighed.constraints if each.active or not each.holds]
    if weighed.unmeasured:
        because.append(
            f"How sure {' and '.join(weighed.unmeasured)} is of what a lever does was never measured: a model that foretells well "
            "may still be wrong about that."
        )
    loss = weighed.result.chance_of_loss
    if loss > OFTEN and word in ("act", "test first"):
        because.append(f"In {percent(loss, 0)} of the draws it is a loss: the gain is one on average.")
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
            f"Do not act: the gain can't be told from none. After what being the best of {result.compared} settings adds by luck "
            f"it is {told}; a trial would tell more."
        )  # fmt: skip
    if fixed is None and weighed.learned:
        return "test first", (
            "Test first: by the models there is a gain, but how much of it is luck in what they were learned from can only be told "
            "of a mean."
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
    if not weighed.known:
        return "act", "Act: the gain on the average of what was tried is sure by these models."
    return "act", "Act: the gain on what is done now is sure by these models."


def _sentence(words: str) -> str:
    text = words.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}" if text else text
