"""What a package shows, imported when it is asked for (PEP 562): importing the package itself costs next to nothing."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

from drivetrain.errors import nearest


def attributes(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package whose names come from these modules, name -> module. Raises AttributeError for others."""

    def found(name: str) -> Any:
        if name not in modules:
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}. {nearest(name, modules)}".rstrip()
            )
        return getattr(importlib.import_module(modules[name]), name)

    return found


def listing(modules: Mapping[str, str]) -> Callable[[], list[str]]:
    """The `__dir__` of such a package: what a notebook offers after the point, before anything was asked for."""
    return lambda: sorted(modules)
