"""The command line: the same verbs as in Python, and no logic of its own."""

import gc
import sys

NEW_OBJECTS = 10_000
"""Of the hundred thousands of objects that imports make hardly any is garbage. To look for it after every 700 new ones,
as Python does by itself, takes a quarter of what a command spends before it begins."""


def run() -> None:
    """The `drivetrain` command."""
    gc.set_threshold(NEW_OBJECTS)
    try:
        from drivetrain.cli.main import main, write_any_text
    except KeyboardInterrupt:  # Within the first tenth of a second, while modules are read.
        sys.exit(130)
    write_any_text("--json" in sys.argv)
    sys.exit(main())
