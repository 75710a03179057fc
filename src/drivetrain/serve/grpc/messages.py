"""The messages of the gRPC services, made from `protos/descriptors.binpb` in a pool of their own.

Python has one global pool of descriptors, in which each name can stand once: there the protos of tritonclient, kserve and ours
would shut each other out (https://github.com/kserve/kserve/issues/3099). In a pool of its own a message clashes with nobody's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Message = Any
"""An instance of a class that protobuf makes at run time: its fields are in protos/*.proto, and no type checker sees them."""

POOL: Any = descriptor_pool.DescriptorPool()


def _load() -> None:
    files: Any = descriptor_pb2.FileDescriptorSet()
    files.ParseFromString((Path(__file__).parent / "protos" / "descriptors.binpb").read_bytes())
    for file in files.file:  # protoc writes a file after those that it imports.
        POOL.AddSerializedFile(file.SerializeToString())


_load()


def message(name: str) -> Any:
    """The class of a message, by its full name ("inference.ModelInferRequest")."""
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(name))


def service(name: str) -> Any:
    """The descriptor of a service: `.methods`, each with `.name`, `.input_type`, `.output_type` ..."""
    return POOL.FindServiceByName(name)


def value(enum: str, name: str) -> int:
    """The number of a value of an enum ("inference.DataType", "TYPE_FP32")."""
    return POOL.FindEnumTypeByName(enum).values_by_name[name].number
