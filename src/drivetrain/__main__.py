"""`python -m drivetrain` is the `drivetrain` command."""

from drivetrain.cli import run

run()
