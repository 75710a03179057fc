"""Which version answers: the one that is named, the one that has the label, or the one that traffic shares fall to."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Mapping, Sequence
from typing import Literal, Self

from drivetrain.errors import nearest
from drivetrain.serve.repository import Held, Model, Repository
from drivetrain.serve.servable import Servable
from drivetrain.serve.settings import ModelSettings
from drivetrain.serve.types import Asked, Refusal

By = Literal["version", "label", "key", "random", "newest"]
RETRY = {"Retry-After": "1"}


class NotServed(Refusal):
    """No such model, version or label here, or not yet. `v1` and `v2` say it in the words of TensorFlow Serving and of Triton,
    which their clients look for; `v1_status` is the status that TensorFlow Serving gives it."""

    def __init__(
        self, asked: Asked, error: str, fix: str, *, v1: str, v2: str, v1_status: int = 404, status: int = 404
    ) -> None:
        super().__init__(status, error, where=asked.model, fix=fix, headers=RETRY if status == 503 else {})
        self.v1, self.v2, self.v1_status = v1, v2, v1_status if status == 404 else status


class Lease:
    """A version that stays until the lease ends, and those that are asked in its shadow. `arm` is the share of the traffic that it
    fell to (a label or a version as text, "" where there are no shares), `by` says what chose, and `draw` is the random number
    in [0, 1) where one did."""

    __slots__ = ("_held", "arm", "by", "draw", "servable", "shadows")
    by: By

    def __init__(self, held: Sequence[Held], by: By, arm: str = "", draw: float | None = None) -> None:
        self._held, self.by, self.arm, self.draw = held, by, arm, draw
        self.servable = held[0].servable
        self.shadows: tuple[Servable, ...] = () if len(held) == 1 else tuple(one.servable for one in held[1:])
        for one in held:
            one.leases += 1

    def hold(self) -> Lease:
        """Another lease of the same, for work that goes on after the answer."""
        return Lease(self._held, self.by, self.arm, self.draw)

    def close(self) -> None:
        held, self._held = self._held, ()
        if held:
            del self.servable, self.shadows  # Nothing of a version that has gone stays with whoever had it.
        for one in held:
            one.leases -= 1
            if one.leases == 0 and one.retired is not None:
                one.retired()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        self.close()


class Router:
    """Of one worker. `seed` is that of the draws for callers without a key."""

    def __init__(self, repository: Repository, seed: int | None = None) -> None:
        self.repository = repository
        self._draws = random.Random(seed)

    def lease(self, asked: Asked) -> Lease:
        """The version for a request, for as long as the lease is kept. Raises NotServed."""
        model = self.model(asked.model)
        if asked.version is not None or asked.label is not None:
            by: By = "label" if asked.version is None else "version"
            return self._leased(model, self._version(model, asked), by)
        arms = _ready_arms(model) if model.settings.traffic else {}
        if not arms:
            return self._leased(model, self._version(model, asked), "newest")
        if asked.key:
            arm = sticky(model.name, arms, asked.key)
            return self._leased(model, version_of(arm, model.settings), "key", arm)
        draw = self._draws.random()
        arm = drawn(arms, draw)
        return self._leased(model, version_of(arm, model.settings), "random", arm, draw)

    def model(self, name: str) -> Model:
        """The model of this name, whether one of its versions is ready or not. Raises NotServed."""
        found = self.repository.models.get(name)
        if found is not None:
            return found
        v1 = f"Servable not found for request: Latest({name})"
        if self.repository.is_loading(name):
            raise NotServed(
                Asked(name), "this model is being loaded.", "Ask again in a moment.", status=503,
                v1=v1, v2=f"Request for unknown model: '{name}' has no available versions",
            )  # fmt: skip
        near = nearest(name, self.repository.models)
        raise NotServed(
            Asked(name), f"there is no model {name!r} here.", near or "GET /models lists those that there are.",
            v1=v1, v2=f"Request for unknown model: '{name}' is not found",
        )  # fmt: skip

    def find(self, asked: Asked) -> Servable:
        """The version that is meant, for what is told of it: the newest where none is named. Raises NotServed."""
        model = self.model(asked.model)
        return model.versions[self._version(model, asked)]

    def ready(self, name: str, version: int | None = None, label: str | None = None) -> bool:
        try:
            self.find(Asked(name, version, label))
        except NotServed:
            return False
        return True

    def _leased(self, model: Model, version: int, by: By, arm: str = "", draw: float | None = None) -> Lease:
        held = model.held
        if not model.settings.shadow:
            return Lease((held[version],), by, arm, draw)
        labels = model.settings.labels
        shadows = dict.fromkeys(labels[label] for label in model.settings.shadow)
        return Lease(
            (held[version], *(held[one] for one in shadows if one in held and one != version)), by, arm, draw
        )

    def _version(self, model: Model, asked: Asked) -> int:
        """A version that is ready. Raises NotServed."""
        name, version = model.name, asked.version
        if asked.label is not None:
            version = model.settings.labels.get(asked.label)
            if version is None:
                raise NotServed(
                    asked, f"the model {name!r} has no label {asked.label!r}.",
                    nearest(asked.label, model.labels) or _listed(model.labels),
                    v1=f"Unrecognized servable version label: {asked.label}", v1_status=400,
                    v2=f"Request for unknown model: '{name}' version '{asked.label}' is not found",
                )  # fmt: skip
        if version is None:
            if model.newest is not None:
                return model.newest
            raise _not_ready(asked, "no version is ready", model, None)
        if version in model.held:
            return version
        raise _not_ready(asked, f"version {version} is not ready", model, version)


def _not_ready(asked: Asked, error: str, model: Model, version: int | None) -> NotServed:
    """Why a model that is known doesn't answer, without what only who runs the server is to know."""
    known = version in model.states
    states = model.states.values() if version is None else [model.states[version]] if known else []
    name, ready = model.name, ", ".join(map(str, model.versions))
    loading = any(state.state == "loading" for state in states)
    if version is None:
        v1, v2 = f"Latest({name})", "has no available versions"
    else:
        error = error if known else f"there is no version {version}"
        v1, v2 = (
            f"Specific({name}, {version})",
            f"version {version} is not {'at ready state' if known else 'found'}",
        )
    fix = "Ask again in a moment." if loading else f"Ready: {ready}." if ready else "GET /models says why."
    return NotServed(
        asked, f"the model {name!r}: {error}.", fix, status=503 if loading else 404,
        v1=f"Servable not found for request: {v1}", v2=f"Request for unknown model: '{name}' {v2}",
    )  # fmt: skip


def _listed(labels: Mapping[str, int]) -> str:
    return f"Its labels: {', '.join(labels)}." if labels else "It has no labels: name a version, or none."


def version_of(arm: str, settings: ModelSettings) -> int:
    """The version that a label or a version as text is."""
    return settings.labels[arm] if arm in settings.labels else int(arm)


def _ready_arms(model: Model) -> dict[str, float]:
    """Those shares of the traffic whose version is ready: the others' go to them in proportion."""
    settings = model.settings
    return {
        arm: share
        for arm, share in settings.traffic.items()
        if share > 0 and version_of(arm, settings) in model.held
    }


def sticky(model: str, arms: Mapping[str, float], key: str) -> str:
    """The arm of a caller, always the same one for the same shares.

    Weighted rendezvous hashing: each arm draws an exponential time from a hash of model, arm and key, divided by its share, and the
    first wins, so an arm wins with the probability of its share. A caller changes its arm only where the ratio of the shares of the
    two has changed: when one grows, callers come to it and none changes between others. (Efraimidis and Spirakis 2006;
    Schindelhauer and Schomaker 2005.)
    """
    return min(arms, key=lambda arm: -math.log(_uniform(model, arm, key)) / arms[arm])


def _uniform(*parts: str) -> float:
    """In (0, 1), from a hash of texts. The length of each goes in, so that no two lists make the same text."""
    text = "".join(f"{len(part)}:{part}" for part in parts)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return ((int.from_bytes(digest, "big") >> 12) + 0.5) / 2**52


def drawn(arms: Mapping[str, float], draw: float) -> str:
    """The arm that a number in [0, 1) falls to, in the order of the settings."""
    left = draw * math.fsum(arms.values())
    for arm, share in arms.items():
        left -= share
        if left < 0:
            return arm
    return [*arms][-1]  # Rounding.
