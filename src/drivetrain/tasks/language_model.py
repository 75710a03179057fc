"""language_model: a text, and a model that tells its next token, and so writes on.

data = drivetrain.language_model.from_file("plays.txt")

What makes the dataset is in `writing.py`, and read when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drivetrain.codecs import Signature
from drivetrain.data.faults import Report
from drivetrain.data.option import Option
from drivetrain.data.split_words import VALID_SHARE
from drivetrain.data.task import Task
from drivetrain.tasks.options import SEED, VALID
from drivetrain.tasks.writers import CONTEXT, TOKENIZERS, usual_epochs

if TYPE_CHECKING:
    from drivetrain.bundle import Bundle
    from drivetrain.tasks.writing import Writing
    from drivetrain.tasks.writing import from_file as from_file


class LanguageModel(Task):
    """What comes next in a text."""

    name = "language_model"
    things = "stretches"
    heading = "language models"
    source = "a text (.txt), tunes (.abc), MIDI (.mid), or a folder of them"
    command = 'generate {bundle} --prompt "..."'
    asked_for = own_baselines = True
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

    def epochs_of(self, data: Any) -> int:
        return usual_epochs(data.told)

    def make(
        self,
        source: Any,
        valid: float = VALID_SHARE,
        seed: int = 0,
        tokenizer: str | None = None,
        context: int = CONTEXT,
    ) -> Writing:
        from drivetrain.tasks.writing import made

        return made(source, valid, seed, tokenizer, context)

    def facts(self, data: Any) -> dict[str, Any]:
        return {
            "form": data.form.name,
            "context": data.context,
            "text": data.source.facts(data.edge),
        }

    def find_faults(self, data: Any) -> Report:
        from drivetrain.findings.text_faults import check_text

        return check_text(data)

    def evaluate(self, bundle: Bundle, source: str, trusted: bool, quiet: bool) -> dict[str, Any]:
        from drivetrain.findings.text_measure import measured_text

        return measured_text(bundle, source, trusted, quiet)


TASK = LanguageModel()


def __getattr__(name: str) -> Any:
    if name != "from_file":
        raise AttributeError(f"drivetrain.language_model has no {name!r}.")
    from drivetrain.tasks.writing import from_file

    return from_file
