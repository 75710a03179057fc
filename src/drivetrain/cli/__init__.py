"""The command line: the same verbs as in Python, and no logic of its own."""

import gc
import os
import sys

NEW_OBJECTS = 10_000
"""Of the hundred thousands of objects that imports make hardly any is garbage. To look for it after every 700 new ones,
as Python does by itself, takes a quarter of what a command spends before it begins."""


def run() -> None:
    """The `drivetrain` command."""
    gc.set_threshold(NEW_OBJECTS)
    _open_standard_files()
    try:
        from drivetrain.cli.main import main, write_any_text
    except KeyboardInterrupt:  # Within the first tenth of a second, while modules are read.
        sys.exit(130)
    write_any_text("--json" in sys.argv)
    sys.exit(main())


def _open_standard_files() -> None:
    """Where somebody started us with standard input, output or error closed, as some do with what runs in the background, they
    are nothing: else the next file or socket that is opened had their number, and got what is printed."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # The lowest that is free: this one.
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - until the process ends.
