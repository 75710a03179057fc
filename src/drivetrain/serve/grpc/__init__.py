"""gRPC: the Open Inference Protocol, TensorFlow Serving's services, standard health and reflection.

server.py     what listens, and what every call goes through first: calls.py
inference.py  inference.GRPCInferenceService
tfserving.py  tensorflow.serving.PredictionService and ModelService
health.py     grpc.health.v1.Health
reflection.py grpc.reflection
messages.py   the messages of all of them, made from protos/
"""

import os

# grpc's core writes lines of its own to standard error, about what callers sent. Calls stand in this server's log.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
