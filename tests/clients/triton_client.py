"""tritonclient, by gRPC and by HTTP: what its `simple` examples call (triton-inference-server/client, src/python/examples)."""

from __future__ import annotations

import asyncio
import queue

import numpy as np
import tritonclient.grpc as by_grpc
import tritonclient.grpc.aio as by_grpc_aio
import tritonclient.http as by_http
import tritonclient.http.aio as by_http_aio
from tritonclient.utils import InferenceServerException

FIRST, SECOND = np.arange(16, dtype=np.int32).reshape(1, 16), np.ones((1, 16), np.int32)


def inputs(client, first=FIRST, second=SECOND, datatype="INT32", **more):
    made = [
        client.InferInput("INPUT0", [*first.shape], datatype),
        client.InferInput("INPUT1", [*second.shape], datatype),
    ]
    made[0].set_data_from_numpy(first, **more)
    made[1].set_data_from_numpy(second, **more)
    return made


def outputs(client, **more):
    return [client.InferRequestedOutput(name, **more) for name in ("OUTPUT0", "OUTPUT1")]


def check(result):
    assert np.array_equal(result.as_numpy("OUTPUT0"), FIRST + SECOND)
    assert np.array_equal(result.as_numpy("OUTPUT1"), FIRST - SECOND)


def fault(function, *arguments, **more):
    try:
        function(*arguments, **more)
    except InferenceServerException as raised:
        return raised
    raise AssertionError("it was answered")


# --- gRPC -------------------------------------------------------------------------------------------------


def case_grpc_health_metadata(grpc, http):
    with by_grpc.InferenceServerClient(grpc) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("simple")
        assert client.is_model_ready("simple", "1")
        assert not client.is_model_ready("nope")
        assert client.get_server_metadata().name == "drivetrain"
        told = client.get_model_metadata("simple")
        assert told.name == "simple"
        assert [(each.name, each.datatype, [*each.shape]) for each in told.inputs] == [
            ("INPUT0", "INT32", [-1, 16]),
            ("INPUT1", "INT32", [-1, 16]),
        ]
        assert [each.name for each in told.outputs] == ["OUTPUT0", "OUTPUT1"]


def case_grpc_model_config(grpc, http):
    with by_grpc.InferenceServerClient(grpc) as client:
        config = client.get_model_config("simple").config
        assert config.max_batch_size > 1
        assert [[*each.dims] for each in config.input] == [[16], [16]]
        assert (
            client.get_model_config("simple", as_json=True)["config"]["input"][0]["data_type"] == "TYPE_INT32"
        )


def case_grpc_infer(grpc, http):
    with by_grpc.InferenceServerClient(grpc) as client:
        result = client.infer(
            "simple", inputs(by_grpc), outputs=outputs(by_grpc), request_id="17", headers={"x-test": "1"}
        )
        check(result)
        assert result.get_response().id == "17"
        check(client.infer("simple", inputs(by_grpc), model_version="1"))
        one = client.infer("simple", inputs(by_grpc), outputs=outputs(by_grpc)[:1])
        assert one.as_numpy("OUTPUT1") is None
        check(client.infer("simple", inputs(by_grpc), priority=1, timeout=1_000_000, client_timeout=5))
        rows = np.repeat(FIRST, 3, axis=0)
        assert client.infer("simple", inputs(by_grpc, rows, rows)).as_numpy("OUTPUT0").shape == (3, 16)


def case_grpc_compressed(grpc, http):
    with by_grpc.InferenceServerClient(grpc) as client:
        for algorithm in ("gzip", "deflate"):
            check(client.infer("simple", inputs(by_grpc), compression_algorithm=algorithm))


def case_grpc_strings(grpc, http):
    first, second = (
        np.array([[str(each) for each in row] for row in array], object) for array in (FIRST, SECOND)
    )
    with by_grpc.InferenceServerClient(grpc) as client:
        result = client.infer("simple_string", inputs(by_grpc, first, second, "BYTES"))
        assert [int(each) for each in result.as_numpy("OUTPUT0")[0]] == (FIRST + SECOND)[0].tolist()
        assert [int(each) for each in result.as_numpy("OUTPUT1")[0]] == (FIRST - SECOND)[0].tolist()


def case_grpc_async(grpc, http):
    done = queue.Queue()
    with by_grpc.InferenceServerClient(grpc) as client:
        for _ in range(20):
            client.async_infer("simple", inputs(by_grpc), lambda result, error: done.put((result, error)))
        for _ in range(20):
            result, error = done.get(timeout=5)
            assert error is None
            check(result)
        client.async_infer("nope", inputs(by_grpc), lambda result, error: done.put((result, error)))
        assert "unknown model" in done.get(timeout=5)[1].message()


def case_grpc_stream(grpc, http):
    done = queue.Queue()
    with by_grpc.InferenceServerClient(grpc) as client:
        client.start_stream(lambda result, error: done.put((result, error)))
        for place in range(30):
            client.async_stream_infer("simple", inputs(by_grpc), request_id=str(place))
        for place in range(30):
            result, error = done.get(timeout=5)
            assert error is None
            assert result.get_response().id == str(place)
            check(result)
        client.async_stream_infer("nope", inputs(by_grpc))
        assert "unknown model" in done.get(timeout=5)[1].message()
        client.async_stream_infer("simple", inputs(by_grpc), enable_empty_final_response=True)
        assert done.get(timeout=5)[0].get_response().parameters["triton_final_response"].bool_param
        client.stop_stream()


def case_grpc_decoupled(grpc, http):
    done = queue.Queue()
    text = by_grpc.InferInput("text_input", [1], "BYTES")
    text.set_data_from_numpy(np.array(["[5]"], object))
    with by_grpc.InferenceServerClient(grpc) as client:
        assert client.get_model_config("writer").config.model_transaction_policy.decoupled
        client.start_stream(lambda result, error: done.put((result, error)))
        client.async_stream_infer("writer", [text], parameters={"most": 3}, enable_empty_final_response=True)
        pieces = []
        while True:
            result, error = done.get(timeout=5)
            assert error is None, error
            if result.get_response().parameters["triton_final_response"].bool_param:
                break
            pieces.append(result.as_numpy("text_output").item())
        client.stop_stream()
        whole = client.infer("writer", [text], parameters={"most": 3}).as_numpy("text_output").item()
        assert len(pieces) == 3
        assert b"".join(pieces) == whole


def case_grpc_statistics_and_index(grpc, http):
    with by_grpc.InferenceServerClient(grpc) as client:
        before = client.get_inference_statistics("simple").model_stats[0].inference_count
        client.infer("simple", inputs(by_grpc))
        assert client.get_inference_statistics("simple", "1").model_stats[0].inference_count == before + 1
        assert len(client.get_inference_statistics().model_stats) > 1
        index = {each.name: each for each in client.get_model_repository_index().models}
        assert (index["simple"].version, index["simple"].state) == ("1", "READY")


def case_grpc_classification(grpc, http):
    with by_grpc.InferenceServerClient(grpc) as client:
        result = client.infer("simple", inputs(by_grpc), outputs=outputs(by_grpc, class_count=2))
        assert result.as_numpy("OUTPUT0").tolist() == [[b"16:15", b"15:14"]]


def case_grpc_shared_memory(grpc, http):
    with by_grpc.InferenceServerClient(grpc) as client:
        client.unregister_system_shared_memory()
        client.unregister_cuda_shared_memory()
        assert not client.get_system_shared_memory_status().regions
        assert "not supported" in fault(client.register_system_shared_memory, "a", "/a", 64).message()
        assert "not supported" in fault(client.register_cuda_shared_memory, "a", b"AAAA", 0, 64).message()
        given = by_grpc.InferInput("INPUT0", [1, 16], "INT32")
        given.set_shared_memory("a", 64)
        assert "not supported" in fault(client.infer, "simple", [given]).message()


def case_grpc_faults(grpc, http):
    with by_grpc.InferenceServerClient(grpc) as client:
        raised = fault(client.infer, "nope", inputs(by_grpc))
        assert raised.status() == "StatusCode.NOT_FOUND"
        assert raised.message() == "Request for unknown model: 'nope' is not found"
        assert fault(client.get_model_metadata, "nope").status() == "StatusCode.NOT_FOUND"
        assert (
            "version 9 is not found"
            in fault(client.infer, "simple", inputs(by_grpc), model_version="9").message()
        )
        assert fault(client.infer, "simple", inputs(by_grpc)[:1]).status() == "StatusCode.INVALID_ARGUMENT"
        assert (
            "OUTPUT9"
            in fault(
                client.infer, "simple", inputs(by_grpc), outputs=[by_grpc.InferRequestedOutput("OUTPUT9")]
            ).message()
        )
        floats = inputs(by_grpc, FIRST.astype(np.float32), SECOND.astype(np.float32), "FP32")
        assert fault(client.infer, "simple", floats).status() == "StatusCode.INVALID_ARGUMENT"
        for change in (client.load_model, client.unload_model):
            assert fault(change, "simple").status() == "StatusCode.PERMISSION_DENIED"
        assert (
            fault(client.update_trace_settings, settings={"trace_level": "OFF"}).status()
            == "StatusCode.PERMISSION_DENIED"
        )


def case_grpc_aio(grpc, http):
    async def main():
        async with by_grpc_aio.InferenceServerClient(grpc) as client:
            assert await client.is_server_ready()
            assert await client.is_model_ready("simple")
            for result in await asyncio.gather(
                *(client.infer("simple", inputs(by_grpc_aio)) for _ in range(20))
            ):
                check(result)

            async def requests():
                for place in range(5):
                    yield {"model_name": "simple", "inputs": inputs(by_grpc_aio), "request_id": str(place)}

            place = 0
            async for result, error in client.stream_infer(requests()):
                assert error is None
                assert result.get_response().id == str(place)
                check(result)
                place += 1
            assert place == 5
            assert len((await client.get_inference_statistics("simple")).model_stats) == 1

    asyncio.run(main())


# --- HTTP -------------------------------------------------------------------------------------------------


def case_http_health_metadata(grpc, http):
    with by_http.InferenceServerClient(http) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("simple")
        assert not client.is_model_ready("nope")
        assert client.get_server_metadata()["name"] == "drivetrain"
        told = client.get_model_metadata("simple")
        assert [(each["name"], each["datatype"], each["shape"]) for each in told["inputs"]] == [
            ("INPUT0", "INT32", [-1, 16]),
            ("INPUT1", "INT32", [-1, 16]),
        ]


def case_http_model_config(grpc, http):
    with by_http.InferenceServerClient(http) as client:
        config = client.get_model_config("simple")
        assert config["max_batch_size"] > 1
        assert [each["dims"] for each in config["input"]] == [[16], [16]]


def case_http_binary(grpc, http):
    with by_http.InferenceServerClient(http) as client:
        result = client.infer("simple", inputs(by_http), outputs=outputs(by_http), request_id="17")
        check(result)
        assert result.get_response()["id"] == "17"
        check(client.infer("simple", inputs(by_http), model_version="1", priority=1, timeout=1_000_000))


def case_http_json(grpc, http):
    with by_http.InferenceServerClient(http) as client:
        given = inputs(by_http, binary_data=False)
        check(client.infer("simple", given, outputs=outputs(by_http, binary_data=False)))
        check(client.infer("simple", given, outputs=outputs(by_http, binary_data=True)))
        check(client.infer("simple", inputs(by_http), outputs=outputs(by_http, binary_data=False)))


def case_http_strings(grpc, http):
    first, second = (
        np.array([[str(each) for each in row] for row in array], object) for array in (FIRST, SECOND)
    )
    with by_http.InferenceServerClient(http) as client:
        for binary in (False, True):
            result = client.infer(
                "simple_string",
                inputs(by_http, first, second, "BYTES", binary_data=binary),
                outputs=outputs(by_http, binary_data=binary),
            )
            assert [int(each) for each in result.as_numpy("OUTPUT0")[0]] == (FIRST + SECOND)[0].tolist()


def case_http_compressed(grpc, http):
    with by_http.InferenceServerClient(http) as client:
        for algorithm in ("gzip", "deflate"):
            check(client.infer("simple", inputs(by_http), request_compression_algorithm=algorithm))
            check(client.infer("simple", inputs(by_http), response_compression_algorithm=algorithm))


def case_http_async(grpc, http):
    with by_http.InferenceServerClient(http, concurrency=4) as client:
        for pending in [client.async_infer("simple", inputs(by_http)) for _ in range(20)]:
            check(pending.get_result())


def case_http_statistics_and_index(grpc, http):
    with by_http.InferenceServerClient(http) as client:
        before = client.get_inference_statistics("simple")["model_stats"][0]["inference_count"]
        client.infer("simple", inputs(by_http))
        assert (
            client.get_inference_statistics("simple", "1")["model_stats"][0]["inference_count"] == before + 1
        )
        assert len(client.get_inference_statistics()["model_stats"]) > 1
        assert {"name": "simple", "version": "1", "state": "READY"}.items() <= next(
            each for each in client.get_model_repository_index() if each["name"] == "simple"
        ).items()


def case_http_classification(grpc, http):
    with by_http.InferenceServerClient(http) as client:
        result = client.infer("simple", inputs(by_http), outputs=outputs(by_http, class_count=2))
        assert result.as_numpy("OUTPUT0").tolist() == [[b"16:15", b"15:14"]]


def case_http_shared_memory(grpc, http):
    with by_http.InferenceServerClient(http) as client:
        given = by_http.InferInput("INPUT0", [1, 16], "INT32")
        given.set_shared_memory("a", 64)
        assert "shared memory" in fault(client.infer, "simple", [given]).message()
        fault(client.register_system_shared_memory, "a", "/a", 64)


def case_http_faults(grpc, http):
    with by_http.InferenceServerClient(http) as client:
        raised = fault(client.infer, "nope", inputs(by_http))
        assert raised.status() == "404"
        assert raised.message() == "Request for unknown model: 'nope' is not found"
        assert fault(client.get_model_metadata, "nope").status() == "404"
        assert fault(client.infer, "simple", inputs(by_http)[:1]).status() == "400"
        for change in (client.load_model, client.unload_model):
            assert fault(change, "simple").status() in ("401", "403")


def case_http_aio(grpc, http):
    async def main():
        async with by_http_aio.InferenceServerClient(http) as client:
            assert await client.is_server_ready()
            for result in await asyncio.gather(
                *(client.infer("simple", inputs(by_http_aio)) for _ in range(20))
            ):
                check(result)

    asyncio.run(main())


# --- both -------------------------------------------------------------------------------------------------


def case_the_protos_of_both_are_the_same_and_get_along(grpc, http):
    """In one process with tritonclient's: ours clash with nothing, and each of our fields is theirs, by number, type and name."""
    from tritonclient.grpc import model_config_pb2, service_pb2

    from drivetrain.serve.grpc.messages import POOL

    compared = 0
    for module in (service_pb2, model_config_pb2):
        for name, kind in module.DESCRIPTOR.message_types_by_name.items():
            try:
                ours = POOL.FindMessageTypeByName(f"inference.{name}")
            except KeyError:
                continue
            for field in ours.fields:
                theirs = kind.fields_by_name[field.name]
                assert (field.number, field.type, field.has_presence) == (
                    theirs.number,
                    theirs.type,
                    theirs.has_presence,
                ), field.full_name
                compared += 1
    assert compared > 100
    theirs = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    ours = POOL.FindServiceByName("inference.GRPCInferenceService")
    assert {each.name for each in ours.methods} == {each.name for each in theirs.methods}
