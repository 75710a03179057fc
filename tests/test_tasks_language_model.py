"""A text is learned to its end, step by step the same when it was stopped between; its bundle writes."""

from __future__ import annotations

import math
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import resuming
import torch
from commands import drivetrain

import drivetrain as dt
from drivetrain.bundle import open_bundle
from drivetrain.bundle.generations import GeneratedCase
from drivetrain.codecs.tokens import Tokens
from drivetrain.data.forms import source as text_source
from drivetrain.data.forms.source import TextSource, blocks
from drivetrain.errors import DrivetrainError, UsageError
from drivetrain.findings.written import written_by
from drivetrain.learn.runs import checkpoints
from drivetrain.learn.settings import Phase
from drivetrain.metrics import tokens as metrics
from drivetrain.ragged import lengths_of
from drivetrain.runtime import Generator, Sampling, verify_bundle
from drivetrain.tasks.writing import PROMPT, TEXT, Writing

LINES = ["abc def. abc ghi,", "fed cba? ihg abc."]
WORDS = "".join(f"{LINES[place % 2]}\n" for place in range(60))


def text(folder: Path) -> Path:
    path = folder / "plays.txt"
    path.write_text(WORDS)
    return path


def tiny(folder: Path) -> Writing:
    return dt.language_model.from_file(text(folder), valid=0.1, context=16)


def test_each_token_is_told_once_and_the_end_of_the_text_validates(tmp_path: Path) -> None:
    data = tiny(tmp_path)
    codec = data.signature.targets[TEXT]
    told = []
    for part in ("train", "valid"):
        rows = data.part(part)
        read, asked = rows.column(PROMPT), rows.column(TEXT)
        assert all(np.array_equal(read[row][1:], asked[row][:-1]) for row in range(len(rows)))
        assert read.values is asked.values, "nothing is copied"
        told.append(codec.decode(asked.flat.astype(np.int64))["text"])
    whole = WORDS.rstrip("\n")
    edge = len(whole) - round(len(whole) * 0.1)
    assert told == [whole[1:edge], whole[edge + 1 :]]


def test_neither_the_end_of_training_nor_a_block_cuts_a_word(tmp_path: Path) -> None:
    words = "melody " * 9000
    (tmp_path / "a.txt").write_text(words)
    source = TextSource(str(tmp_path / "a.txt"))
    for valid in (0.1, 0.1001, 0.1003, 0.5002):
        edge = source.edge(valid)
        parts = ["".join(source.blocks(*ends)) for ends in ((0, edge), (edge, source.characters))]
        assert "".join(parts) == words
        assert [word for part in parts for word in part.split()] == ["melody"] * 9000
        assert abs(edge - len(words) * (1 - valid)) < 8
    found = [*blocks([words[:5], words[5:70_000], words[70_000:]])]
    assert "".join(found) == words
    assert [word for block in found for word in block.split()] == ["melody"] * 9000
    assert [len(block) for block in blocks(["x" * 50_000])] == [20_000, 20_000, 10_000]


def test_what_is_to_be_known_of_many_files_is_told_once(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number:02}.txt").write_bytes(f"{number} caf\xe9\n".encode("cp1252") * 9)
    (told,) = TextSource(str(tmp_path)).notes
    assert told.startswith("00.txt: ")
    assert told.endswith("; so it is in 11 more files")


def test_a_text_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("sep=;\nabc\n" * 30)
    data = dt.language_model.from_file(tmp_path / "a.log", valid=0, context=16)
    assert data.source.characters == 10 * 30 - 1, "Excel's first line is one as any other"
    assert data.notes == ["299 tokens, 9 different ones (characters), in stretches of 16"]
    (tmp_path / "a.log").write_bytes(b"abc\n\0")
    with pytest.raises(DrivetrainError, match="Save it as plain text"):
        TextSource(str(tmp_path / "a.log"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_large_file_is_read_in_chunks_to_the_same(encoding: str, tmp_path: Path, monkeypatch: Any) -> None:
    text = "".join(f"Zeile {number} \u00e4\u20ac\n" for number in range(9000))
    (tmp_path / "a.txt").write_bytes(text.rstrip().replace("\n", "\r\n").encode(encoding))
    small = dt.language_model.from_file(tmp_path / "a.txt", context=16)
    monkeypatch.setattr(text_source, "LARGE", 1000)
    large = dt.language_model.from_file(tmp_path / "a.txt", context=16)
    assert large.signature == small.signature
    assert np.array_equal(large.tokens, small.tokens)
    assert any("Windows-1252" in note for note in large.notes) == (encoding == "cp1252")
    (tmp_path / "b.txt").write_bytes(text.encode() + b"a\0b")
    with pytest.raises(DrivetrainError, match="NUL") as told:
        dt.language_model.from_file(tmp_path / "b.txt")
    assert "line 9,001" in str(told.value)


def test_what_stands_in_a_stretch_is_shown(tmp_path: Path) -> None:
    data = tiny(tmp_path)
    assert data.texts("train", np.array([0, 2])) == [WORDS[:16], WORDS[32:48]]
    assert "stretches of valid" in data.show(3, "valid").title
    assert f"raw      {WORDS[17:33]}" in data.explain_sample(1)
    done = drivetrain("show", text(tmp_path), "--task", "language_model", "--out", tmp_path / "a.svg")
    assert done.code == 0
    assert "stretch 1" in (tmp_path / "a.svg").read_text()
    assert data.part("train").batch()[PROMPT].values.dtype == np.uint8
    assert data.part("train").digest != data.part("valid").digest


def test_metrics_are_over_all_tokens_and_count_letters() -> None:
    codec = Tokens(tokenizer="words", rare=0).fit(np.array(["ab cde ab"], object))
    names = codec.decode(np.arange(4, codec.size or 0))["text"]
    assert sorted(names.split()) == ["ab", "cde"]
    true = np.array([[4, 5], [4, 0]])
    scores = np.zeros((2, 2, codec.size), np.float32)
    found = metrics.measure(codec, scores, true)
    assert found["nats"].value == pytest.approx(math.log(codec.size or 0))
    assert found["perplexity"].value == pytest.approx(codec.size)
    letters = sum(len(codec.decode(np.array(row))["text"]) for row in ([4, 5], [4]))
    assert found["bits_per_character"].value == pytest.approx(3 * math.log2(codec.size or 0) / letters)
    assert metrics.losses(codec, scores, true) == pytest.approx([math.log(codec.size or 0)] * 2)
    scores[1, 1] = np.nan  # Of padding.
    assert metrics.losses(codec, scores, true) == pytest.approx([math.log(codec.size or 0)] * 2)
    scores[1, 0, 2] = np.inf
    with pytest.raises(DrivetrainError, match="row 1 of the scores"):
        metrics.measure(codec, scores, true)


@pytest.mark.parametrize("model", ["mlp", "trees", "lstm:bidirectional", torch.nn.Linear(2, 2)])
def test_a_model_that_knows_of_later_tokens_is_refused(model: object, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't write"):
        tiny(tmp_path).learner(model)


@pytest.mark.parametrize("content", ["a", " \n", ""])
def test_a_text_that_is_none_is_told(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(content)
    with pytest.raises(DrivetrainError):
        dt.language_model.from_file(tmp_path / "a.txt")


def test_what_can_not_be_is_told(tmp_path: Path) -> None:
    path = text(tmp_path)
    for options in ({"context": 1}, {"tokenizer": "letters"}, {"valid": 1.0}):
        with pytest.raises(UsageError):
            dt.language_model.from_file(path, **options)  # type: ignore[arg-type]
    (tmp_path / "none").mkdir()
    with pytest.raises(DrivetrainError, match="no texts"):
        dt.language_model.from_file(tmp_path / "none")


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform != "linux", reason="what a process took at most is told in other units elsewhere"
)
def test_a_large_text_takes_little_more_than_its_tokens(tmp_path: Path) -> None:
    """24 MB, 24 MB of tokens: with the text in memory once it would be 90 MB, as a string for each stretch twice that."""
    (tmp_path / "a.txt").write_text(WORDS * (24_000_000 // len(WORDS)))
    code = (
        "import resource, sys, drivetrain as dt\nfrom drivetrain.tasks import writing\n"
        "most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\nbefore = most()\n"
        "data = dt.language_model.from_file(sys.argv[1])\nprint(len(data.tokens), (most() - before) // 1024)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.txt"], capture_output=True, text=True, check=True, timeout=100
    )  # fmt: skip
    tokens, megabytes = map(int, told.stdout.split())
    assert tokens > 23_000_000
    assert megabytes < 70


@pytest.mark.slow
def test_stopped_it_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    def start(name: str, *hooks: dt.Hook) -> dt.Learner:
        model, options = "lstm:16-wide:2-layers", {"batch_size": 16, "seed": 3, "quiet": True}
        made = tiny(tmp_path).learner(model, out=tmp_path / name, hooks=list(hooks), **options)
        made.brief = True
        made.train([Phase(2, 0.05)])
        return made

    whole = start("whole")
    start("stopped", resuming.StopAfter(5))
    made = dt.Learner.resume(tmp_path / "stopped", quiet=True)
    made.brief = True
    made.go_on()
    ends = [checkpoints.load(each.run / "checkpoints").tensors for each in (whole, made)]  # type: ignore[union-attr,operator]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    assert whole.result is not None
    assert made.result is not None
    assert whole.result["metrics"] == made.result["metrics"]


def test_the_averaged_network_that_was_measured_is_exported(tmp_path: Path) -> None:
    learner = tiny(tmp_path).learner(
        "lstm:4-wide:4-embedded", ema=0.5, bare=True, quiet=True, precision="float32"
    )
    learner.train([Phase(1, 0.05)])
    bundle = open_bundle(learner.export(tmp_path / "plays.bundle"))
    (case, *_) = (
        case for case in bundle.cases if isinstance(case, GeneratedCase) and len(case.encoded[PROMPT])
    )
    network: Any = learner.evaluated_network()
    known = (
        network.cpu()
        .float()
        .eval()(
            {
                PROMPT: torch.tensor(case.encoded[PROMPT])[None],
                lengths_of(PROMPT): torch.tensor([len(case.encoded[PROMPT])]),
            }
        )
    )
    (target,) = case.output
    np.testing.assert_allclose(case.output[target][0], known[target][0, -1].detach().numpy(), atol=1e-4)


def test_the_averaged_network_writes_what_is_shown(tmp_path: Path) -> None:
    learner = tiny(tmp_path).learner(
        "lstm:4-wide:4-embedded", ema=0.5, bare=True, quiet=True, precision="float32"
    )
    learner.train([Phase(1, 0.05)])
    shown = written_by(learner)["samples"]
    with torch.no_grad():  # Not what is measured.
        for weight in learner.network.parameters():
            weight.fill_(0)
    assert written_by(learner)["samples"] == shown


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "tokenizer"), [("lstm:32-wide", "characters"), ("gru:16-wide", "words"), ("transformer:32-wide", "bpe")]
)  # fmt: skip
def test_it_learns_and_its_bundle_writes(model: str, tokenizer: str, tmp_path: Path) -> None:
    source, bundle = text(tmp_path), tmp_path / "plays.bundle"
    command = f"train {shlex.quote(str(source))} --task language_model --model {model} --tokenizer {tokenizer} --context 16"
    done = drivetrain(
        *shlex.split(command), "--epochs", "15", "--lr", "0.02", "--batch-size", "8", "--out", str(tmp_path / "run"),
        "--export", str(bundle),
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "bits a character" in done.out + done.err
    assert (tmp_path / "run" / "report.html").is_file()
    assert verify_bundle(bundle).ok
    generator = Generator(bundle)
    metric = generator.manifest["facts"]["metrics"]["valid"]["perplexity"]["value"]
    assert metric < generator.program.vocabulary / 2, "it has learned something"
    found = generator.generate("abc d", Sampling(temperature=0.5, seed=1), most=8)
    assert found.answer["text"]
    assert found == generator.generate("abc d", Sampling(temperature=0.5, seed=1), most=8)
    gone_on = drivetrain("train", source, "--out", tmp_path / "run", "--resume")
    assert gone_on.code == 0, gone_on.err
    again = drivetrain("evaluate", bundle, source, "--json").json
    assert again["note"].startswith("this is the text that the model was trained on: its end is measured")
    assert again["part"] == "valid"
    for name, estimate in generator.manifest["facts"]["metrics"]["valid"].items():
        assert again["metrics"][name]["value"] == pytest.approx(estimate["value"], rel=1e-4)
        assert again["metrics"][name]["low"] == pytest.approx(estimate["low"], rel=1e-4)
    (tmp_path / "other.txt").write_text("abc abc ghi " * 30)
    other = drivetrain("evaluate", bundle, tmp_path / "other.txt")
    assert other.code == 0, other.err
    assert "perplexity" in other.out
    assert "(Kneser-Ney)" in other.out
    (tmp_path / "other.txt").write_text("abc def")  # Less than half a context.
    assert drivetrain("evaluate", bundle, tmp_path / "other.txt").code == 0
    _prompts(bundle)


HOSTILE = {
    "unknown": "\u16a0\u16b1", "NUL": "a\0b", "emoji": "\U0001f469\u200d\U0001f680", "from right to left": "\u200f\u05e9\u05dc",
    "half": "\ud83d", "marks": "\u0301" * 9,
}  # fmt: skip


def _prompts(bundle: Path) -> None:
    """What nobody should ask for is answered, or refused in one line."""
    for name, prompt in HOSTILE.items():
        done = drivetrain("generate", bundle, "--prompt", prompt, "--length", "3")
        assert done.code == 0, (name, done.err)
        assert "unknown to the model" in done.err, name
    done = drivetrain("generate", bundle)
    assert (done.code, "the prompt is empty" in done.line) == (1, True)
    done = drivetrain("generate", bundle, "--prompt", "abc " * 70_000, "--length", "2")
    assert done.code == 1
    assert "leave no room" in done.err
    for temperature in ("-1", "nan", "1e9"):
        assert drivetrain("generate", bundle, "--prompt", "abc", "--temperature", temperature).code == 2
    assert drivetrain("generate", bundle, "--prompt", "abc", "--temperature", "0", "--length", "3").code == 0


def test_n_grams_stand_beside_it_on_the_same_tokens(tmp_path: Path) -> None:
    """This text goes on as it began: whoever counts knows what comes."""
    result = tiny(tmp_path).learner("gru", out=tmp_path / "run", quiet=True).fit(1)
    ((name, found),) = result["baselines"].items()
    ours = result["metrics"]["valid"]
    assert name == "6-grams (Kneser-Ney)"
    assert found["nats"]["n"] == ours["nats"]["n"]
    assert found["nats"]["value"] < 0.3 < ours["nats"]["value"]
    assert found["perplexity"]["value"] == pytest.approx(math.exp(found["nats"]["value"]))
    told = result["against"][name]
    assert told["better"] is False
    assert told["difference"]["value"] == pytest.approx(ours["nats"]["value"] - found["nats"]["value"])
    assert told["words"].startswith("worse than 6-grams (Kneser-Ney): nats a token higher by ")
    assert not any("baseline" in note for note in result["notes"])
