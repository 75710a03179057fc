"""An objective: the step of a training, as one function that a person can read.

    def step(training, nets, batch):
        made = nets.network(batch)["picture"]
        yield "critic", critic_loss(nets.critic, batch["picture"], made.detach())
        yield "network", generator_loss(nets.critic, made)

Each `yield` names a network and gives its loss (), a mean over rows. Before the next line runs, the loop (`loop.py`) has
looked whether it is a number, has gone back through it to the weights of that network alone, and has taken the step of
that network's own optimiser. So it also accumulates, clips, averages, adds up over processes, keeps checkpoints and
goes on from them to the same bits, for every objective alike. A network is asked for one update a batch at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from drivetrain import extensions
from drivetrain.errors import UsageError, nearest

if TYPE_CHECKING:
    from torch import Tensor, nn

    from drivetrain.codecs import Signature
    from drivetrain.learn.training import Training

NETWORK = "network"
"""The name of the network that a learner is for: what is validated, averaged and exported."""
SUPERVISED = "supervised"
"""The objective where nobody named one."""
TAKEN = (NETWORK, "train", "valid")
"""Names that no other network can have: a loss is recorded under its network's name, as `critic_loss`."""


class Update(NamedTuple):
    """What a step asks for: the loss () by which the weights of a network are to change.

    `error` is a sum over the rows of what a person watches. Where the step knows of shares of a batch (`training.share`)
    it gives an Update itself, with what its rows add to the mean of the whole batch; a plain (name, loss) is made one.
    """

    name: str
    loss: Tensor
    error: Tensor | None = None


Asked = Update | tuple[str, "Tensor"]
Step = Callable[["Training", Any, Mapping[str, "Tensor"]], Iterator[Asked]]
Valid = Callable[["Training", Any, Mapping[str, "Tensor"]], Any]


@dataclass(frozen=True, eq=False)
class Objective:
    """A step, and what belongs to it.

    `networks` are those that train beside the learner's own, by name: `nets.NAME` in the step, each with an optimiser of
    its own; one whose weights need no gradient stays as it is. Or a function makes them for a signature: an objective that
    is found by its name serves many learners, each with networks of its own, made under its seed.

    `valid(training, nets, batch)` gives the losses (n,) of valid rows or their sum, or (that sum, the sum of their
    errors); without it there is no valid loss. `measured` is False where the targets are not what the network is to answer
    to the inputs of the same row, as with pictures made of noise: then there are no metrics, and the result says why.
    Raises UsageError for what can't be.
    """

    step: Step
    networks: Mapping[str, nn.Module] | Callable[[Signature], Mapping[str, nn.Module]] = field(
        default_factory=dict
    )
    valid: Valid | None = None
    measured: bool = True
    name: str = ""

    def __post_init__(self) -> None:
        if not callable(self.step):
            raise UsageError("step must be a function.", where="objective")
        object.__setattr__(self, "name", self.name or getattr(self.step, "__name__", "objective"))
        if isinstance(self.networks, Mapping):
            _check(self.networks)

    def networks_for(self, signature: Signature) -> dict[str, nn.Module]:
        """The networks beside the learner's own. Raises UsageError for what can't be."""
        made = self.networks if isinstance(self.networks, Mapping) else self.networks(signature)
        _check(made)
        return dict(made)


def _check(networks: Mapping[str, nn.Module]) -> None:
    from torch import nn

    for name, network in networks.items():
        if not name.isidentifier() or name in TAKEN:
            raise UsageError(
                f"no network beside the learner's own can be called {name!r}.", where="objective",
                fix="Choose a word such as critic.",
            )  # fmt: skip
        if not isinstance(network, nn.Module):
            raise UsageError(f"{name!r} is no torch module.", where="objective")


def objective_of(given: Objective | str) -> Objective:
    """The objective of a name: `OBJECTIVE` in the file `learn/objectives/NAME.py`, here or of an extension; or the given
    one. Raises UsageError."""
    if isinstance(given, Objective):
        named = extensions.find("learn.objectives", given.name)
        if named is not None and named.OBJECTIVE is not given:
            raise UsageError(
                f"there is an objective called {given.name!r} already.",
                where="objective",
                fix="Give yours another name.",
            )
        return given
    if not isinstance(given, str):
        raise UsageError(
            f"{type(given).__name__} is no objective.",
            where="objective",
            fix="Give drivetrain.Objective(step).",
        )
    if (module := extensions.find("learn.objectives", given)) is None:
        raise UsageError(
            f"there is no objective {given!r}.", where="objective",
            fix=nearest(given, objectives()) or f"Use {', '.join(objectives())}, or your own: drivetrain.Objective(step).",
        )  # fmt: skip
    return module.OBJECTIVE


def objectives() -> Sequence[str]:
    """The names of the objectives there are."""
    return extensions.names("learn.objectives")
