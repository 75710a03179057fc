"""What Triton calls a model's configuration, as far as a model here has it: its tensors, without their rows since it takes batches,
and its batching. https://github.com/triton-inference-server/common, protobuf/model_config.proto, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drivetrain.serve.types import Port

PLATFORM, BACKEND = "onnxruntime_onnx", "onnxruntime"
TEXT_IN, TEXT_OUT = "text_input", "text_output"
"""The one input and output of what writes, as Triton's language models have them."""


def config_of(server: Any, servable: Any) -> dict[str, Any]:
    """The configuration of a version."""
    batching = server.batching(servable.name)
    return {
        "name": servable.name,
        "platform": PLATFORM,
        "backend": BACKEND,
        "version_policy": {"specific": {"versions": [*server.router.model(servable.name).versions]}},
        "max_batch_size": batching.most,
        "input": [
            {**_tensor(port), "optional": not port.extra.get("required", True)}
            for port in inputs_of(servable)
        ],
        "output": [_tensor(port) for port in outputs_of(servable)],
        "instance_group": [{"name": servable.name, "kind": "KIND_CPU", "count": 1}],
        "dynamic_batching": {"max_queue_delay_microseconds": round(batching.delay_ms * 1e3)},
        "model_transaction_policy": {"decoupled": servable.streams},
    }


def inputs_of(servable: Any) -> Sequence[Port]:
    """What tensor protocols give a version."""
    if servable.streams and not servable.tensors:
        return [Port(TEXT_IN, "BYTES", (-1, 1))]
    return servable.inputs


def outputs_of(servable: Any) -> Sequence[Port]:
    if servable.streams and not servable.tensors:
        return [Port(TEXT_OUT, "BYTES", (-1, 1))]
    return servable.outputs


def _tensor(port: Port) -> dict[str, Any]:
    kind = "STRING" if port.datatype == "BYTES" else port.datatype
    return {"name": port.name, "data_type": f"TYPE_{kind}", "dims": [*port.shape[1:]]}
