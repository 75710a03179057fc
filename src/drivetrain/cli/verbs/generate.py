"""`drivetrain generate`: what a model writes after a prompt, without torch."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from drivetrain.cli.common import Reply, add_bundle, say
from drivetrain.errors import CONTROL, UsageError
from drivetrain.files import refuse_taken

if TYPE_CHECKING:
    from drivetrain.bundle.strategies import Strategy
    from drivetrain.codecs import Signature
    from drivetrain.data.forms.base import Form

HELP = "write what comes after a prompt"
EXAMPLE = 'drivetrain generate plays.bundle --prompt "ROMEO:" --length 500 --temperature 0.8'
SAMPLING = ("temperature", "top_k", "top_p", "seed")


def add(command: ArgumentParser) -> None:
    add_bundle(command)
    command.add_argument(
        "--prompt", default="", metavar="TEXT",
        help="what to go on with; for a model of numbers these: '5 3 7', for one of music a MIDI file too",
    )  # fmt: skip
    command.add_argument(
        "--out", metavar="FILE", action="append", default=[],
        help="write prompt and text there; of music .mid, or .png and .svg to look at; may be given again",
    )  # fmt: skip
    command.add_argument("--force", action="store_true", help="replace existing files")
    command.add_argument("--length", type=int, default=256, metavar="N", help="tokens at most (256)")
    command.add_argument(
        "--temperature", type=float, metavar="T",
        help="chance: below 1 less, above 1 more; 0: always the likeliest token (1)",
    )  # fmt: skip
    command.add_argument(
        "--top-k", type=int, metavar="K", help="draw from the K likeliest tokens alone (all)"
    )
    command.add_argument(
        "--top-p", type=float, metavar="P", help="draw from the likeliest that together have the share P (1)"
    )
    command.add_argument(
        "--beam",
        type=int,
        metavar="B",
        help="no chance: keep the B likeliest beginnings at once, and take the likeliest text",
    )
    command.add_argument("--seed", type=int, help="the same one writes the same text everywhere (0)")


def act(options: Namespace) -> Reply:
    from drivetrain.bundle.strategies import strategy_to_json
    from drivetrain.data.forms import form_named
    from drivetrain.runtime import Generator

    strategy = _strategy(options)
    generator = Generator(options.bundle, trusted=options.trusted)
    form = form_named(generator.manifest["facts"].get("form"))
    prompt = _prompt(form.prompt(options.prompt), generator.signature)
    _refuse_out(options, form, prompt)
    if options.json:
        found = generator.generate(prompt, strategy, most=options.length)
        notes = [*found.notes, *_save(options, form, prompt, found.answer.get("text", ""))]
        told = {"strategy": strategy_to_json(strategy), "notes": notes, "files": options.out}
        return {**found.to_json(), **{name: value for name, value in told.items() if value}}, 0
    for note in _lost(prompt, generator.signature):
        say(f"note: the prompt: {note}", options)
    written, stopped = 0, False
    texts: list[str] = []
    for piece in generator.stream(prompt, strategy, most=options.length):
        # What a model has read may steer a terminal, and so may what it writes.
        sys.stdout.write(CONTROL.sub(_escaped, piece.text))
        sys.stdout.flush()
        written, stopped = written + 1, piece.stops
        texts.append(piece.text)
    sys.stdout.write("\n")
    sys.stdout.flush()
    if written < options.length and not stopped:
        say(f"note: it has {written:,} tokens: the model has no room for more after this prompt", options)
    for note in _save(options, form, prompt, "".join(texts)):
        say(f"note: {note}", options)
    return {}, 0


def _lost(prompt: Any, signature: Signature) -> list[str]:
    """What of a prompt the model doesn't see, in words."""
    (codec,) = signature.inputs.values()
    told = codec.lost(prompt, codec.encode(codec.read(prompt)))
    return ["; ".join(told.values())] if told else []


def _refuse_out(options: Namespace, form: Form, prompt: Any) -> None:
    """Before anything is written: a file that can't be made, or is there. Raises UsageError and FileError."""
    for path in options.out:
        if not isinstance(prompt, str):
            raise UsageError("this model writes numbers, and no files.", where="--out", fix="Leave it out.")
        form.refuse(path)
        refuse_taken(path, options.force)


def _save(options: Namespace, form: Form, prompt: Any, text: str) -> list[str]:
    """The files that were asked for, of prompt and text as one; and what is not sound in that."""
    for path in options.out:
        form.save(prompt + text, path)
    return form.faults(prompt + text) if options.out else []


def show(answer: dict[str, Any]) -> None:
    """Nothing: it was written as it came."""
    del answer


def _escaped(sign: re.Match[str]) -> str:
    return sign[0] if sign[0] in "\n\t" else repr(sign[0])[1:-1]


def _strategy(options: Namespace) -> Strategy:
    """How tokens are chosen. Raises UsageError for options that can't be meant together."""
    from drivetrain.runtime import Beam, Greedy, Sampling

    given = {name: getattr(options, name) for name in SAMPLING if getattr(options, name) is not None}
    names = {name: f"--{name.replace('_', '-')}" for name in given}
    if options.beam is not None:
        if given:
            raise UsageError(
                f"a search with --beam draws nothing, so {' and '.join(names.values())} would do nothing.",
                where="--beam", fix="Leave one or the other out.",
            )  # fmt: skip
        return Beam(options.beam)
    if given.get("temperature") == 0:
        if beside := [option for name, option in names.items() if name != "temperature"]:
            raise UsageError(
                f"with temperature 0 nothing is drawn, so {' and '.join(beside)} would do nothing.",
                where="--temperature", fix="Leave one or the other out.",
            )  # fmt: skip
        return Greedy()
    if given.get("top_k", 1) < 1:
        raise UsageError(
            "there is nothing to draw from.", where="--top-k", fix="Give 1 or more; without it all take part."
        )
    if not given.get("temperature", 1.0) > 0:
        raise UsageError(
            "it has to be 0, or a number from 0.001 to 1000.",
            where="--temperature",
            fix="0 takes the likeliest token.",
        )
    return Sampling(**given)


def _prompt(text: str, signature: Signature) -> Any:
    """A prompt as the one input of a model reads it: a text, or a list of numbers. Raises UsageError."""
    if len(signature.inputs) != 1:
        raise UsageError(
            f"this model begins with {' and '.join(map(repr, signature.inputs))}, and --prompt is one text.",
            where="--prompt", fix="Use drivetrain.runtime.Generator in Python.",
        )  # fmt: skip
    (codec,) = signature.inputs.values()
    if codec.schema().get("type") != "array":
        return text
    words = text.strip().removeprefix("[").removesuffix("]").replace(",", " ").split()
    if wrong := next((word for word in words if not re.fullmatch("[0-9]{1,10}", word)), None):
        raise UsageError(
            f"{wrong!r:.50} is no token: this model reads whole numbers from 0.",
            where="--prompt",
            fix="Such as '5 3 7'.",
        )
    return [int(word) for word in words]
