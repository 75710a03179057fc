"""What a kind of work is to all who deal with data of it. They ask this record, and know no task by its name."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from drivetrain.bundle.reader import Bundle
from drivetrain.codecs import Signature
from drivetrain.data.asked import Asked, Labelled, ask_files, ask_rows, labelled_files
from drivetrain.data.option import Option
from drivetrain.data.split import Splitter
from drivetrain.data.split_words import from_words, to_words
from drivetrain.errors import UsageError
from drivetrain.metrics import Estimate
from drivetrain.types import Array, Batch

BESIDE, ALONE = "beside", "alone"


class Task:
    """The ordinary answers. A task lives in `tasks/<name>.py`, here or in an extension, whose TASK is one of a subclass of this;
    it answers otherwise where its work is other.

    A dataset has a task (`data.task`): the TASK, or one of its own where it is to know what only that dataset has.
    """

    # --- words --------------------------------------------------------------------------------------------

    name = "custom"
    """As its file is called; in runs and bundles, and after --task."""
    things = ""
    """What its rows are called; empty: pictures or rows, by what they hold."""
    heading = ""
    """Over its options in --help."""
    source = ""
    """What it takes, for the help of SOURCE; empty where another task says it."""
    command = "predict {bundle} FILE"
    """What is typed once there is a bundle, of data in a `{table}`."""
    card_use: tuple[str, str] | None = None
    """The same in Python and on the command line, for the bundle's card; None: by what the inputs are."""

    # --- the source, and what can be said of it -----------------------------------------------------------

    options: tuple[Option, ...] = ()
    """All that the call and the recipe have beside the source."""
    asked_for = False
    """True where a source is never taken for it: --task says so."""

    def recognises(self, source: str, typed: Mapping[str, Any]) -> bool:
        """Whether a source that nobody named a task for is of this one. Those of extensions are asked first."""
        del source, typed
        return False

    def way_to(self, source: str) -> str:
        """What makes its options right for a source that is taken for another task."""
        del source
        return f"say --task {self.name}"

    def make(self, source: Any, **call: Any) -> Any:
        """The dataset of a source; `call` is by `Option.key`."""
        raise UsageError("this dataset was made in Python.", where=source, fix="Give its data again.")

    def splitter(self, typed: Mapping[str, Any]) -> Splitter | None:
        """The split that was asked for; None where nothing was, so that the task has its own."""
        if typed.get("split") is None:
            return None
        return from_words(typed["split"], typed["valid"], typed["seed"], typed["test"])

    def call(self, typed: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of `make`, of what was typed. Raises UsageError for what is missing or can't be read."""
        for option in self.options:
            if option.typed is not None:
                option.refuse_missing(typed[option.name])
        found = {
            option.key: option.read(typed[option.name])
            for option in self.options
            if option.typed is not None and option.name != "split"
        }
        if any(option.name == "split" for option in self.options):
            found["split"] = self.splitter(typed)
        return {name: value for name, value in found.items() if value is not None}

    def dataset(self, source: str, typed: Mapping[str, Any]) -> Any:
        """The dataset that a command line means."""
        return self.make(source, **self.call(typed))

    imports = False
    """True where a recipe names functions, which are imported to make the dataset again: only of a run of one's own."""

    def recipe(self, source: str, **call: Any) -> dict[str, Any]:
        """What a run keeps, to make the dataset again: JSON."""
        known = {option.key: option for option in self.options}
        kept = {name: known[name].plain(value) if name in known else value for name, value in call.items()}
        return {"task": self.name, "source": source, **kept}

    def from_recipe(self, recipe: Mapping[str, Any]) -> Any:
        """The dataset that a recipe describes."""
        known = {option.key: option for option in self.options}
        call = {
            name: known[name].restore(value) if name in known else value
            for name, value in recipe.items()
            if name not in ("task", "source")
        }
        return self.make(recipe["source"], **call)

    def recorded(self, recipe: Mapping[str, Any]) -> dict[str, Any]:
        """What a recipe was made with, by the names of the options and in the words of `Option.said`."""
        return {
            option.name: self.split_words(recipe)
            if option.name == "split"
            else option.words(recipe.get(option.key, option.usual))
            for option in self.options
        }

    def split_words(self, recipe: Mapping[str, Any]) -> str:
        """The split of a recipe as it is typed; that of a recipe without one too."""
        return "random" if recipe.get("split") is None else to_words(recipe["split"])

    # --- checks -------------------------------------------------------------------------------------------

    quick_to_check: int | None = None
    """`train` checks up to so many rows by itself; None: any number."""

    def find_faults(self, data: Any) -> Any:
        """The Report of what is wrong with a dataset; None for the ordinary one."""
        del data
        return None

    def check_source(self, source: str, typed: Mapping[str, Any], quiet: bool) -> Any:
        """The Report of a source, for a task in which even that it makes no dataset is a finding; None: that of its dataset."""
        del source, typed, quiet

    # --- training -----------------------------------------------------------------------------------------

    objective = "supervised"
    """What a network minimises where nobody said: a file of `learn/objectives`."""
    epochs: int | None = None
    """How often a network goes through the training rows where nobody said; None: by what the columns are."""

    network = ""
    """The network that is trained where the default model is none and it has to be one; empty: as that model's record says."""
    no_network = ("no network learns from these data.", "Leave the model out.")
    """Where the default model is none, and there is none to be trained instead: why, and what to do."""

    def epochs_of(self, data: Any) -> int | None:
        """The same for a dataset of it."""
        del data
        return self.epochs

    tried: tuple[str, ...] = ()
    """The models that are tried for the best, by name, the quickest first; empty: by what the columns are."""

    def default_model(self, signature: Signature) -> str:
        """What is trained where nobody named a model."""
        del signature
        return "mlp"

    own_baselines = False
    """Whether a model stands beside simple methods of the task's own, and not those of its columns."""

    def baselines(self, signature: Signature, train: Batch, measured: Batch, seed: int) -> Sequence[Any]:
        """These methods, fitted: see `learn.baselines.supervised.Baseline`."""
        del signature, train, measured, seed
        return ()

    def metrics(self, outputs: Array) -> dict[str, Estimate]:
        """What is measured beside the metrics of the only target."""
        del outputs
        return {}

    def whole(self, data: Any) -> Any:
        """The dataset of all rows but the test's, where that isn't made of the table's own rows; else None."""
        del data
        return None

    def for_whole(self) -> Task:
        """The task of that dataset, where it is made of the table's own rows."""
        return self

    def told_apart(self, data: Any) -> Sequence[str]:
        """Columns of a dataset's table that are no input and yet tell rows apart, such as the person: a model is looked at by
        them too, whether it is worse for some."""
        del data
        return ()

    # --- what came of it ----------------------------------------------------------------------------------

    limits: tuple[str, ...] = ()
    """What a bundle's card says of what it holds."""
    fitted_again = ""
    """How it is told that what answers has learned from more rows than what was measured; empty: by their number."""

    def facts(self, data: Any) -> dict[str, Any]:
        """What a bundle knows of its data beside the usual."""
        del data
        return {}

    def add_to_result(self, learner: Any, result: dict[str, Any]) -> None:
        """Add to a result what the task measures with models of its own."""
        del learner, result

    def members(self, learner: Any) -> dict[str, bytes]:
        """Optional members of its bundle (FORMAT.md)."""
        del learner
        return {}

    def sections(self, learner: Any) -> list[dict[str, Any]]:
        """Of the report: `{"title", "words", "columns", "rows"}` of each, and more (see `report.page`)."""
        del learner
        return []

    def of_bundle(self, facts: Mapping[str, Any]) -> Task:
        """The task as a bundle's facts have it, where these say how new data are read. Raises BundleError for facts that don't."""
        del facts
        return self

    # --- a bundle's answers -------------------------------------------------------------------------------

    def asked(self, signature: Signature, inputs: Sequence[str], keep: Sequence[str]) -> Asked:
        """What `predict` is to answer for: the files of the only input that comes in files, else rows of tables."""
        codecs = list(signature.inputs.values())
        if len(codecs) == 1 and codecs[0].from_files:
            from drivetrain.data.read.file_kinds import PICTURES  # Pillow

            return ask_files(inputs, keep, PICTURES if codecs[0].pictured else None)
        return ask_rows(inputs, keep, signature)

    def labelled(self, signature: Signature, source: str, typed: Mapping[str, Any]) -> Labelled | None:
        """What `evaluate` measures on: pictures in a folder; None for the rows of a table. `typed` are the options that say how
        a source is read (`Option.reads`)."""
        codecs = list(signature.inputs.values())
        if len(codecs) == 1 and codecs[0].pictured and os.path.isdir(source):
            from drivetrain.data.read.folders import image_folder  # Pillow

            table = image_folder(source, layout=typed.get("layout"))
            return labelled_files(table, "image", next(iter(signature.targets)))
        return None

    def evaluate(self, bundle: Bundle, source: str, trusted: bool, quiet: bool) -> dict[str, Any] | None:
        """What `evaluate` gives of a bundle that the task measures in a way of its own; None: in the ordinary one."""
        del bundle, source, trusted, quiet
        return None

    def together(self, data: Any, rows: Array) -> Array | None:
        """(n,) of which recording, say, each of these rows of the table is, where they are windows of some: see
        `Dataset.together`."""
        del data, rows
        return None

    own_file = ""
    """Why it is measured by itself on nothing but the file of the training."""

    def measures(self, bundle: Bundle) -> str:
        """Whether something of a bundle is measured by the task, on a part of the file of the training: BESIDE the metrics of
        its targets, or ALONE."""
        del bundle
        return ""

    def measure(self, bundle: Bundle, data: Any, part: str) -> dict[str, Estimate]:
        """These metrics."""
        del bundle, data, part
        return {}


CUSTOM = Task()
"""Of a dataset that no task has made."""
