"""Several graphs over the same inputs as one: each output is the weighted sum of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from drivetrain.bundle.tensors import made_names
from drivetrain.codecs import Signature

IR_VERSION = 10


def blend(
    graphs: Mapping[str, bytes], weights: Mapping[str, Mapping[str, float]], signature: Signature
) -> bytes:
    """The serialised graph. `graphs` are serialised ones by name, `weights` target -> name -> weight."""
    import onnx
    from onnx import compose, helper, numpy_helper

    names = made_names(signature)
    nodes: list[Any] = []
    constants: list[Any] = []
    ports: dict[str, Any] = {}
    opsets: dict[str, int] = {}
    for place, data in enumerate(graphs.values()):
        part = compose.add_prefix(
            onnx.load_from_string(data), f"part_{place}_", rename_inputs=False, rename_outputs=True
        )
        nodes += part.graph.node
        constants += part.graph.initializer
        ports |= {port.name: port for port in (*part.graph.input, *part.graph.output)}
        opsets |= {opset.domain: opset.version for opset in part.opset_import}
    outputs = []
    for target, output in names.outputs.items():
        terms = []
        for place, name in enumerate(graphs):
            if weight := weights[target].get(name):
                constants.append(numpy_helper.from_array(np.float32(weight), f"weight_{place}_{output}"))
                terms.append(f"weighted_{place}_{output}")
                given = [f"part_{place}_{output}", f"weight_{place}_{output}"]
                nodes.append(helper.make_node("Mul", given, terms[-1:]))
                port = ports[given[0]]
        nodes.append(helper.make_node("Sum", terms, [output]))
        outputs.append(onnx.ValueInfoProto(name=output, type=port.type))
    inputs = [ports[name] for name in names.inputs.values() if name in ports]
    graph = helper.make_graph(nodes, "blend", inputs, outputs, constants)
    opset_imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    model = helper.make_model(
        graph, producer_name="drivetrain", ir_version=IR_VERSION, opset_imports=opset_imports
    )
    return model.SerializeToString()
