"""The command line: the same verbs as in Python, and no logic of its own."""

import sys


def run() -> None:
    """The `drivetrain` command."""
    try:
        from drivetrain.cli.main import main, write_any_text
    except KeyboardInterrupt:  # Within the first tenth of a second, while modules are read.
        sys.exit(130)
    write_any_text("--json" in sys.argv)
    sys.exit(main())
