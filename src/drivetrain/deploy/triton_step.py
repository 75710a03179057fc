"""What runs inside Triton's Python backend: a bundle's codecs around a graph that Triton runs, or all of a bundle.

The `model.py` beside a model is a few lines that call this; it needs drivetrain installed in the backend's Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from drivetrain.errors import DrivetrainError
from drivetrain.files import from_json, to_json
from drivetrain.serve.programs.single import Single
from drivetrain.serve.servable import open_servable
from drivetrain.types import Array, Failure

Run = Callable[[Mapping[str, Array]], Mapping[str, Array]]
"""Arrays by the graph's names for its inputs -> arrays by its names for its outputs."""


class Step:
    """Texts of JSON, a raw item each -> texts of JSON, an answer each, or {"error", "where", "fix"}: one bad item fails alone.
    Files are base64 in them.

    The golden cases are run when it is made. `run` asks Triton for the graph; without it the bundle's own is run here.
    """

    def __init__(self, bundle: str, run: Run | None = None) -> None:
        self._servable = open_servable(bundle, "model", 1)
        if run is not None and isinstance(self._servable, Single):
            tensors = self._servable.bundle.tensors
            self._servable.predictor.session = cast("Any", _Elsewhere(run, tensors.inputs, tensors.outputs))

    def answer(self, texts: Sequence[bytes]) -> list[bytes]:
        """As many as there are texts, in their order."""
        answers = self._servable.answers(self._servable.read([_item(text) for text in texts]), {})
        return [
            to_json(each.error.to_json() if isinstance(each, Failure) else each.to_json()).encode()
            for each in answers
        ]


def _item(text: bytes) -> Any:
    try:
        return from_json(text)
    except DrivetrainError as fault:
        return fault


class _Elsewhere:
    """A session that somebody else runs."""

    def __init__(self, run: Run, inputs: Mapping[str, str], outputs: Mapping[str, str]) -> None:
        self._run, self._inputs, self._outputs = run, inputs, outputs

    def run(self, feeds: Mapping[str, Array], also: Sequence[str] = ()) -> dict[str, Array]:
        made = self._run({self._inputs[name]: array for name, array in feeds.items()})
        return {name: made[inner] for name, inner in self._outputs.items()} | {
            name: made[name] for name in also
        }


def execute(step: Step, requests: Sequence[Any], pb_utils: Any) -> list[Any]:
    """A batch of Triton's requests: the tensor "item" of each, (rows, 1) of texts -> "answer" of the same shape."""
    responses: list[Any] = []
    for request in requests:
        items = pb_utils.get_input_tensor_by_name(request, "item").as_numpy()
        made = items.copy()
        made.reshape(-1)[:] = step.answer([cast("bytes", each) for each in items.reshape(-1)])
        responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("answer", made)]))
    return responses


def run_in_triton(model: str, outputs: Sequence[str], pb_utils: Any) -> Run:
    """A call of another model of the same server (business logic scripting)."""

    def run(feeds: Mapping[str, Array]) -> dict[str, Array]:
        tensors = [pb_utils.Tensor(name, array) for name, array in feeds.items()]
        asked = pb_utils.InferenceRequest(model_name=model, requested_output_names=[*outputs], inputs=tensors)
        reply = asked.exec()
        if reply.has_error():
            raise pb_utils.TritonModelException(reply.error().message())
        return {name: pb_utils.get_output_tensor_by_name(reply, name).as_numpy() for name in outputs}

    return run
