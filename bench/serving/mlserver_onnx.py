"""ONNX models in MLServer, by a runtime of a few lines. Run as `python mlserver_onnx.py FOLDER HTTP_PORT GRPC_PORT`: FOLDER is a
repository, NAME/VERSION/model.onnx."""

import asyncio
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, MetadataTensor

TYPES = {
    "tensor(bool)": "BOOL", "tensor(uint8)": "UINT8", "tensor(uint16)": "UINT16", "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64", "tensor(int8)": "INT8", "tensor(int16)": "INT16", "tensor(int32)": "INT32",
    "tensor(int64)": "INT64", "tensor(float16)": "FP16", "tensor(float)": "FP32", "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}  # fmt: skip


class Onnx(MLModel):
    async def load(self) -> bool:
        self.session = onnxruntime.InferenceSession(
            self.settings.parameters.uri, providers=["CPUExecutionProvider"]
        )
        self.inputs = [_tensor(each) for each in self.session.get_inputs()]
        self.outputs = [_tensor(each) for each in self.session.get_outputs()]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        feeds = {}
        for each in payload.inputs:
            if each.datatype == "BYTES":
                texts = np.array(StringCodec.decode_input(each), object)
                feeds[each.name] = texts.reshape(each.shape)
            else:
                feeds[each.name] = NumpyCodec.decode_input(each)
        outputs = []
        wanted = [each.name for each in payload.outputs or self.outputs]
        for name, array in zip(wanted, self.session.run(wanted, feeds)):
            if array.dtype == object:
                found = StringCodec.encode_output(name, array.ravel().tolist())
                found.shape = list(array.shape)
            else:
                found = NumpyCodec.encode_output(name, array)
            outputs.append(found)
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=outputs)


def _tensor(port) -> MetadataTensor:
    shape = [size if isinstance(size, int) else -1 for size in port.shape]
    return MetadataTensor(name=port.name, datatype=TYPES[port.type], shape=shape)


async def main() -> None:
    folder, http, grpc = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    settings = Settings(
        host="127.0.0.1",
        http_port=http,
        grpc_port=grpc,
        metrics_port=grpc + 1000,
        parallel_workers=0,
        debug=False,
        use_structured_logging=False,
        logging_settings={"version": 1, "root": {"level": "ERROR"}},
    )
    server = MLServer(settings)
    models = [
        ModelSettings(
            name=path.parents[1].name,
            implementation=Onnx,
            parameters={"uri": str(path), "version": path.parent.name},
        )
        for path in sorted(folder.glob("*/*/model.onnx"))
    ]
    await server.start(models)


if __name__ == "__main__":  # `mlserver start` imports the runtime alone.
    asyncio.run(main())
