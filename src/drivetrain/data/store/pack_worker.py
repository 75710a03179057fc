"""One process of the packed store: encodes the files named on standard input into rows on disk.

First line: {"spec", "path", "extensions", "folder"}. Then lines [start, paths]; each is answered by {"hashes", "errors"}, or,
where the rows can't be written, by {"errno"}.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from drivetrain.codecs import from_spec
from drivetrain.data.store.pack import encode_chunk, row_file
from drivetrain.extensions import register
from drivetrain.memory import kept_memory


def main() -> None:
    sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    first = sys.stdin.readline()
    if not first:
        return  # The process that started this one has ended.
    header = json.loads(first)
    sys.path[:] = header["path"]  # Where the packages are that were registered.
    for package in header["extensions"]:
        register(package)
    codec = from_spec(header["spec"])
    rows = row_file(Path(header["folder"]), codec)
    with kept_memory():
        for line in sys.stdin:
            start, paths = json.loads(line)
            try:
                hashes, errors = encode_chunk(codec, paths, start, rows)
            except OSError as fault:  # The disk is full: the process that started this one says so.
                print(json.dumps({"errno": fault.errno}), flush=True)
                return
            faults = {row: fault.to_json() for row, fault in errors.items()}
            print(json.dumps({"hashes": hashes.hex(), "errors": faults}), flush=True)


if __name__ == "__main__":
    main()
