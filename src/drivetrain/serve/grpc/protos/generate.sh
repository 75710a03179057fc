#!/usr/bin/env bash
# Writes descriptors.binpb from the .proto files beside it. Needs protoc, of grpcio-tools 1.76.0 or newer, in any environment:
#   python -m venv /tmp/protoc && /tmp/protoc/bin/pip install grpcio-tools==1.76.0 && bash generate.sh /tmp/protoc/bin/python
# Descriptors are data, so they bind to no version of protobuf, as generated modules do.
set -euo pipefail
cd "$(dirname "$0")"
"${1:-python}" -m grpc_tools.protoc -I. --include_imports --descriptor_set_out=descriptors.binpb ./*.proto
