"""kserve's own Python client, by both protocols."""

from __future__ import annotations

import asyncio

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig

FIRST, SECOND = np.arange(16, dtype=np.int32).reshape(1, 16), np.ones((1, 16), np.int32)


def asked(model, binary=False):
    given = []
    for name, array in (("INPUT0", FIRST), ("INPUT1", SECOND)):
        each = InferInput(name=name, shape=[*array.shape], datatype="INT32")
        if binary:
            each.set_data_from_numpy(array, binary_data=True)
        else:
            each.data = array.ravel().tolist()
        given.append(each)
    return InferRequest(model_name=model, infer_inputs=given)


def check(response):
    found = {each.name: each.as_numpy() for each in response.outputs}
    assert np.array_equal(found["OUTPUT0"], FIRST + SECOND)
    assert np.array_equal(found["OUTPUT1"], FIRST - SECOND)


def case_kserve_grpc(grpc, http):
    async def main():
        client = InferenceGRPCClient(grpc)
        assert await client.is_server_ready()
        assert await client.is_server_live()
        assert await client.is_model_ready("simple")
        for binary in (False, True):
            check(await client.infer(asked("simple", binary)))
        (told,) = await asyncio.gather(client.infer(asked("nope")), return_exceptions=True)
        assert "unknown model" in str(told)
        await client.close()

    asyncio.run(main())


def case_kserve_rest(grpc, http):
    async def main():
        client = InferenceRESTClient(RESTConfig(protocol="v2"))
        base = f"http://{http}"
        assert await client.is_server_ready(base)
        assert await client.is_server_live(base)
        assert await client.is_model_ready(base, "simple")
        for binary in (False, True):
            check(await client.infer(base, asked("simple", binary), model_name="simple"))
        await client.close()

    asyncio.run(main())


def case_kserve_and_our_protos_in_one_process(grpc, http):
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as theirs

    from drivetrain.serve.grpc.messages import POOL, message

    request = theirs.ModelInferRequest(model_name="simple", raw_input_contents=[b"a"])
    assert (
        message("inference.ModelInferRequest").FromString(request.SerializeToString()).raw_input_contents[0]
        == b"a"
    )
    for name, kind in theirs.DESCRIPTOR.message_types_by_name.items():
        for field in kind.fields:
            if name.startswith(("Model", "Infer", "Server")):
                ours = POOL.FindMessageTypeByName(f"inference.{name}").fields_by_name[field.name]
                assert (ours.number, ours.type) == (field.number, field.type), field.full_name
