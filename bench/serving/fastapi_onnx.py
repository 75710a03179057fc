"""The plain server that most would write: FastAPI, pydantic, onnxruntime. Run as `python fastapi_onnx.py MODEL.onnx PORT`."""

import sys

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
app = FastAPI()


class Request(BaseModel):
    rows: list[list[float]]


@app.post("/predict")
def predict(request: Request) -> dict[str, list]:
    (output,) = session.run(None, {name: np.array(request.rows, np.float32)})
    return {"answers": output.tolist()}


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False)
