"""Functions of the user's own by name, `module:function`: what a run keeps of them, and how they are found again.

A name is imported and looked up, nothing is evaluated. A function of Python's own library has none: so a config that
somebody has changed calls no `os.system`.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable
from typing import Any

import drivetrain
from drivetrain.errors import UsageError

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_NO_MODULE = (*sys.stdlib_module_names, "builtins", "__main__", "__mp_main__")


def name_of(function: Callable[..., Any]) -> str | None:
    """`module:function`; None for what can't be found again by it: a lambda, what is made within a function or lives in
    the script that was started, a function of Python's own."""
    name = getattr(function, "__qualname__", "")
    if name in drivetrain.__all__ and getattr(drivetrain, name) is function:
        return f"drivetrain:{name}"
    found = f"{getattr(function, '__module__', '')}:{name}"
    return found if _is_name(found) and _looked_up(found) is function else None


def named(name: str) -> Callable[..., Any]:
    """The function of a name. Raises UsageError where there is none."""
    if not _is_name(name):
        raise UsageError(
            f"{name!r:.80} names no function of yours.", where="recipe", fix="Give the data again."
        )
    module = name.partition(":")[0]
    try:
        _import(module)
    except Exception as fault:  # It is not our code that failed.
        raise UsageError(
            f"{name} can't be imported: {type(fault).__name__}: {fault}.", where="recipe",
            fix=f"Start this where {module.partition('.')[0]} lies, or install it.",
        ) from fault  # fmt: skip
    found = _looked_up(name)
    if found is None:
        raise UsageError(f"there is no function {name}.", where="recipe", fix=f"Put it back into {module}.")
    return found


def _is_name(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and name.partition(":")[0].partition(".")[0] not in _NO_MODULE


def _import(module: str) -> None:
    """From the working folder too, as `python -m` does; the `drivetrain` command does not by itself."""
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())
    importlib.import_module(module)


def _looked_up(name: str) -> Callable[..., Any] | None:
    """The function that a module which is imported has under this name, and that says itself that it is called so."""
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    own = module == "drivetrain" or (
        getattr(found, "__module__", None),
        getattr(found, "__qualname__", None),
    ) == (module, path)
    return found if own and callable(found) else None
