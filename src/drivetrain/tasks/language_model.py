"""language_model: a text, and a model that tells its next token, and so writes on."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from drivetrain.arguments import public
from drivetrain.codecs import Signature
from drivetrain.codecs.tokens import Tokens
from drivetrain.data.conclusion import Conclusion
from drivetrain.data.dataset import Part
from drivetrain.data.faults import Fault, Report
from drivetrain.data.option import Option
from drivetrain.data.read.folders import files_below
from drivetrain.data.split import Split
from drivetrain.data.table import Origins, Table
from drivetrain.data.task import Task
from drivetrain.errors import DataError, UsageError
from drivetrain.forms import form_of_file, form_of_files, form_of_text
from drivetrain.forms.base import Form
from drivetrain.metrics.estimate import Statistic
from drivetrain.metrics.paired import difference
from drivetrain.metrics.tokens import DECIDES, of_costs, statistics
from drivetrain.ragged import Ragged, as_batch
from drivetrain.tasks.conclusion import Concluded
from drivetrain.tasks.options import SEED, VALID
from drivetrain.tasks.problem import Problem
from drivetrain.types import Array

if TYPE_CHECKING:
    from drivetrain.learn.base import BaseLearner

PROMPT, TEXT = "prompt", "text"
TOKENIZERS = ("characters", "words", "bpe", "wordpiece", "unigram")
CONTEXT, MOST_CONTEXT, VALID_SHARE = 128, 16_384, 0.2
MOST_TOKENS = 65_536
"""Of a prompt: none is cut."""
BLOCK = 20_000
"""Characters that are made tokens of at once."""
ALL_KNOWN = ("characters", "words")
"""Of these what comes once in the training text is a token too: a model that has read unknown ones writes them."""
NEAR = 100
"""Characters: so far a text is cut later than asked, to cut no word."""
ROWS_AT_ONCE = 64
ORDERS, FEW_ORDERS = {"characters": 6, "words": 4}, 3
"""Tokens that n-grams look at: more gain next to nothing (tiny_shakespeare: 1.523 nats of 6, 1.516 of 7)."""


class Writing(Problem):
    """A text as stretches of one long array of tokens; what each is to tell are the same tokens, a place later."""

    conclusion: ClassVar[Conclusion | None]
    form: Form
    tokens: Array
    starts: Array
    lengths: Array

    def _encode(self, rows: Array, name: str, enlarge: float) -> Part:
        del name, enlarge
        starts, lengths = self.starts[rows], self.lengths[rows]
        arrays = {
            PROMPT: Ragged(self.tokens, starts, lengths),
            TEXT: Ragged(self.tokens, starts + 1, lengths),
        }
        return Part(arrays, np.arange(len(rows)), np.asarray(rows))

    def learner(self, model: Any = None, **options: Any) -> Any:
        """A learner of a network whose places know of no later ones: lstm, gru or transformer, with words after them."""
        from drivetrain.learn.names import is_network

        model = self.default_model if model is None else model
        words = model.split(":") if isinstance(model, str) else [""]
        if (
            not is_network(model)
            or words[0] not in ("lstm", "gru", "transformer")
            or "bidirectional" in words
        ):
            raise UsageError(
                f"{model!r:.80} can't write: it is to tell a token from those before it.", where="model",
                fix="Choose lstm, gru or transformer, such as lstm:2-layers:256-wide.",
            )  # fmt: skip
        return super().learner(self.model_named(model), **options)

    def model_named(self, name: str) -> str:
        first, *words = name.split(":")
        return (
            ":".join([first, "causal", *words]) if first == "transformer" and "causal" not in words else name
        )

    def check(self) -> Report:
        """Nothing is looked for yet, and that is told."""
        if self.found_faults is None:
            told = Fault("not looked", "note", "A text is not looked through for copies and leaks yet.")
            self.found_faults = Report(
                self.table.name, "", (told,), counts={"rows": len(self.table)}, things=self.things
            )
        return self.found_faults


class Written(Concluded):
    """How surely the end of the text is told, and a bundle that generates."""

    def finish(self, learner: BaseLearner) -> dict[str, Any]:
        """The result, with a page of the course of the training."""
        from drivetrain.evidence.result import told_apart
        from drivetrain.evidence.written import content_of, written_by
        from drivetrain.learn.runs.folder import versions
        from drivetrain.report.page import write_report

        part = learner.data.measured_part
        ours = measured(learner, part)
        theirs = {} if learner.brief or part != "valid" else ngrams_beside(learner.data)  # type: ignore[arg-type]
        written = {} if learner.brief else written_by(learner)  # type: ignore[arg-type]
        result = learner.result = {
            "run": None if learner.run is None else str(learner.run),
            "task": learner.data.task.name,
            "metrics": {part: _estimates(ours)},
            "baselines": {name: _estimates(found) for name, found in theirs.items()},
            "against": {
                name: told_apart(name, TEXT, DECIDES, difference(ours[DECIDES], found[DECIDES]))
                for name, found in theirs.items()
            },
            "epochs": learner.epochs,
            "seconds": learner.seconds,
            "notes": [*learner.notes, *([written["sentence"]] if written else [])],
            **({"written": written} if written else {}),
        }
        if learner.kept_run is not None:
            learner.kept_run.write_result(result)
            if not learner.brief:
                content = {
                    "name": learner.data.table.name, "task": "language model", "model": learner.description(),
                    "things": learner.data.things, "metrics": result["metrics"], "notes": result["notes"],
                    "baselines": result["baselines"], "against": result["against"],
                    "written": content_of(written), "history": learner.history,
                    "settings": learner.choices(), "versions": versions(),
                }  # fmt: skip
                write_report(learner.kept_run.folder / "report.html", content)
        return result

    def finish_beside(self, learner: BaseLearner) -> None:
        """Nothing: it has no intervals."""

    def export(self, learner: BaseLearner, path: str | Path, force: bool) -> Path:
        from drivetrain.export.writing import export_writer

        return export_writer(learner, path, force)  # type: ignore[arg-type]


Writing.conclusion = Written()


def ngrams_beside(data: Writing) -> dict[str, dict[str, Statistic]]:
    """What n-grams of the training text, smoothed as Kneser and Ney have it, reach on the same stretches."""
    from drivetrain.learn.baselines.language import KneserNey

    codec = data.signature.targets[TEXT]
    assert isinstance(codec, Tokens)
    assert codec.size is not None
    train, valid = data.rows("train"), data.part("valid")
    end = int((data.starts[train] + data.lengths[train]).max()) + 1
    order = ORDERS.get(codec.tokenizer or "", FEW_ORDERS)
    model = KneserNey.fit(data.tokens[:end], codec.size, order)
    costs = model.costs(data.tokens, data.starts[valid.rows] + 1, data.lengths[valid.rows])
    return {f"{order}-grams (Kneser-Ney)": of_costs(codec, costs, as_batch(valid.batch())[TEXT])}


def _estimates(found: dict[str, Statistic]) -> dict[str, Any]:
    return {name: each.estimate().to_json() for name, each in found.items()}


def measured(learner: Any, part: str) -> dict[str, Statistic]:
    """The metrics of the stretches of a part, a batch at a time: scores of all tokens at all places are never kept."""
    import torch

    data, network = learner.data, learner.network.eval()
    codec, rows = data.signature.targets[TEXT], data.part(part)
    device = next(network.parameters()).device
    found: list[dict[str, Statistic]] = []
    for start in range(0, len(rows), ROWS_AT_ONCE):
        arrays = as_batch(rows.batch(slice(start, start + ROWS_AT_ONCE)))
        batch = {name: torch.as_tensor(array).to(device) for name, array in arrays.items()}
        with torch.no_grad():
            scores = network.finish(network(batch))[TEXT].cpu().numpy()
        found.append(statistics(codec, scores, arrays[TEXT]))
    return {name: Statistic.joined([each[name] for each in found]) for name in found[0]}


class LanguageModel(Task):
    """What comes next in a text."""

    name = "language_model"
    things = "stretches"
    heading = "language models"
    source = "a text (.txt), tunes (.abc), MIDI (.mid), or a folder of them"
    command = 'generate {bundle} --prompt "..."'
    asked_for = own_baselines = True
    epochs = 5
    objective = "writing"
    limits = ("It writes what is like the text that it was trained on, and may repeat that word for word.",)
    card_use = (
        'from drivetrain.runtime import Generator\n\nGenerator("{bundle}").generate("...")',
        'drivetrain generate {bundle} --prompt "..."',
    )
    options = (
        VALID,
        SEED,
        Option(
            "tokenizer", f"what a text is cut into: {', '.join(TOKENIZERS)} (characters; MIDI: words)",
            {"choices": TOKENIZERS, "metavar": "NAME"},
        ),
        Option(
            "context", f"how many tokens are read to tell the next ({CONTEXT})", {"type": int, "metavar": "N"},
            usual=CONTEXT,
        ),
    )  # fmt: skip

    def way_to(self, source: str) -> str:
        return "say --task language_model"

    def default_model(self, signature: Signature) -> str:
        return "lstm"

    def make(
        self,
        source: Any,
        valid: float = VALID_SHARE,
        seed: int = 0,
        tokenizer: str | None = None,
        context: int = CONTEXT,
    ) -> Writing:
        _refuse(valid, tokenizer or TOKENIZERS[0], context)
        form, text, notes = _text_of(os.fspath(source))
        tokenizer = tokenizer or form.tokenizer
        recipe = self.recipe(
            os.path.abspath(source), valid=valid, seed=seed, tokenizer=tokenizer, context=context
        )
        return _writing(form, text, Path(source).name, notes, valid, tokenizer, context, recipe)

    def facts(self, data: Any) -> dict[str, Any]:
        return {"form": data.form.name}


def _refuse(valid: float, tokenizer: str, context: int) -> None:
    if not 0 <= valid < 1:
        raise UsageError(f"{valid} is no share.", where="valid", fix="Give 0 or more, and less than 1.")
    if tokenizer not in TOKENIZERS:
        raise UsageError(
            f"there is no tokenizer {tokenizer!r:.50}.",
            where="tokenizer",
            fix=f"Use {', '.join(TOKENIZERS)}.",
        )
    if type(context) is not int or not 2 <= context <= MOST_CONTEXT:
        raise UsageError(
            f"a context has 2 to {MOST_CONTEXT:,} tokens, not {context}.", where="context", fix=f"Such as {CONTEXT}."
        )  # fmt: skip


def _text_of(source: str) -> tuple[Form, str, tuple[str, ...]]:
    """The text of a file, or of those in a folder one after the other in the order of their names, and its form. Raises
    DataError."""
    form, files = form_of_file(source), [source]
    if os.path.isdir(source):
        form, files = form_of_files(sorted(files_below(source)), source)
    read: list[str] = []
    notes: list[str] = []
    faults: list[DataError] = []
    for file in files:
        try:
            text, told = form.read(file)
        except DataError as fault:
            faults.append(fault)
            continue
        read.append(text)
        notes += told
    if not read:
        raise faults[0]
    if faults:
        more = f", and {len(faults) - 1:,} more" if len(faults) > 1 else ""
        notes.append(f"left out of {len(files):,} files: {faults[0].where}: {faults[0].error}{more}")
    text = form.between.join(read)
    return form_of_text(form, text), text, tuple(notes)


def _blocks(text: str) -> list[str]:
    """A text in blocks that end where a line does, or else a word, or at so many characters: no codec takes one of any
    length."""
    found: list[str] = []
    start = 0
    while start < len(text):
        end = start + BLOCK
        if end < len(text):
            last = text.rfind("\n", start, end) + 1
            end = last or max(text.rfind(" ", start, end), text.rfind("\t", start, end)) or end
            end = end if end > start else start + BLOCK
        found.append(text[start:end])
        start = end
    return found


def _edge(text: str, valid: float) -> int:
    """Where the end of a text begins that validates: not within a word, where one ends nearby."""
    edge = len(text) - round(len(text) * valid)
    inside = 0 < edge < len(text) and text[edge - 1].isalnum() and text[edge].isalnum()
    near = re.compile(r"\s").search(text, edge, edge + NEAR) if inside else None
    return near.start() if near else edge


def _writing(
    form: Form, text: str, name: str, notes: tuple[str, ...], valid: float, tokenizer: str, context: int, recipe: dict[str, Any]
) -> Writing:  # fmt: skip
    """The end of a text validates; the tokenizer is learned of what comes before."""
    edge = _edge(text, valid)
    # Words have the spaces before them, so that what is written reads as what was read.
    declared = Tokens(
        tokenizer=tokenizer,  # type: ignore[arg-type]
        length=MOST_TOKENS,
        lines=tokenizer == "wordpiece",
        spaced=tokenizer == "words",
        rare=1 if tokenizer in ALL_KNOWN else 2,
    )
    train = _blocks(text[:edge])
    if not train:
        raise DataError("there is no text to train on.", where=name, fix="Give a longer text.")
    codec = declared.fit(np.array(train, object))
    parts = [_encoded(codec, train), _encoded(codec, _blocks(text[edge:]))]
    stretches = [_stretches(len(tokens), context) for tokens in parts]
    if not len(stretches[0][0]):
        raise DataError("the text is too short: it has one token, or none.", where=name, fix="Give a longer one.")  # fmt: skip
    tokens = np.concatenate(parts)
    starts = np.concatenate([stretches[0][0], stretches[1][0] + len(parts[0])])
    lengths = np.concatenate([each[1] for each in stretches])
    rows = np.arange(len(starts))
    split = Split(rows[: len(stretches[0][0])], rows[len(stretches[0][0]) :], rows[:0])
    read = [codec.decode(tokens[start : start + length])["text"] for start, length in zip(starts, lengths)]
    column = np.array([*read, ""], object)[:-1]
    table = Table(
        {PROMPT: column, TEXT: column},
        Origins(name, rows + 1),
        name=name,
        source=recipe["source"],
        notes=notes,
    )
    told = f"{len(tokens):,} tokens, {codec.size:,} different ones ({tokenizer}), in stretches of {context}"
    data = Writing(
        table,
        Signature({PROMPT: codec}, {TEXT: codec}),
        split,
        task=TASK,
        recipe=recipe,
        notes=[*notes, told],
    )
    data.form = form
    data.tokens, data.starts, data.lengths = tokens, starts, lengths
    return data


def _encoded(codec: Tokens, blocks: list[str]) -> Array:
    found = [codec.encode(codec.read(block)) for block in blocks]
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _stretches(tokens: int, context: int) -> tuple[Array, Array]:
    """Where stretches of a context begin and how long each is: each token but the first is told once."""
    starts = np.arange(0, max(0, tokens - 1), context)
    return starts, np.minimum(context, tokens - 1 - starts)


TASK = LanguageModel()


@public
def from_file(
    source: str | os.PathLike[str],
    valid: float = VALID_SHARE,
    *,
    tokenizer: str | None = None,
    context: int = CONTEXT,
) -> Writing:
    """A text to learn to write like, from a .txt file or a folder of them; the share `valid` at its end validates. So are
    tunes (.abc) and MIDI files (.mid).

    `tokenizer` is characters, words (of MIDI the default), bpe, wordpiece or unigram; `context` is how many tokens are read to
    tell the next. Raises DataError where there is no text, UsageError.
    """
    return TASK.make(source, valid=valid, tokenizer=tokenizer, context=context)
