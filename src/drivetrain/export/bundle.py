"""A learner's bundle: graph, golden cases from its own validation pass, profile, card; verified before it stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from drivetrain.bundle import make_cases, nasty_samples, refuse_no_bundle, verify, write_bundle
from drivetrain.bundle.golden import MOST_CASES
from drivetrain.evidence.conformal import fit_intervals
from drivetrain.evidence.result import measured_part
from drivetrain.files import sha256
from drivetrain.learn.base import not_trained
from drivetrain.learn.runs.folder import versions
from drivetrain.metrics import losses
from drivetrain.runtime import OnnxSession
from drivetrain.runtime.known import MADE, remember
from drivetrain.types import Sample

if TYPE_CHECKING:
    from drivetrain.learn.base import BaseLearner

VALIDATION_CASES = 16
MOST_VALUES, MOST_OF_VALIDATION = 5_000, 15_000
"""Raw values of all cases together, and of those from the data: each is a member of the bundle, which takes time to
open, and there may be 20,000."""


def export_bundle(learner: BaseLearner, path: str | Path, force: bool = False) -> Path:
    """Write `path`. Raises FileError when it is taken (see `refuse_no_bundle`), CheckFailed when onnxruntime's answers
    are not the network's; nothing is left behind then."""
    path = Path(path)
    refuse_no_bundle(path, force)
    if not learner.trained:
        raise not_trained()
    data = learner.data
    result = learner.result or learner.finish()
    fit_intervals(learner)  # Of a run that was read again they are not known yet.
    shipped = learner.shipped
    signature, graph = shipped.data.signature, shipped.graph()
    with learner.progress("Making golden cases", 1) as advance:
        cases = make_cases(signature, learner.golden_samples(), shipped.run_arrays)
        advance(1)
    train = shipped.training_batch()
    profile = {name: codec.profile(train[name]) for name, codec in signature.fields.items()}
    facts = {
        "data": _data_facts(learner),
        "metrics": result["metrics"],
        "baselines": result["baselines"],
        "versions": versions(),
        "seed": learner.settings.seed,
        **({"parts": learner.parts} if learner.parts else {}),
        **data.extras.facts,
    }
    bundle = write_bundle(
        path, name=path.stem, task=data.task, signature=signature, graph=graph, cases=cases, profile=profile,
        card=make_card(learner, path, len(cases)), facts=facts, force=force, members=learner.members(),
        check=lambda bundle: verify(bundle, OnnxSession(bundle.graph, bundle.tensors)).require(path),
    )  # fmt: skip
    remember(bundle.hash, MADE)
    return path


def _data_facts(learner: BaseLearner) -> dict[str, Any]:
    """How the data were split, and the hash of their file: so that evaluate finds the test rows in it again. A bundle
    travels: where the file lay is left out."""
    recipe = learner.data.recipe
    if recipe is None or not Path(recipe["source"]).is_file():
        return {}
    kept = {name: value for name, value in recipe.items() if name != "titles"}  # A path too.
    return {"recipe": {**kept, "source": ""}, "sha256": sha256(Path(recipe["source"]).read_bytes())}


def golden_samples(learner: BaseLearner) -> list[tuple[str, Any, Sample]]:
    """(name, kind, sample): rows of the valid part from the easiest to the hardest, and each input's nasty values
    with the other inputs taken from the first row; of a wide table as many of them as there is room for."""
    data = learner.data
    name = measured_part(learner)
    rows = data.part(name).rows
    outputs, encoded = learner.outputs(name)
    codec = data.signature.targets
    worst = np.sum([losses(codec[target], outputs[target], encoded[target]) for target in codec], axis=0)
    order = np.argsort(worst, kind="stable")
    columns = list(data.signature.inputs)
    count = min(VALIDATION_CASES, len(order), max(1, MOST_OF_VALIDATION // len(columns)))
    chosen = order[np.unique(np.linspace(0, len(order) - 1, count).round().astype(int))]

    def sample(row: int) -> dict[str, Any]:
        return {column: _plain(data.table[column][row]) for column in columns}

    found: list[tuple[str, Any, Sample]] = [
        (f"{name} row {number}", "validation", sample(int(rows[place])))
        for number, place in enumerate(chosen)
    ]
    nasty = list(nasty_samples(data.signature, sample(int(rows[chosen[0]]))))
    room = max(0, min(MOST_CASES, MOST_VALUES // len(columns)) - len(found))
    return found + [
        nasty[place] for place in np.linspace(0, len(nasty) - 1, min(room, len(nasty))).astype(int)
    ]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def make_card(learner: BaseLearner, path: Path, cases: int) -> str:
    """The model card (see report/card.py)."""
    from drivetrain.evidence.report_content import card_content
    from drivetrain.report.card import model_card

    return model_card(card_content(learner, path.name, cases))
