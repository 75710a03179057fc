"""What is served: an opened, verified bundle that answers. It knows nothing of the network, and has no threads of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from drivetrain.bundle.reader import Bundle
from drivetrain.codecs import Codec
from drivetrain.errors import DataError, UsageError, nearest
from drivetrain.runtime.generator import Piece
from drivetrain.serve.ports import TensorGraph
from drivetrain.serve.raw import PIXELS
from drivetrain.serve.types import Port
from drivetrain.types import Answer, Failure

if TYPE_CHECKING:
    from drivetrain.serve.batcher import Batcher


class Servable(ABC):
    """A version of a model. Safe to use from several threads.

    What is asked goes `read` -> `answers`: the first makes of each raw item what the second takes, a fault in one item never
    touches the others, and both take the items of several callers at once.
    """

    program: ClassVar[str]
    streams: ClassVar[bool] = False
    """Whether it writes piece by piece (`stream`)."""
    options: ClassVar[tuple[str, ...]] = ()
    """What may be asked for beside the items."""
    quotes: ClassVar[tuple[str, ...]] = ()
    """The parts of an answer that say again what came: they aren't recorded where inputs aren't."""
    graph: TensorGraph | None = None
    """Of what also answers arrays with arrays."""
    schema: Mapping[str, Any]
    """JSON schema of one raw item."""

    def __init__(self, bundle: Bundle, name: str, version: int) -> None:
        self.bundle, self.name, self.version, self.hash = bundle, name, version, bundle.hash
        self.batcher: Batcher | None = None
        """Where what is asked of it waits; the server's."""
        self.once, self.each = 0.0, 0.0
        """Seconds that a batch takes, and each row in it: measured when it was opened (see `warm_up`)."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} {self.version}: {self.hash[:12]}>"

    @property
    def inputs(self) -> tuple[Port, ...]:
        """What tensor protocols give it; nothing where there is no such way to ask."""
        return self.graph.inputs if self.graph else ()

    @property
    def outputs(self) -> tuple[Port, ...]:
        return self.graph.outputs if self.graph else ()

    @property
    def pixels(self) -> int:
        """Of a picture, at most."""
        return self.graph.pixels if self.graph else PIXELS

    @property
    def tensors(self) -> bool:
        """Whether tensor protocols can ask it."""
        return self.graph is not None

    @property
    def files(self) -> bool:
        """Whether items are files, which are read by threads before they are put with those of others."""
        return any(codec.from_files for codec in self.bundle.signature.inputs.values())

    def seconds(self, rows: int) -> float:
        """About how long so many rows take, together."""
        return self.once + self.each * rows

    @abstractmethod
    def read(self, items: Sequence[Any]) -> list[Any]:
        """Of each raw item what `answers` takes, or in its place what carries the error."""

    @abstractmethod
    def answers(self, read: Sequence[Any], options: Mapping[str, Any]) -> list[Answer | Failure]:
        """The answer, or why there is none, to each. Raises DrivetrainError for options that can't be meant."""

    def stream(self, prompt: Any, options: Mapping[str, Any]) -> Iterator[Piece]:
        """What it writes after a prompt, piece by piece. Raises DrivetrainError."""
        del prompt, options
        raise UsageError(f"the model {self.name!r} writes nothing.", fix="Use predict.")

    def written(self, prompt: Any, pieces: Sequence[Piece]) -> Answer:
        """The answer that pieces are together."""
        raise NotImplementedError

    def refuse_unknown(self, options: Mapping[str, Any]) -> None:
        """Raise UsageError for an option that there isn't."""
        for option in options.keys() - {*self.options}:
            known = f"It takes {', '.join(self.options)}." if self.options else "It takes none."
            raise UsageError(
                f"the model {self.name!r} has no option {option!r:.60}.", where=option[:60],
                fix=nearest(option[:60], self.options) or known,
            )  # fmt: skip


def item_schema(inputs: Mapping[str, Codec]) -> dict[str, Any]:
    """Of an item: an object by input."""
    return {
        "type": "object",
        "properties": {name: codec.schema() for name, codec in inputs.items()},
        "required": [*inputs],
    }


def record_of(item: Any, known: Sequence[str], what: str) -> Mapping[str, Any]:
    """An item that is an object of some of the `known` parts. Raises DataError."""
    if not isinstance(item, Mapping):
        raise DataError(
            f"{type(item).__name__} is no {what}.", fix=f"Give an object with {', '.join(known)}."
        )
    record = cast("Mapping[str, Any]", item)
    for part in record.keys() - {*known}:
        fix = nearest(str(part), known) or f"It has {', '.join(known)}."
        raise DataError(f"a {what} has no {part!r:.60}.", fix=fix)
    return record
