"""`python -m drivetrain` is the `drivetrain` command."""

from drivetrain.cli.main import run

run()
