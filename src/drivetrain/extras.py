"""What is installed beside the base, and what to type for it."""

from __future__ import annotations

import importlib.util
import sys

from drivetrain.errors import NotInstalled


def installing(extra: str) -> str:
    """The command that installs an extra of this package, from a clone of it: it is on no index yet."""
    return f"pip install '.[{extra}]' in a clone of drivetrain"


def require(package: str, what: str, extra: str) -> None:
    """Raise NotInstalled where a package of an extra is not installed: "WHAT needs PACKAGE."."""
    # What is None there can't be imported: so it is kept out on purpose.
    if sys.modules.get(package, 0) is None or importlib.util.find_spec(package) is None:
        raise NotInstalled(f"{what} needs {package}.", fix=f"Install it with: {installing(extra)}")
