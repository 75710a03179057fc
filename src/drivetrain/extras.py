"""What is installed beside the base, and what to type for it."""

from __future__ import annotations


def installing(extra: str) -> str:
    """The command that installs an extra of this package, from a clone of it: it is on no index yet."""
    return f"pip install '.[{extra}]' in a clone of drivetrain"
