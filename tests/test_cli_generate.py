"""`drivetrain generate`: the same tokens as `Generator` has, written as they come, and what can't be meant refused in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import generating as models
import pytest
from bundle_examples import house_bundle
from commands import Done, drivetrain

from drivetrain.bundle import bundle_bytes
from drivetrain.bundle.strategies import Beam, Greedy, Sampling, Strategy
from drivetrain.codecs import Signature
from drivetrain.codecs.tokens import Tokens
from drivetrain.errors import DrivetrainError
from drivetrain.runtime import Generator
from drivetrain.runtime.programs.proof import make_generated_cases

KEPT = Path(__file__).parent / "bundles"
LETTERS = Tokens(tokenizer="characters", length=65_536, rare=1).fit(["abcdef\x1b"])
WAYS: dict[str, tuple[tuple[str, ...], Strategy]] = {
    "drawn": ((), Sampling()),
    "seeded": (
        ("--seed", "4", "--temperature", "1.5", "--top-k", "5", "--top-p", "0.9"),
        Sampling(1.5, 5, 0.9, 4),
    ),
    "likeliest": (("--temperature", "0"), Greedy()),
    "beam": (("--beam", "3"), Beam(3)),
}


def run(bundle: Path, prompt: str, *options: str) -> Done:
    return drivetrain("generate", bundle, "--trusted", "--prompt", prompt, *options)


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A writer whose tokens are letters: format 6."""
    assert LETTERS.size == models.WORDS
    signature = Signature({"prompt": LETTERS}, {"text": LETTERS})
    program = replace(models.WRITER, stop=(3,))
    path = tmp_path_factory.mktemp("letters") / "letters.bundle"
    graphs = {"step": models.writer_step()}
    samples = [(text, "validation", {"prompt": text}) for text in ("abc", "fed")]
    cases = make_generated_cases(
        signature, program, graphs, samples, (Greedy(), Sampling(seed=2)), models.WriterInTraining(), most=6
    )
    path.write_bytes(
        bundle_bytes(
            **models.arguments(
                program, graphs, models.WriterInTraining(), signature=signature, cases=cases,
            )
        )
    )  # fmt: skip
    return path


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["writer", "translator"])
def test_numbers_are_written_as_the_generator_writes_them(name: str, way: str) -> None:
    bundle, (options, strategy) = KEPT / f"format-5-{name}.bundle", WAYS[way]
    generator = Generator(bundle, trusted=True)
    want = generator.generate([3, 7, 4], strategy, most=9)
    pieces = [*generator.stream([3, 7, 4], strategy, most=9)]
    assert tuple(piece.token for piece in pieces if not piece.stops) == want.tokens
    assert pieces[-1].stops == want.stopped
    done = run(bundle, "3 7, 4", "--length", "9", *options)
    assert (done.code, done.err) == (0, "")
    assert done.out == " ".join(map(str, want.tokens)) + "\n"
    told = run(bundle, "[3, 7, 4]", "--length", "9", "--json", *options)
    assert told.code == 0
    assert told.json["tokens"] == [*want.tokens]
    assert told.json["strategy"]["name"] == strategy.name


@pytest.mark.parametrize("way", WAYS)
def test_a_text_is_written_piece_by_piece(letters: Path, way: str) -> None:
    options, strategy = WAYS[way]
    generator = Generator(letters, trusted=True)
    want = generator.generate("abc", strategy, most=12)
    assert "".join(piece.text for piece in generator.stream("abc", strategy, most=12)) == want.answer["text"]
    done = run(letters, "abc", "--length", "12", *options)
    assert done.code == 0
    assert done.out == want.answer["text"].replace("\x1b", "\\x1b") + "\n"
    assert run(letters, "abc", "--length", "12", "--json", *options).json["text"] == want.answer["text"]


def test_pieces_come_one_by_one(letters: Path) -> None:
    """The first is there before the others are chosen: a generation of any length costs one token at a time."""
    generator = Generator(letters, trusted=True)
    stream = generator.stream("abc", Sampling(seed=1), most=20)
    first = next(stream)
    assert first.token == generator.generate("abc", Sampling(seed=1), most=1).tokens[0] or first.stops


def test_what_a_model_writes_can_not_steer_a_terminal(letters: Path) -> None:
    found = [
        run(letters, "ab", "--length", "20", "--temperature", "9", "--seed", str(seed)) for seed in range(5)
    ]
    assert any("\\x1b" in done.out for done in found)
    assert not any("\x1b" in done.out for done in found)


def test_what_ends_a_text_is_not_written() -> None:
    bundle = KEPT / "format-5-translator.bundle"
    want = Generator(bundle, trusted=True).generate([5, 3], Sampling())
    assert want.stopped
    done = run(bundle, "5 3")
    assert (done.out, done.err) == (" ".join(map(str, want.tokens)) + "\n", "")


def test_a_model_without_room_for_more_says_so() -> None:
    done = run(KEPT / "format-5-writer.bundle", "5 3", "--length", "100")
    assert done.code == 0
    assert len(done.out.split()) == models.LONGEST - 2
    assert "note: it has 22 tokens: the model has no room for more" in done.line


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--temperature", "-1"), "--temperature: it has to be 0, or a number from 0.001"),
        (("--temperature", "nan"), "--temperature: it has to be 0, or a number"),
        (("--temperature", "1e9"), "--temperature: it has to be a number"),
        (("--temperature", "0", "--top-k", "3", "--seed", "1"), "--top-k and --seed would do nothing"),
        (("--beam", "2", "--temperature", "1"), "--temperature would do nothing"),
        (("--beam", "0"), "--beam: it has to be a whole number from 1 to 64"),
        (("--beam", "65"), "--beam: it has to be"),
        (("--top-k", "0"), "--top-k: there is nothing to draw from"),
        (("--top-k", "-1"), "--top-k: there is nothing to draw from"),
        (("--top-p", "0"), "--top-p: it has to be a share above 0"),
        (("--top-p", "1.1"), "--top-p: it has to be"),
        (("--seed", "-1"), "--seed: it has to be"),
        (("--length", "0"), "--length: 0 tokens are nothing to write"),
        (("--length", "many"), "--length"),
    ],
)
def test_what_can_not_be_meant_is_refused(options: tuple[str, ...], told: str) -> None:
    for as_json in ((), ("--json",)):
        done = run(KEPT / "format-5-writer.bundle", "5", *options, *as_json)
        assert done.code == 2
        text = f"{done.json['where']}: {done.json['error']}" if as_json else done.line
        assert told in text
        assert as_json or not done.out


def test_prompts_that_there_can_not_be(letters: Path) -> None:
    writer = KEPT / "format-5-writer.bundle"
    for bundle, prompt, code, told in (
        (writer, "", 1, "the prompt is empty"),
        (writer, "5 " * 24, 1, "leave no room"),
        (writer, "5 11", 1, "no token"),
        (writer, "5 to", 2, "'to' is no token"),
        (writer, "-5", 2, "'-5' is no token"),
        (letters, "", 1, "the prompt is empty"),
        (letters, "a" * 30, 1, "leave no room"),
    ):
        done = drivetrain("generate", bundle, "--trusted", f"--prompt={prompt}")
        assert (done.code, done.out) == (code, "")
        assert told in done.line
    assert run(letters, "zz \U0001f600 שלום").code == 0  # Letters that it doesn't know are unknown ones.
    assert run(KEPT / "format-5-translator.bundle", "").code == 0  # It has a token to begin with.


def test_a_bundle_that_generates_nothing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "houses.bundle"
    path.write_bytes(house_bundle())
    done = run(path, "5")
    assert done.code == 2
    assert "generates nothing" in done.line
    assert "drivetrain predict" in done.line
    assert run(tmp_path / "none.bundle", "5").code == 1
    with pytest.raises(DrivetrainError):
        next(Generator(KEPT / "format-5-writer.bundle", trusted=True).stream([], most=3))
