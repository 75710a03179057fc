"""A text for a text: what is told from pairs, what a network of them learns, and what its bundle writes."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import resuming
import torch
import torch.nn.functional as F
from commands import drivetrain as typed

import drivetrain as dt
from drivetrain.bundle.generations import GeneratedCase
from drivetrain.bundle.program import Generate
from drivetrain.bundle.step_graphs import check_step_graphs
from drivetrain.errors import DrivetrainError, UsageError
from drivetrain.learn.runs import checkpoints
from drivetrain.learn.settings import Phase
from drivetrain.models.encoder_decoder.steps import Steps
from drivetrain.ragged import lengths_of
from drivetrain.runtime import Beam, Generator, Greedy, Sampling, verify_bundle
from drivetrain.runtime.session import OnnxSession
from drivetrain.tokenizer import START, STOP

SMALL = "transformer:1-layers:32-wide"
LEARNS = "transformer:2-layers:32-wide"
WORDS = {
    "one": "un",
    "two": "deux",
    "three": "trois",
    "four": "quatre",
    "five": "cinq",
    "six": "six",
    "red": "rouge",
}


def pairs(count: int, longest: int = 5) -> dict[str, list[str]]:
    """Words, and their translations the other way round."""
    chance = np.random.default_rng(0)
    rows = [chance.choice(list(WORDS), chance.integers(1, longest + 1)).tolist() for _ in range(count)]
    return {
        "en": [" ".join(row) for row in rows],
        "fr": [" ".join(WORDS[word] for word in reversed(row)) for row in rows],
    }


def tiny(count: int = 60, **options: Any) -> Any:
    return dt.translation.from_table(pairs(count), "en", "fr", **options)


def small(data: Any, model: str = SMALL, **options: Any) -> Any:
    return data.learner(model, bare=True, quiet=True, **options)


def test_both_sides_have_one_vocabulary_of_the_training_part() -> None:
    data = tiny(tokens=60)
    (source,), (target,) = data.signature.inputs.values(), data.signature.targets.values()
    assert source == target
    assert source.size <= 60
    texts = [data.table[name][data.rows("train")] for name in ("en", "fr")]
    names = "".join(source.decode(np.arange(4, source.size))["text"])
    assert {*"".join([*texts[0], *texts[1]])} == {*names}


@pytest.mark.parametrize(
    ("table", "source", "target", "told"),
    [
        (pairs(9), "en", "en", "en"),
        (pairs(9), "eng", "fr", "eng"),
        ({"en": ["", "a"], "fr": [None, " "]}, "en", "fr", "there is no pair"),
        ({"en": [], "fr": []}, "en", "fr", "there are no rows"),
    ],
)
def test_pairs_that_are_none_are_told(table: dict[str, Any], source: str, target: str, told: str) -> None:
    with pytest.raises(DrivetrainError, match=told):
        dt.translation.from_table(table, source, target)


def test_a_vocabulary_of_one_letter_and_empty_texts_can_be_learned() -> None:
    table = {"en": ["a", "a a", "", "aa"] * 5, "fr": ["a", "", "a", "a"] * 5}
    learner = small(dt.translation.from_table(table, "en", "fr"), batch_size=4)
    learner.brief = True
    learner.fit(1)
    assert np.isfinite(learner.history[-1]["valid_loss"])


def test_models_that_write_nothing_are_refused() -> None:
    for model in (
        "mlp",
        "lstm",
        torch.nn.Linear(2, 2),
        "transformer:bidirectional",
        "transformer:33-wide",
        "gru:31-wide",
    ):
        with pytest.raises(UsageError):
            small(tiny(), model)  # type: ignore[arg-type]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_costs_and_their_gradients_are_those_of_cross_entropy(smoothing: float) -> None:
    learner = small(tiny(), label_smoothing=smoothing, dropout=0.0)
    network, batch = learner.network, next(learner.tensors("train").in_order(20))
    table, head = network.table.weight, network.heads["fr"]
    known = network(batch, batch)["fr"].detach().requires_grad_()
    losses, nats = head.costs(known, batch["fr"])
    losses.mean().backward()
    ours = [known.grad.clone(), table.grad.clone()]
    known.grad = table.grad = None
    told = torch.cat([F.pad(row[row != 0], (0, 1), value=STOP) for row in batch["fr"]])
    scores = F.linear(known, table)
    F.cross_entropy(scores, told, label_smoothing=smoothing).backward()
    for mine, want in zip(ours, (known.grad, table.grad)):
        torch.testing.assert_close(mine, want, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(
        losses, F.cross_entropy(scores, told, label_smoothing=smoothing, reduction="none")
    )
    torch.testing.assert_close(nats, F.cross_entropy(scores, told, reduction="none"))
    counts = (batch["fr"] != 0).sum(1) + 1
    want = torch.stack([part.mean() for part in nats.split(counts.tolist())])
    torch.testing.assert_close(head.row_means(nats, batch["fr"]), want)


@pytest.mark.parametrize("model", [SMALL, "gru:2-layers:16-wide"])
def test_what_is_padded_changes_nothing_and_no_place_sees_what_comes(model: str) -> None:
    learner = small(tiny(), model)
    network, batch = learner.network.eval(), next(learner.tensors("train").in_order(8))
    known = network(batch, batch)["fr"]
    counts = ((batch["fr"] != 0).sum(1) + 1).tolist()
    for row, part in enumerate(known.split(counts)):
        read = batch["en"][row : row + 1, : batch[lengths_of("en")][row]]
        told = batch["fr"][row : row + 1, : counts[row] - 1]
        alone = {"en": read, lengths_of("en"): batch[lengths_of("en")][row : row + 1]}
        torch.testing.assert_close(network(alone, {"fr": told})["fr"], part, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(network(alone, {"fr": told[:, :1]})["fr"], part[:2], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("model", [SMALL, "gru:2-layers:16-wide"])
def test_graphs_do_what_the_network_does(model: str) -> None:
    data = tiny()
    network = small(data, model).network.eval()
    steps, rows = Steps(network, data.signature), data.part("train")
    read, told = rows.column("en"), rows.column("fr")
    for source in (read[0], read[1], np.zeros(0, np.int64)):
        assert steps.difference(torch.tensor(source), torch.tensor(told[0])) < 1e-5
    graphs = steps.write()
    check_step_graphs(graphs, Generate(steps.size, 20, (STOP,), START), data.signature)
    sessions = {name: OnnxSession(graph) for name, graph in graphs.items()}
    some = read[np.arange(5)]
    lengths = some.lengths.copy()
    lengths[2] = 0
    made = steps.run("prefill", {"en": some.padded(), lengths_of("en"): lengths})
    state = sessions["prefill"].run({"input_0": some.padded(), "lengths_0": lengths})
    for name, want in made.items():
        np.testing.assert_allclose(state[name], want, rtol=0, atol=2e-6)
    for name in steps.states:
        state.setdefault(name, np.zeros((5, 0, network.attending.width), np.float32))
    tokens = np.full((5, 1), START)
    for _ in range(4):
        want, got = (
            run({"tokens": tokens, **state})
            for run in (lambda batch: steps.run("step", batch), sessions["step"].run)
        )
        for name, array in want.items():
            np.testing.assert_allclose(got[name], array, rtol=0, atol=1e-5)
        state |= {name.replace("next", "state"): array for name, array in got.items() if name != "logits"}
        tokens = got["logits"].argmax(1)[:, None]


def test_where_it_looks_are_shares() -> None:
    for model in (SMALL, "gru:16-wide"):
        network = small(tiny(), model).network.eval()
        tokens = torch.tensor([[5, 6, 7, 0], [8, 9, 5, 6]])
        memory, lengths = network.read(tokens, torch.tensor([3, 4]))
        found = network.attending.weights(network.vectors(tokens[:, :2]), memory, lengths)
        torch.testing.assert_close(found.sum(2), torch.ones(2, 2))
        assert found[0, :, 3].max().item() < 1e-6


@pytest.mark.slow
def test_stopped_it_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    def start(name: str, *hooks: dt.Hook) -> Any:
        made = tiny().learner(SMALL, out=tmp_path / name, hooks=list(hooks), batch_size=8, seed=3, quiet=True)
        made.brief = True
        made.train([Phase(2, 0.01)])
        return made

    whole = start("whole")
    start("stopped", resuming.StopAfter(9))
    made = dt.Learner.resume(tmp_path / "stopped", tiny(), quiet=True)
    made.brief = True
    made.go_on()
    ends = [checkpoints.load(each.run / "checkpoints").tensors for each in (whole, made)]  # type: ignore[union-attr,operator]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def file_of(folder: Path, count: int) -> Path:
    table = pairs(count)
    lines = [f"{a}\t{b}\n" for a, b in zip(table["en"], table["fr"])]
    (folder / "pairs.tsv").write_text("en\tfr\n" + "".join(lines))
    return folder / "pairs.tsv"


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a transformer that has learned it, by the command line; its run is beside it."""
    folder = tmp_path_factory.mktemp("translation")
    command = f"train {shlex.quote(str(file_of(folder, 500)))} --task translation --source en --target fr --model {LEARNS}"
    done = typed(
        *shlex.split(command), "--epochs", "40", "--lr", "0.008", "--batch-size", "16", "--tokens", "60", "--no-check",
        "--out", str(folder / "run"), "--export", str(folder / "a.bundle"),
    )  # fmt: skip
    assert done.code == 0, done.err
    return folder


@pytest.mark.slow
def test_it_learns_and_its_bundle_translates(learned: Path) -> None:
    assert verify_bundle(learned / "a.bundle").ok
    generator = Generator(learned / "a.bundle")
    table = pairs(500)
    made = generator.translate(table["en"][:100])
    assert sum(a == b for a, b in zip(made, table["fr"])) > 70
    assert generator(table["en"][:3], Beam(4)) == made[:3]
    assert generator.translate(["", table["en"][0], " "]) == ["", made[0], ""]
    with pytest.raises(UsageError, match="list"):
        generator.translate("one two")


@pytest.mark.slow
def test_no_answer_depends_on_company(learned: Path) -> None:
    generator = Generator(learned / "a.bundle")
    texts = [*pairs(40, 9)["en"], "", "\U0001f44d\U0001f3fd", "qzxjv zzyxq \u16a0", "five " * 20_000]
    for strategy in (Greedy(), Sampling(0.7, seed=4), Beam(3), Beam(5, 0.6)):
        made = generator.generate_many(texts, strategy, most=30)
        for place, (text, one) in enumerate(zip(texts, made, strict=True)):
            alone = Sampling(0.7, seed=4 + place) if isinstance(strategy, Sampling) else strategy
            assert generator.generate(text, alone, most=30) == one
    assert made[-1].notes == ("only the first 512 of its 40,001 tokens are read",)  # type: ignore[union-attr]
    assert not made[0].notes  # type: ignore[union-attr]


@pytest.mark.slow
def test_its_golden_cases_are_whole_generations(learned: Path) -> None:
    bundle = Generator(learned / "a.bundle", verify=False)
    from drivetrain.bundle import open_bundle

    cases = [case for case in open_bundle(learned / "a.bundle").cases if isinstance(case, GeneratedCase)]
    lengths = {len(case.encoded["en"]) for case in cases}
    assert 0 in lengths
    assert len(lengths) > 3
    assert {"emoji", "unknown words", "missing", "more than is kept"} & {case.name for case in cases}
    assert {type(one.strategy) for case in cases for one in case.generations} == {Greedy, Beam}
    assert bundle.manifest["format"] == 7
    assert "translate" in bundle.card


@pytest.mark.slow
def test_a_run_goes_on_by_the_name_that_was_typed(learned: Path) -> None:
    for model in (LEARNS, f"encoder_decoder:{LEARNS}"):
        done = typed(
            "train", str(learned / "pairs.tsv"), "--out", str(learned / "run"), "--resume", "--model", model
        )
        assert done.code == 0, done.err
    done = typed(
        "train", str(learned / "pairs.tsv"), "--out", str(learned / "run"), "--resume", "--source", "fr"
    )
    assert done.code == 2
    assert "--source" in done.err


@pytest.mark.slow
def test_more_than_one_thing_can_not_be_translated_into(tmp_path: Path) -> None:
    command = ["train", str(file_of(tmp_path, 20)), "--task", "translation"]
    for more, told in (
        ([], "--source"),
        (["--source", "en"], "--target"),
        (["--source", "en", "--target", "fr", "--target", "en"], "one"),
    ):
        done = typed(*command, *more)
        assert done.code == 2
        assert told in done.err


@pytest.mark.slow
def test_a_gru_learns_it_too() -> None:
    data = tiny(400, tokens=60)
    learner = small(data, "gru:48-wide", batch_size=16)
    learner.brief = True
    learner.fit(20, lr=0.01)
    assert learner.history[-1]["valid_error"] < 1.5


def test_a_tokenizer_of_too_few_tokens_is_refused_by_the_option() -> None:
    with pytest.raises(UsageError, match=r"^tokens: a tokenizer can't have 3 tokens: most must be"):
        dt.translation.from_table(pairs(20), "en", "fr", tokens=3)
