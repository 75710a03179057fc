"""A bundle that generates: its steps are those of the whole sequence, every reader writes the same, and no other is opened."""

from __future__ import annotations

import itertools
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import generating as models
import numpy as np
import pytest
import stranger
from bundle_examples import house_bundle, member
from commands import drivetrain

from drivetrain.bundle import Bundle, bundle_bytes, open_bundle, open_bundle_bytes, write_bundle
from drivetrain.bundle.archive import MANIFEST, MANIFEST_HASH, read_zip, write_zip
from drivetrain.bundle.generations import GeneratedCase
from drivetrain.bundle.manifest import program_of
from drivetrain.bundle.program import Generate, program_from_json, program_to_json
from drivetrain.bundle.strategies import Beam, Greedy, Sampling, Strategy
from drivetrain.codecs import Signature
from drivetrain.errors import BundleError, DataError, UsageError
from drivetrain.evaluate import evaluate
from drivetrain.files import from_json, sha256, to_json
from drivetrain.runtime import Generated, Generator, OnnxSession, Predictor, verify_bundle
from drivetrain.runtime.programs import verified
from drivetrain.runtime.programs.choose import draw, largest, likeliest, sampled
from drivetrain.runtime.programs.generate import Decoder, open_decoder
from drivetrain.runtime.programs.together import generate, generate_together
from drivetrain.testing.bundles import check_bundle
from drivetrain.types import Array, Failure

KEPT = Path(__file__).parent / "bundles"
BUNDLES = {"writer": models.writer_bundle, "translator": models.translator_bundle}


def opened(name: str) -> Bundle:
    return open_bundle_bytes(BUNDLES[name]())


@pytest.mark.parametrize("name", BUNDLES)
def test_it_is_written_opened_and_verified(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.bundle"
    path.write_bytes(BUNDLES[name]())
    bundle = check_bundle(path, flips=60)
    assert bundle.manifest["format"] == {"writer": 5, "translator": 7}[name]
    cases = [case for case in bundle.cases if isinstance(case, GeneratedCase)]
    assert [case.encoded["prompt"].tolist() for case in cases] == list(models.PROMPTS)
    assert {one.strategy for case in cases for one in case.generations} - {models.SHORTER} == {
        *models.STRATEGIES
    }
    stages = verify_bundle(path, trusted=True).stages
    assert [stage["stage"] for stage in stages] == [
        "members", "graph", "raw", "read", "encoded", "output", "tokens", "answer",
    ]  # fmt: skip
    assert stages[5]["max_difference"] < 1e-6
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "folder")
    assert open_bundle(tmp_path / "folder").hash == bundle.hash


@pytest.mark.parametrize("name", ["5-writer", "5-translator", "7-translator"])
def test_a_bundle_of_an_older_format_opens_and_a_stranger_writes_the_same(name: str) -> None:
    """The reader in stranger.py knows the pages and not the code."""
    assert "drivetrain" not in Path(stranger.__file__).read_text()
    path = KEPT / f"format-{name}.bundle"
    bundle, reader = open_bundle(path), stranger.Reader(path)
    assert verify_bundle(path).ok
    for number, case in enumerate(bundle.cases):
        assert isinstance(case, GeneratedCase)
        prompt, (first, *_) = reader.prompt(number), case.generations
        logits, state, _ = reader.begin(prompt)
        for place, want in enumerate(reader.golden(number, "logits")):
            if place:
                logits, state = reader.feed(np.array([[first.tokens[place - 1]]]), state)
            np.testing.assert_allclose(logits[0], want, rtol=0, atol=1e-4 * np.abs(want).max())
        for given, one in zip(reader.cases[number]["generations"], case.generations, strict=True):
            assert reader.write(prompt, given["strategy"], given["most"]) == list(one.tokens)


def whole_sequences(prompt: list[int], strategy: Strategy, most: int) -> list[int]:
    """What is written where each token is chosen from the graph of whole sequences, which reads all of it each time."""
    session, tokens = OnnxSession(models.writer_whole()), list(prompt)
    while len(tokens) < len(prompt) + most and tokens[-1] != models.STOP:
        logits = session.run({"tokens": np.array([tokens])})["logits"][0, -1]
        if isinstance(strategy, Sampling):
            tokens.append(sampled(logits, strategy, draw(strategy.seed, len(tokens) - len(prompt))))
        else:
            tokens.append(int(logits.argmax()))
    return tokens[len(prompt) :]


def test_steps_write_what_the_whole_sequence_writes() -> None:
    generator = Generator(opened("writer"), trusted=True)
    for prompt in models.PROMPTS:
        for strategy in (Greedy(), *(Sampling(temperature=1.5, seed=seed) for seed in range(8))):
            want = [token for token in whole_sequences(prompt, strategy, 12) if token != models.STOP]
            assert list(generator.generate(prompt, strategy, most=12).tokens) == want


def recorded(bundle: Bundle, fed: list[tuple[int, ...]]) -> Decoder:
    decoder = open_decoder(bundle)
    run = decoder._run

    def noted(graph: str, batch: Mapping[str, Array]) -> Mapping[str, Array]:
        fed.append((graph, *batch["tokens"].shape, *(batch["state_0"].shape[1:2])))
        return run(graph, batch)

    decoder._run = noted
    return decoder


def test_a_step_reads_its_own_token_alone() -> None:
    fed: list[Any] = []
    decoder = recorded(opened("writer"), fed)
    assert len(generate(decoder, {"prompt": np.array([3, 7, 4, 4, 9])}, Greedy(), 6)) == 6
    assert fed == [("step", 1, 5, 0), *(("step", 1, 1, past) for past in range(5, 10))]


def rnn_step() -> bytes:
    """A step that takes one token at a time, and begins with zeros and no start."""
    state = {"state_0": (models.FLOAT, ["rows", models.WIDTH])}
    nodes = [
        models.node("Gather", "embed tokens", "x"),
        models.node("Squeeze", "x second", "word"),
        models.node("MatMul", "state_0 query", "kept"),
        models.node("Add", "word kept", "sum"),
        models.node("Tanh", "sum", "next_0"),
        models.node("MatMul", "next_0 out", "logits"),
    ]
    return models.model(
        nodes, {**models.CONSTANTS, **models.WEIGHTS}, {"tokens": (models.INT, ["rows", 1]), **state},
        {"logits": (models.FLOAT, ["rows", models.WORDS]), "next_0": state["state_0"]},
    )  # fmt: skip


def onnx_run(graphs: dict[str, bytes]) -> Any:
    """For tests where what a graph does is not the question."""
    sessions = {name: OnnxSession(graph) for name, graph in graphs.items()}
    names = {"prompt": "input_0", " lengths of prompt": "lengths_0"}
    return lambda graph, batch: sessions[graph].run(
        {names.get(name, name): array for name, array in batch.items()}
    )


def written(program: Generate, graphs: dict[str, bytes], **changes: Any) -> bytes:
    return bundle_bytes(**models.arguments(program, graphs, onnx_run(graphs), **changes))


def test_a_step_of_one_token_takes_a_prompt_one_by_one() -> None:
    bundle = open_bundle_bytes(written(models.WRITER, {"step": rnn_step()}))
    assert verified(bundle).ok
    fed: list[Any] = []
    generate(recorded(bundle, fed), {"prompt": np.array([3, 7, 4])}, Greedy(), 3)
    assert [one[:3] for one in fed] == [("step", 1, 1)] * 5
    h = np.zeros(models.WIDTH)
    for token in (3, 7, 4):
        h = np.tanh(models.WEIGHTS["embed"][token] + h @ models.WEIGHTS["query"])
    step = open_decoder(bundle).begin([{"prompt": np.array([3, 7, 4])}])
    np.testing.assert_allclose(step.logits[0], h @ models.WEIGHTS["out"], rtol=1e-5, atol=1e-5)


def test_prefill_may_give_the_first_logits() -> None:
    program = Generate(vocabulary=models.WORDS, longest=models.LONGEST, stop=(2,))
    graphs = {"step": models.translator_step(), "prefill": models.translator_prefill(logits=True)}
    bundle = open_bundle_bytes(written(program, graphs))
    assert verified(bundle).ok
    assert bundle.manifest["graphs"]["prefill"]["outputs"] == {
        "logits": {"dtype": "float32", "dims": [None, 11]}
    }
    with pytest.raises(BundleError, match="first token or 'logits'"):
        written(models.TRANSLATOR, graphs)
    with pytest.raises(BundleError, match="first token or 'logits'"):
        written(program, {**graphs, "prefill": models.translator_prefill()})


def test_a_program_of_one_graph_may_be_written_out() -> None:
    """Format 5 names the program that older ones have without a word."""
    manifest = from_json(member(house_bundle(), "manifest.json"))
    changes = {"format": 5, "graphs": {"model": manifest["graph"]}, "program": {"name": "single"}}
    bundle = open_bundle_bytes(renamed(house_bundle(), changes))
    assert Predictor(bundle, trusted=True).predict({"area": 100, "town": "Bonn"}).value == pytest.approx(4250)


def test_a_length_penalty_is_of_format_7() -> None:
    with pytest.raises(BundleError, match="a bundle of this format has no length penalty"):
        open_bundle_bytes(renamed(models.translator_bundle(), {"format": 6}))


def renamed(data: bytes, changes: dict[str, Any]) -> bytes:
    """The bundle of an older format with `graph` as `graphs`, where it has one."""
    members = {name: bytes(view) for name, view in read_zip(data).items()}
    record = {**from_json(members[MANIFEST]), **changes}
    record.pop("graph", None)
    manifest = to_json(record).encode()
    return write_zip({**members, MANIFEST: manifest, MANIFEST_HASH: f"{sha256(manifest)}\n".encode()})


# Choosing.


def test_numbers_are_those_of_splitmix64() -> None:
    """The published outputs for the seed 0: 0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F."""
    words = (0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F)
    assert [draw(0, place) for place in range(3)] == [(word >> 11) / 2**53 for word in words]
    many = np.array([draw(seed, place) for seed in range(40) for place in range(100)])
    assert 0 <= many.min() < 0.01
    assert 0.99 < many.max() < 1
    assert abs(many.mean() - 0.5) < 0.02
    assert len({*many.tolist()}) == 4000


def test_the_largest_come_first_and_of_equals_the_first() -> None:
    values = np.float32([1, 3, 3, 0, 3, 2])
    assert [largest(values, count).tolist() for count in (1, 2, 4, 9)] == [
        [1],
        [1, 2],
        [1, 2, 4, 5],
        [1, 2, 4, 5, 0, 3],
    ]


def test_sampling_draws_by_probability() -> None:
    logits = np.log(np.float32([0.1, 0.4, 0.2, 0.3]))
    assert [sampled(logits, Sampling(), number) for number in (0, 0.39, 0.41, 0.69, 0.71, 0.89, 0.91)] == [
        1,
        1,
        3,
        3,
        2,
        2,
        0,
    ]
    counts = np.bincount([sampled(logits, Sampling(), draw(5, place)) for place in range(4000)])
    np.testing.assert_allclose(counts / 4000, [0.1, 0.4, 0.2, 0.3], atol=0.03)
    top = Sampling(top_k=2)
    assert {sampled(logits, top, number) for number in np.linspace(0, 0.999, 50)} == {1, 3}
    assert sampled(logits, top, 0.56) == 1  # 4/7 of what is left.
    assert {sampled(logits, Sampling(top_p=0.6), number) for number in np.linspace(0, 0.999, 50)} == {1, 3}
    assert {sampled(logits, Sampling(top_p=0.75), number) for number in np.linspace(0, 0.999, 50)} == {
        1,
        2,
        3,
    }
    assert sampled(logits, Sampling(top_p=1e-9), 0.999) == 1
    assert sampled(logits, Sampling(temperature=0.01), 0.999) == 1
    assert sampled(np.float32([3e38, -3e38]), Sampling(temperature=1e-3), 0.5) == 0
    assert sampled(np.float32([0, 0, 0]), Sampling(), 1 - 2**-53) == 2
    assert sampled(np.float32([0, 0]), Sampling(), 0.5) == 1  # A number that is a sum is beyond it,
    assert (
        sampled(np.float32([0, 0]), Sampling(top_p=0.5), 0.999) == 0
    )  # and a share that is a sum is reached.


@pytest.mark.parametrize("penalty", [1.0, 0.5, 2.0])
def test_a_wide_beam_finds_the_best_sequence(penalty: float) -> None:
    """Held against all sequences of up to four of three tokens, by their log-probability over their length to a power."""
    program, length = Generate(vocabulary=3, longest=9, stop=(0,), start=1), 4
    interface = {
        "step": {"inputs": {"tokens": {"dims": [None, None]}}, "outputs": {}, "state": {
            "state_0": {"dtype": "int64", "dims": [None, None], "first": "zeros", "next": "next_0"},
        }},
        "prefill": {"outputs": {}},
    }  # fmt: skip

    def shares(tokens: Sequence[int]) -> Array:
        return np.random.default_rng(list(tokens)).normal(0, 1.5, 3).astype(np.float32)

    def run(graph: str, batch: Mapping[str, Array]) -> dict[str, Array]:
        if graph == "prefill":
            return {}
        sequences = np.concatenate([batch["state_0"], batch["tokens"]], axis=1)
        return {"next_0": sequences, "logits": np.stack([shares(row.tolist()) for row in sequences])}

    def score(tokens: tuple[int, ...]) -> float:
        logits = [shares((seed, *tokens[:place])).astype(np.float64) for place in range(len(tokens))]
        logs = [row[token] - np.log(np.exp(row).sum()) for row, token in zip(logits, tokens)]
        return float(np.sum(logs)) / len(tokens) ** penalty

    found = set[int]()
    for seed in range(1, 3):
        every = {
            tokens[: tokens.index(0) + 1] if 0 in tokens else tokens
            for tokens in itertools.product(range(3), repeat=length)
        }
        decoder = Decoder(replace(program, start=seed), Signature({}, {}), interface, run)
        best = generate(decoder, {}, Beam(64, penalty), length)
        assert best == max(every, key=score)
        assert generate(decoder, {}, Beam(1), length) == generate(decoder, {}, Greedy(), length)
        found.add(len(best))
    assert penalty != 1 or len(found) == 2  # One of them ends early.


def test_several_at_once_get_what_each_gets_alone() -> None:
    """Of unequal lengths, with one that there is no room for; beams of several rows side by side."""
    for name, prompts in (
        ("writer", [*models.PROMPTS, [3], [4] * 24, [4, 4]]),
        ("translator", [[3], [], *models.PROMPTS]),
    ):
        decoder = open_decoder(opened(name))
        rows = [{"prompt": np.array(prompt, np.int64)} for prompt in prompts]
        for strategy in (Greedy(), Sampling(seed=5), Beam(3), models.SHORTER):
            made = generate_together(decoder, rows, strategy, 9)
            for row, tokens in zip(rows, made, strict=True):
                if isinstance(tokens, DataError):
                    assert len(row["prompt"]) == 24
                else:
                    assert generate(decoder, row, strategy, 9) == tokens


def test_the_likeliest_tokens_are_those_of_a_whole_sort() -> None:
    chance = np.random.default_rng(0)
    logits = chance.normal(size=(20, 50)).astype(np.float32)
    logits[3:6] = np.round(logits[3:6])  # Equals.
    for count in (1, 3, 50, 60):
        tokens, logs = likeliest(logits, count)
        want = np.argsort(-logits, axis=1, kind="stable")[:, :count]
        assert np.array_equal(tokens, want)
        exact = logits - np.log(np.exp(logits.astype(np.float64)).sum(1, keepdims=True))
        np.testing.assert_allclose(logs, np.take_along_axis(exact, want, 1), rtol=0, atol=1e-12)


def test_a_beam_that_stops_early_is_the_strangers() -> None:
    """What is finished leaves less to go on with."""
    reader, bundle = stranger.Reader(KEPT / "format-5-translator.bundle"), opened("translator")
    decoder = open_decoder(bundle)
    for stop in ([6], [4, 8], [2, 9]):
        decoder.program, reader.program["stop"] = replace(decoder.program, stop=tuple(stop)), stop
        for width, prompt in itertools.product((2, 3, 5), models.PROMPTS):
            strategy = {"name": "beam", "width": width}
            found = generate(decoder, {"prompt": np.array(prompt)}, Beam(width), 9)
            assert list(found) == reader.write(prompt, strategy, 9)


def test_tokens_that_are_never_chosen_are_left_out_as_if_there_were_none() -> None:
    """By every strategy, in company too, as a stranger does; a beam wider than what is left finds what there is."""
    reader, bundle = stranger.Reader(KEPT / "format-5-writer.bundle"), opened("writer")
    decoder = open_decoder(bundle)
    usual = {
        token
        for prompt in models.PROMPTS
        for token in generate(decoder, {"prompt": np.array(prompt)}, Greedy(), 9)
    }
    for never in ((min(usual - {models.STOP}),), tuple({*range(models.WORDS)} - {models.STOP, 4, 7})):
        decoder.program = replace(decoder.program, never=never)
        reader.program["never"] = list(never)
        rows = [{"prompt": np.array(prompt)} for prompt in models.PROMPTS]
        for strategy in (*models.STRATEGIES, Sampling(top_k=2, seed=5), Beam(5)):
            record = asdict(strategy) | {"name": strategy.name}
            for row, made in zip(rows, generate_together(decoder, rows, strategy, 9), strict=True):
                assert not {*made} & {*never}  # type: ignore[misc]
                assert generate(decoder, row, strategy, 9) == made
                assert reader.write(row["prompt"].tolist(), record, 9) == list(made)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong", [[3, 3], [models.STOP], [models.WORDS], [-1], [True], "3", None, [*range(11)]]
)
def test_what_can_not_be_never_chosen_is_refused(wrong: Any) -> None:
    record = program_to_json(models.WRITER) | {"never": wrong, "stop": [2] if wrong != [*range(11)] else []}
    with pytest.raises(BundleError, match="followed"):
        program_from_json(record)


def test_tokens_that_are_never_chosen_are_of_format_7_and_said_where_there_are_any(tmp_path: Path) -> None:
    program = replace(models.WRITER, never=(0, 3))
    assert program_from_json(from_json(to_json(program_to_json(program)))) == program
    assert "never" not in program_to_json(models.WRITER)
    with pytest.raises(BundleError, match="followed"):
        program_from_json(program_to_json(models.WRITER) | {"stop": [2], "never": []})
    bundle = open_bundle_bytes(models.writer_bundle(program))
    assert bundle.manifest["format"] == 7
    assert bundle.program == program
    assert verified(bundle).ok
    with pytest.raises(BundleError, match="format 6 has no tokens"):
        program_of(bundle.manifest | {"format": 6})


# From a prompt to an answer.


def test_what_is_generated_is_told() -> None:
    generator = Generator(opened("translator"), trusted=True)
    found = generator.generate([3, 7, 4, 4, 9], Sampling(temperature=0.7, top_p=0.8, seed=7), most=12)
    assert found.tokens == (8, 6, 0, 8)
    assert found.stopped
    assert found.answer == {"tokens": [8, 6, 0, 8]}
    assert found.to_json() == {"input": "[3, 7, 4, 4, 9]", "tokens": [8, 6, 0, 8], "stopped": True}
    assert generator.generate({"prompt": [5]}, most=2).tokens == (6, 6)
    assert not generator.generate([5], most=2).stopped
    assert len(generator.generate([5]).tokens) == models.LONGEST - 1


def test_many_are_each_as_alone_with_seeds_of_their_own() -> None:
    generator = Generator(opened("writer"), trusted=True)
    prompts: list[Any] = [[5], [5], "five", [3, 99], [10, 0], [5] * models.LONGEST, []]
    found = generator.generate_many(prompts, Sampling(temperature=1.7, seed=11), most=8)
    for place in (0, 1, 4):
        assert found[place] == generator.generate(
            prompts[place], Sampling(temperature=1.7, seed=11 + place), most=8
        )
    assert len({one.tokens for one in found[:2] if isinstance(one, Generated)}) == 2
    words = {2: "no list", 3: "99 is no token", 5: "leave no room", 6: "the prompt is empty"}
    for place, part in words.items():
        failure = found[place]
        assert isinstance(failure, Failure)
        assert isinstance(failure.error, DataError)
        assert part in str(failure.error)


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": 0}, {"temperature": float("nan")}, {"temperature": "hot"}, {"temperature": 1e9}, {"top_k": -1},
        {"top_k": 1.5}, {"top_k": True}, {"top_p": 0}, {"top_p": 1.1}, {"seed": -1}, {"seed": 2**53}, {"seed": 0.5},
    ],
)  # fmt: skip
def test_strategies_have_bounds(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Sampling(**wrong)
    for width in (0, 65, 2.0, True):
        with pytest.raises(UsageError, match="width"):
            Beam(width)  # type: ignore[arg-type]


def test_each_bundle_has_one_reader(tmp_path: Path) -> None:
    path, rows = tmp_path / "writer.bundle", tmp_path / "rows.csv"
    path.write_bytes(models.writer_bundle())
    rows.write_text("prompt\n5\n")
    for ask in (Predictor, lambda bundle: evaluate(bundle, rows)):
        with pytest.raises(UsageError, match=r"Use drivetrain\.runtime\.Generator"):
            ask(path)
    with pytest.raises(UsageError, match=r"Use drivetrain.runtime.Predictor"):
        Generator(open_bundle_bytes(house_bundle()))
    told = drivetrain("predict", path, rows, "--trusted")
    assert (told.code, "Generator" in told.err) == (2, True)
    told = drivetrain("verify", path, "--trusted")
    assert (told.code, "tokens" in told.out) == (0, True)
    generator = Generator(path)
    for wrong in (lambda: generator.generate([5], most=0), lambda: generator.generate([5], "greedy")):  # type: ignore[arg-type]
        with pytest.raises(UsageError):
            wrong()


@pytest.mark.slow
def test_a_step_of_torch_is_exported_and_writes_what_torch_does(tmp_path: Path) -> None:
    """A transformer's block, written in torch as one writes it, with its keys and values as state."""
    torch = pytest.importorskip("torch")
    from drivetrain.graphs.torch_export import _quiet_exporter, _strip

    class Writer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = torch.nn.Embedding(models.WORDS, models.WIDTH)
            self.place = torch.nn.Embedding(models.LONGEST, models.WIDTH)
            self.mixed = torch.nn.Linear(models.WIDTH, 3 * models.WIDTH)
            self.norm = torch.nn.LayerNorm(models.WIDTH)
            self.out = torch.nn.Linear(models.WIDTH, models.WORDS)

        def forward(self, tokens: Any, keys: Any, values: Any) -> Any:
            past, n = keys.shape[1], tokens.shape[1]
            places = torch.arange(past, past + n)
            x = self.embed(tokens) + self.place(places)
            query, key, value = self.mixed(self.norm(x)).chunk(3, dim=-1)
            keys, values = torch.cat([keys, key], 1), torch.cat([values, value], 1)
            seen = torch.arange(past + n)[None] <= places[:, None]
            scores = (query @ keys.transpose(1, 2) / models.WIDTH**0.5).masked_fill(~seen, -1e9)
            x = x + scores.softmax(-1) @ values
            return self.out(x[:, -1]) * 4, keys, values

    torch.manual_seed(0)
    writer = Writer().eval()
    cache = torch.zeros(2, 3, models.WIDTH)
    rows, n, past = (torch.export.Dim(name) for name in ("rows", "n", "past"))
    names = ["tokens", "state_0", "state_1"]
    with torch.no_grad(), _quiet_exporter(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            writer, (torch.zeros(2, 4, dtype=torch.long), cache, cache.clone()), dynamo=True, opset_version=20, verbose=False,
            input_names=names, output_names=["logits", "next_0", "next_1"],
            dynamic_shapes=({0: rows, 1: n}, {0: rows, 1: past}, {0: rows, 1: past}),
        )  # fmt: skip
    _strip(program.model_proto)

    def run(graph: str, batch: Mapping[str, Array]) -> dict[str, Array]:
        with torch.no_grad():
            made = writer(*(torch.tensor(batch[name]) for name in names))
        return dict(zip(("logits", "next_0", "next_1"), (each.numpy() for each in made)))

    path = tmp_path / "torch.bundle"
    graphs = {"step": program.model_proto.SerializeToString()}
    write_bundle(path, **models.arguments(models.WRITER, graphs, run))
    bundle = check_bundle(path, flips=20)
    assert len(bundle.cases) == len(models.PROMPTS)
    reader = stranger.Reader(path)
    generator = Generator(bundle, trusted=True)
    for strategy in models.STRATEGIES:
        found = generator.generate([1, 4, 9], strategy)
        told = {"name": strategy.name, **asdict(strategy)}
        assert [token for token in reader.write([1, 4, 9], told, 256) if token != models.STOP] == list(
            found.tokens
        )


@pytest.mark.slow
def test_nothing_of_training_is_imported() -> None:
    code = (
        "import sys; from drivetrain.runtime import Generator\n"
        f"print(Generator({str(KEPT / 'format-5-writer.bundle')!r}, trusted=True).generate([5], most=3).tokens)\n"
        "print({'torch', 'polars', 'sklearn', 'onnx'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["(7, 0, 6)", "set()"], done.stderr
