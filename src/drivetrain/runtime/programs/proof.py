"""Golden cases of the program `generate`: made with the training framework's own steps, and held against those of a runtime."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from drivetrain.bundle.generations import GeneratedCase, Generation, written
from drivetrain.bundle.golden import OUTPUT_TOLERANCE, Kind, read_and_encode
from drivetrain.bundle.program import Generate
from drivetrain.bundle.reader import Bundle
from drivetrain.bundle.step_graphs import LOGITS, check_step_graphs
from drivetrain.bundle.strategies import Strategy
from drivetrain.bundle.verify import (
    TOKENS,
    Stage,
    StageTally,
    VerifyReport,
    answer_stage,
    array_difference,
    largest,
    verify_inputs,
)
from drivetrain.codecs import Signature
from drivetrain.errors import DrivetrainError
from drivetrain.runtime.programs.generate import Decoder, Run, Step, open_decoder, sizes
from drivetrain.runtime.programs.together import generate, generate_together
from drivetrain.types import Array, Batch, Sample

SHAKEN = 4
"""How often a generation is tried with other logits."""


def make_generated_cases(
    signature: Signature,
    program: Generate,
    graphs: Mapping[str, bytes],
    samples: Sequence[tuple[str, Kind, Sample]],
    strategies: Sequence[Strategy],
    run: Run,
    most: int,
) -> list[GeneratedCase]:
    """Golden cases from (name, kind, sample): what each strategy writes, `most` tokens at most, with the steps of the training
    framework, which are what `run` does for each of the `graphs`.

    A generation that decides nothing is left out: one that is another with logits that differ by no more than is allowed. Raises
    DataError naming the sample that can't be read, DrivetrainError where none decides anything.
    """
    interfaces = check_step_graphs(graphs, program, signature)
    decoder = Decoder(program, signature, interfaces, run)
    shaken = [Decoder(program, signature, interfaces, _shaken(run, seed)) for seed in range(SHAKEN)]
    (target,) = signature.targets
    cases: list[GeneratedCase] = []
    for name, kind, sample in samples:
        raw, read, encoded = read_and_encode(signature, name, sample)
        made = [(strategy, generate(decoder, encoded, strategy, most)) for strategy in strategies]
        steady = [
            Generation(strategy, most, tokens)
            for strategy, tokens in made
            if all(generate(other, encoded, strategy, most) == tokens for other in shaken)
        ]
        if steady:
            logits, state = _followed(decoder, encoded, steady[0].tokens)
            answer = {target: signature.targets[target].decode(written(steady[0].tokens, program))}
            given = (name, kind, raw, read, encoded, {target: logits}, answer)
            cases.append(GeneratedCase(*given, generations=tuple(steady), state=state))
    if not cases:
        raise DrivetrainError(
            "no generation is sure of its tokens: nothing would be proved.", where="golden cases",
            fix="Give other prompts or strategies.",
        )  # fmt: skip
    return cases


def _shaken(run: Run, seed: int) -> Run:
    """The same with logits that are off by chance, by as much as is allowed."""
    chance = np.random.default_rng(seed)

    def other(graph: str, batch: Batch) -> Mapping[str, Array]:
        made = dict(run(graph, batch))
        if LOGITS in made:
            off = OUTPUT_TOLERANCE * np.abs(made[LOGITS]).max(axis=1, keepdims=True)
            made[LOGITS] = (made[LOGITS] + off * chance.uniform(-1, 1, made[LOGITS].shape)).astype(np.float32)
        return made

    return other


def _steps(
    decoder: Decoder, encoded: Batch, tokens: Sequence[int], company: Sequence[Batch] = ()
) -> list[Step]:
    """The step by which each of some tokens came. In `company` of other rows, which go on with other tokens."""
    others = np.arange(1 + len(company))
    steps = [decoder.begin([encoded, *company])]
    for token in tokens[:-1]:
        steps.append(decoder.next(steps[-1], (token + others) % decoder.program.vocabulary))
    return steps


def _company(decoder: Decoder, cases: Sequence[GeneratedCase], encoded: Batch) -> Batch:
    """The longest row of the cases that may be read with one: what is shorter is padded beside it."""
    alike = decoder.alike(encoded)
    return max((case.encoded for case in cases if decoder.alike(case.encoded) == alike), key=sizes)


def _followed(decoder: Decoder, encoded: Batch, tokens: Sequence[int]) -> tuple[Array, dict[str, Array]]:
    """The logits by which tokens came (n, vocabulary), and the state that the last of these steps left."""
    steps = _steps(decoder, encoded, tokens)
    return np.concatenate([step.logits for step in steps]), {
        name: array[0] for name, array in steps[-1].state.items()
    }


def verified(bundle: Bundle) -> VerifyReport:
    """Every golden case in this runtime. Raises BundleError where a graph makes no session."""
    report = verify_inputs(bundle)
    if not report.ok and report.stages[-1]["stage"] == "graph":
        return report
    decoder = open_decoder(bundle)
    cases = [case for case in bundle.cases if isinstance(case, GeneratedCase)]
    answers = answer_stage(
        bundle, lambda place, _: written(cases[place].generations[0].tokens, decoder.program)
    )
    return VerifyReport([*report.stages, _output(bundle, decoder, cases), _tokens(decoder, cases), answers])


def _output(bundle: Bundle, decoder: Decoder, cases: Sequence[GeneratedCase]) -> Stage:
    """The stage output: the logits of each step and the state after the last one, where the stored tokens are followed; alone,
    and the logits beside the longest of the cases, which goes another way."""
    tally = StageTally("output", len(cases))
    (target,) = bundle.signature.targets
    tolerance = bundle.manifest["tolerances"]["output"][target]
    usual = float(np.median(np.concatenate([np.abs(case.output[target]).max(axis=1) for case in cases])))
    for case in cases:
        tokens, golden = case.generations[0].tokens, case.output[target]
        longest = _company(decoder, cases, case.encoded)
        for company, words in (((), "alone"), ((longest,), "in company")):
            place = f"case {case.name!r} {words}"
            try:
                steps = _steps(decoder, case.encoded, tokens, company)
            except DrivetrainError as fault:
                tally.add(math.inf, tolerance, place, fault.error)
                continue
            for number, (step, want) in enumerate(zip(steps, golden)):
                scale = max(largest(want), usual) or 1.0
                difference = array_difference(step.logits[0], want) / scale
                tally.add(difference, tolerance, f"{place}, step {number}")
            for name, want in () if company else case.state.items():
                difference = array_difference(steps[-1].state[name][0], want) / (largest(want) or 1.0)
                words = "" if math.isfinite(difference) else f"the state {name} is of another shape or type"
                tally.add(difference, tolerance, f"{place}, {name}", words)
    return tally.stage_report()


def _tokens(decoder: Decoder, cases: Sequence[GeneratedCase]) -> Stage:
    """The stage tokens: what each strategy chooses, from the encoded prompt on; alone, and all cases together."""
    tally = StageTally(TOKENS, len(cases))
    asked: dict[tuple[Strategy, int], list[tuple[GeneratedCase, tuple[int, ...]]]] = {}
    for case in cases:
        for one in case.generations:
            asked.setdefault((one.strategy, one.most), []).append((case, one.tokens))
    for (strategy, most), wanted in asked.items():
        rows = [case.encoded for case, _ in wanted]
        alone = [found for row in rows for found in generate_together(decoder, [row], strategy, most)]
        together = generate_together(decoder, rows, strategy, most)
        for words, made in (("alone", alone), ("in company", together)):
            for (case, want), found in zip(wanted, made):
                place = f"case {case.name!r} {words}, {strategy}"
                if isinstance(found, DrivetrainError):
                    tally.add(math.inf, 0.0, place, found.error)
                    continue
                told = f"it writes {list(found)} where it wrote {list(want)}"
                tally.add(0.0 if found == want else math.inf, 0.0, place, told)
    return tally.stage_report()
