"""A learner's bundle: graph, golden cases from its own validation pass, profile, card; verified before it stands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivetrain.bundle import make_cases, refuse_no_bundle, verify, write_bundle
from drivetrain.files import sha256
from drivetrain.findings.conformal import fit_intervals
from drivetrain.findings.report_content import card_content
from drivetrain.learn.base import not_trained
from drivetrain.learn.runs.folder import versions
from drivetrain.report.card import model_card
from drivetrain.runtime import OnnxSession
from drivetrain.runtime.known import MADE, remember

if TYPE_CHECKING:
    from drivetrain.learn.base import BaseLearner


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
        "data": data_facts(learner),
        "metrics": result["metrics"],
        "baselines": result["baselines"],
        "versions": versions(),
        "seed": learner.settings.seed,
        **({"parts": learner.parts} if learner.parts else {}),
        **data.task.facts(data),
    }
    bundle = write_bundle(
        path, name=path.stem, task=data.task.name, signature=signature, graph=graph, cases=cases, profile=profile,
        card=model_card(card_content(learner, path.name, len(cases))), facts=facts, force=force,
        members={**learner.members(), **data.task.members(learner)},
        check=lambda bundle: verify(bundle, OnnxSession(bundle.graph, bundle.tensors)).require(path),
    )  # fmt: skip
    remember(bundle.hash, MADE)
    return path


def data_facts(learner: BaseLearner) -> dict[str, Any]:
    """How the data were split, and the hash of their file: so that evaluate finds the test rows in it again. A bundle
    travels: where the file lay is left out."""
    recipe, task = learner.data.recipe, learner.data.task
    if recipe is None or task.imports or not Path(recipe["source"]).is_file():
        return {}
    travels = [option.key for option in task.options if option.fits is not None and option.key in recipe]
    kept = {"task": task.name, "source": "", **{name: recipe[name] for name in travels}}
    return {"recipe": kept, "sha256": sha256(Path(recipe["source"]).read_bytes())}
