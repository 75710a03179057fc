"""ONNX graphs, written: of networks, and of several models as one."""
