"""A network that tells the next token: read whole, step by step and as a graph, it says the same; and a bundle of it writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from drivetrain.bundle import write_bundle
from drivetrain.bundle.program import Generate
from drivetrain.bundle.strategies import Beam, Greedy, Sampling
from drivetrain.codecs import Signature
from drivetrain.codecs.tokens import Tokens
from drivetrain.errors import UsageError
from drivetrain.models.build import build_network
from drivetrain.models.steps import Steps
from drivetrain.ragged import Ragged
from drivetrain.runtime import Generator, OnnxSession
from drivetrain.runtime.programs import verified
from drivetrain.runtime.programs.proof import make_generated_cases

TEXT = "abc def. abc ghi,\nfed cba? " * 8
MODELS = [
    "lstm:16-wide:2-layers",
    "rnn:16-wide",
    "gru:16-wide",
    "transformer:causal:32-wide:2-layers",
    "transformer:causal:32-wide:1-layers:32-embedded",
]


def codec() -> Tokens:
    return Tokens(tokenizer="characters", length=1000).fit(np.array([TEXT], object))


def steps(model: str) -> tuple[Steps, Signature]:
    torch.manual_seed(3)
    signature = Signature({"prompt": codec()}, {"text": codec()})
    row = codec().encode(codec().read(TEXT))[:24]
    rows: dict[str, Any] = {
        name: Ragged.of(np.concatenate([row, row]), np.array([24, 24])) for name in ("prompt", "text")
    }
    return Steps(build_network(signature, rows, model).eval(), signature), signature  # type: ignore[arg-type]


@pytest.mark.parametrize("model", MODELS)
def test_read_whole_step_by_step_and_as_a_graph_it_says_the_same(model: str) -> None:
    made, _ = steps(model)
    tokens = codec().encode(codec().read(TEXT))[:20]
    assert made.difference(torch.tensor(tokens)) < 1e-5
    session = OnnxSession(made.write())
    rows = np.stack([tokens, tokens[::-1]])
    state = dict(zip(made.states, (each.numpy() for each in made.first_state(2))))
    mine, its = state, state
    for start, end in ((0, 7), (7, 8), (8, 9), (9, 15)):  # A prompt, tokens one by one, and several again.
        ours = made.run("step", {"tokens": rows[:, start:end], **mine})
        theirs = session.run({"tokens": rows[:, start:end], **its})
        assert ours.keys() == theirs.keys()
        for name, array in ours.items():
            np.testing.assert_allclose(theirs[name], array, atol=2e-6)
        mine, its = (
            {name.replace("next", "state"): array for name, array in each.items() if name != "logits"}
            for each in (ours, theirs)
        )


@pytest.mark.parametrize("model", MODELS)
def test_no_place_knows_of_a_later_one(model: str) -> None:
    """The loss would be nothing, and the text nonsense."""
    made, _ = steps(model)
    row = torch.tensor(codec().encode(codec().read(TEXT))[:12])[None]
    other = row.clone()
    other[0, 6:] = other[0, 6:].flip(0)
    lengths = torch.tensor([12])
    with torch.no_grad():
        one, two = (
            made.network({"prompt": each, " lengths of prompt": lengths})["text"] for each in (row, other)
        )
    assert torch.equal(one[:, :6], two[:, :6])
    assert not torch.equal(one[:, 6:], two[:, 6:])


@pytest.mark.parametrize("model", ["lstm:bidirectional:16-wide", "transformer:32-wide", "mlp"])
def test_what_knows_of_later_places_can_not_write(model: str) -> None:
    with pytest.raises(UsageError, match="can't write"):
        steps(model)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("at_once", [1, 2**21])
def test_the_loss_is_the_mean_over_tokens_without_padding(
    smoothing: float, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As torch has it of the scores of all tokens, which are not kept here, and with the same gradients."""
    monkeypatch.setattr("drivetrain.models.costs.AT_ONCE", at_once)
    made, _ = steps(MODELS[1])
    network, head = made.network.train(), made.network.heads["text"]
    head.smoothing = smoothing
    tokens = torch.tensor([[5, 6, 7], [8, 0, 0]])
    batch = {"prompt": torch.tensor([[4, 5, 6], [9, 0, 0]]), " lengths of prompt": torch.tensor([3, 1])}
    known, scores = network(batch, {"text": tokens})["text"], network(batch)["text"]
    assert known.shape == (4, 16)
    there = tokens != 0
    wanted = F.cross_entropy(scores[there], tokens[there], label_smoothing=smoothing)
    wanted.backward()
    gradients = {name: each.grad.clone() for name, each in network.named_parameters()}  # type: ignore[union-attr]
    network.zero_grad()
    loss = head.loss(known, tokens)
    loss.backward()
    torch.testing.assert_close(loss, wanted)
    for name, each in network.named_parameters():
        torch.testing.assert_close(each.grad, gradients[name], msg=name)
    nats = -scores.log_softmax(2).gather(2, tokens[:, :, None]).squeeze(2)
    rows = torch.stack([nats[0].mean(), nats[1, 0]]).detach()
    torch.testing.assert_close(head.error(known, tokens).detach(), rows.sum())
    head.eval()
    torch.testing.assert_close(head.losses(known, tokens).detach(), rows)
    assert head.error_of_mean(0.0) == 1.0


@pytest.mark.parametrize("model", MODELS)
def test_a_bundle_of_it_is_verified_and_writes(model: str, tmp_path: Path) -> None:
    made, signature = steps(model)
    program, graphs = Generate(vocabulary=made.size, longest=64), {"step": made.write()}
    samples: Any = [(f"prompt {text!r}", "validation", {"prompt": text}) for text in ("abc", "fed c", "d")]
    strategies = [Greedy(), Sampling(temperature=0.8, top_k=9, seed=7), Beam(2)]
    cases = make_generated_cases(signature, program, graphs, samples, strategies, made.run, most=10)
    path = tmp_path / "plays.bundle"
    write_bundle(
        path, name="plays", task="language_model", signature=signature, graph=graphs, program=program, cases=cases,
        profile={}, card="# Plays\n", facts={}, check=lambda bundle: verified(bundle).require(path),
    )  # fmt: skip
    written = Generator(path, trusted=True).generate("abc", Sampling(seed=1), most=12)
    assert len(written.tokens) == 12
    assert isinstance(written.answer["text"], str)
    assert written == Generator(path, trusted=True).generate("abc", Sampling(seed=1), most=12)
