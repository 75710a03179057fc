"""The plainest server of the Open Inference Protocol over gRPC: grpc.aio and onnxruntime, nothing checked, nothing counted.
Run as `python grpc_onnx.py MODEL PORT`."""

import asyncio
import sys

import grpc
import numpy as np
import onnxruntime

from drivetrain.serve.grpc.messages import message

ASKED, REPLY = message("inference.ModelInferRequest"), message("inference.ModelInferResponse")


async def main() -> None:
    session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])

    async def infer(asked, context):
        (given,) = asked.inputs
        array = np.frombuffer(asked.raw_input_contents[0], np.float32).reshape([*given.shape])
        (found,) = session.run(None, {given.name: array})
        reply = REPLY(model_name="tiny", model_version="1")
        reply.outputs.add(name="y", datatype="FP32", shape=found.shape)
        reply.raw_output_contents.append(found.tobytes())
        return reply

    handler = grpc.unary_unary_rpc_method_handler(infer, ASKED.FromString, REPLY.SerializeToString)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("inference.GRPCInferenceService", {"ModelInfer": handler}),)
    )
    server.add_insecure_port(f"127.0.0.1:{sys.argv[2]}")
    await server.start()
    await server.wait_for_termination()


asyncio.run(main())
