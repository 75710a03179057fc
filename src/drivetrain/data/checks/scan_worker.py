"""One process of `look`: a line of JSON with paths in, a line with what was seen in them out."""

from __future__ import annotations

import base64
import os
import sys

from drivetrain.data.checks.scan import look_chunk
from drivetrain.files import from_json, to_json


def main() -> None:
    for line in sys.stdin.buffer:
        seen, problems = look_chunk([os.fsdecode(base64.b64decode(path)) for path in from_json(line)])
        answer = {"seen": base64.b64encode(seen.tobytes()).decode(), "problems": problems}
        print(to_json(answer), flush=True)


if __name__ == "__main__":
    main()
