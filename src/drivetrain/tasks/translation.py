"""translation: pairs of texts, and a model that writes the second of the first: another language, or any text of any text.

data = drivetrain.translation.from_csv("pairs.tsv", source="en", target="fr")

What makes the dataset is in `pairs.py`, and read when it is first used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drivetrain.bundle import facts
from drivetrain.codecs import Signature
from drivetrain.codecs.tokens import Tokens
from drivetrain.data.asked import NOT_TESTED, Asked, Labelled, to_measure
from drivetrain.data.option import Option
from drivetrain.data.split import Splitter
from drivetrain.data.task import Task
from drivetrain.errors import UsageError
from drivetrain.tasks.options import SEED, SPLIT, TARGET, TEST, VALID

if TYPE_CHECKING:
    from drivetrain.tasks.pairs import Translating
    from drivetrain.tasks.pairs import from_csv as from_csv
    from drivetrain.tasks.pairs import from_table as from_table

NAME = "translation"
TOKENS = Tokens.most


class Translation(Task):
    """A text for a text."""

    name = NAME
    things = "pairs"
    heading = "translations"
    source = "a table of pairs of texts, or two files of lines"
    command = "predict {bundle} LINES.txt --out answers.txt"
    asked_for = own_baselines = True
    epochs = 20
    objective = "writing"
    limits = (
        "It writes what is likely, also where it understands nothing, and may leave out or add what changes the sense.",
    )
    card_use = (
        'from drivetrain.runtime import Generator\n\nGenerator("{bundle}").translate(["..."])',
        "drivetrain predict {bundle} LINES.txt --out answers.txt",
    )
    options = (
        VALID,
        SEED,
        SPLIT,
        TEST,
        Option(
            "source_column", "the column of the texts that are read", {"metavar": "COLUMN"}, written="source",
            question="which column is to be translated", fits=facts.is_text,
        ),
        TARGET,
        Option(
            "tokens", f"how many different parts of words both sides are cut into at most ({TOKENS:,})",
            {"type": int, "metavar": "N"}, usual=TOKENS, fits=facts.is_whole,
        ),
    )  # fmt: skip

    def way_to(self, source: str) -> str:
        return f"say --task {NAME}"

    def default_model(self, signature: Signature) -> str:
        return "encoder_decoder:transformer"

    def make(
        self,
        source: Any,
        source_column: str,
        target: str | Sequence[str],
        valid: float = VALID.typed["default"],  # type: ignore[index]
        seed: int = 0,
        test: float = 0.0,
        split: Splitter | None = None,
        tokens: int = TOKENS,
    ) -> Translating:
        from drivetrain.tasks.pairs import from_csv

        targets = [target] if isinstance(target, str) else list(target)
        if len(targets) != 1:
            raise UsageError(
                "a text is translated into one other.",
                where="target",
                fix="Name one column: --target COLUMN.",
            )
        return from_csv(source, source_column, targets[0], valid, seed, test=test, split=split, tokens=tokens)

    def asked(self, signature: Signature, inputs: Sequence[str], keep: Sequence[str]) -> Asked:
        """The lines of files, each a text, and the rows of tables."""
        from drivetrain.data.asked_lines import ask_lines

        return ask_lines(inputs, keep, signature)

    def labelled(self, signature: Signature, source: str, typed: Mapping[str, Any]) -> Labelled:
        """The pairs of a source; where it says parts its test part, without one its valid part."""
        from drivetrain.data.read.parallel import read_pairs

        (name,), (target,) = signature.inputs, signature.targets
        table, part = to_measure(read_pairs(source, name, target))
        note = NOT_TESTED if part in ("valid", "train") else ""
        items = [{name: text} for text in table[name]]
        origins = [table.origin(row) for row in range(len(table))]
        return Labelled(items, {target: list(table[target])}, origins, part, note, table.notes)

    def find_faults(self, data: Any) -> Any:
        from drivetrain.tasks.pairs import find_faults

        return find_faults(data)


TASK = Translation()


def __getattr__(name: str) -> Any:
    if name not in ("from_csv", "from_table"):
        raise AttributeError(f"drivetrain.translation has no {name!r}.")
    from drivetrain.tasks import pairs

    return getattr(pairs, name)
