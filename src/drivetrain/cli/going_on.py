"""What a run that goes on is told: nothing else than what it was started with."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import Any

from drivetrain.cli.source import recorded, said
from drivetrain.errors import UsageError
from drivetrain.learn.settings import FROZEN_EPOCHS, HEADS_FASTER, NETWORKS_ONLY

AUGMENTS = ("photos", "digits", "sounds", "none", "auto")
FREE = ("json", "no_check", "out", "export", "resume", "force")
"""Options that may say something else when a run goes on."""
WITHOUT_MEANING = {**NETWORKS_ONLY, "frozen_epochs": FROZEN_EPOCHS}
"""What options say that mean nothing to a run, such as those of a network to trees."""


def refuse_others(learner: Any, options: Namespace) -> None:
    """A run goes on with what it was started with: an option that says something else would be passed over."""
    has = {**recorded(learner.data), **learner.settings.to_json(), **_of_training(learner, options)}
    for name in options.given:
        value, own = said(learner.data, options, name), has.get(name)
        if name in FREE or value == (own if name in has else WITHOUT_MEANING.get(name)):
            continue
        told = "was started without it"
        if own not in (None, "") and own is not False:
            told = f"has {name.replace('_', ' ')} {own}, not {value}"
        own_flags = {option.name: option.flag for option in learner.data.task.options}
        raise UsageError(
            f"this run {told}.", where=own_flags.get(name, "--" + name.replace("_", "-")),
            fix="Leave it out to go on; for another choice start another run.",
        )  # fmt: skip


def _of_training(learner: Any, options: Namespace) -> dict[str, Any]:
    """What a run is trained with besides its settings, by the names of the options."""
    named = learner.data.model_named(options.model) if options.model else ""
    whole = os.path.abspath(os.path.expanduser(named))  # As the run has a folder or a file.
    has = {"model": options.model if learner.model_name in (named, whole) else learner.model_name}
    if not getattr(learner, "plan", None):
        return has
    frozen = sum(phase.epochs for phase in learner.plan if phase.frozen)
    last = learner.plan[-1]
    rate = last.learning_rate
    names = [name for name in (options.augment, *AUGMENTS) if name and learner.augmentation.means(name)]
    return {
        **has,
        # From scratch it says nothing, here as at the start.
        "frozen_epochs": frozen if learner.network.pretrained else options.frozen_epochs,
        "epochs": 0 if last.frozen else last.epochs,
        "lr": options.lr if last.frozen and options.lr and options.lr * HEADS_FASTER == rate else rate,
        "augment": names[0] if names else "of its own",
        "vectors": _vectors_of(learner, options),
    }


def _vectors_of(learner: Any, options: Namespace) -> str | None:
    """The file of the vectors that a run began with: as it is typed, where that is this file."""
    file = None if learner.vectors is None else learner.vectors.file
    typed = options.vectors
    return typed if typed is not None and file == os.path.abspath(typed) else file
