"""How an option is written where the user is: `--ignore NAME` on the command line, `ignore=["NAME"]` in Python."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ON_COMMAND_LINE: ContextVar[bool] = ContextVar("on_command_line", default=False)


@contextmanager
def command_line() -> Iterator[None]:
    """Within it options are written as on the command line."""
    token = _ON_COMMAND_LINE.set(True)
    try:
        yield
    finally:
        _ON_COMMAND_LINE.reset(token)


def column_option(name: str, kind: str) -> str:
    """The option that says what a column is."""
    if _ON_COMMAND_LINE.get():
        return shlex.join(["--column", f"{name}={kind}"])
    return f"columns={json.dumps({name: kind}, ensure_ascii=False)}"


def ignore_option(name: str) -> str:
    """The option that leaves a column out."""
    if _ON_COMMAND_LINE.get():
        return shlex.join(["--ignore", name])
    return f"ignore={json.dumps([name], ensure_ascii=False)}"


def missing_option(word: str, name: str = "") -> str:
    """The option that makes a word mean "no value", in one column or in all; an empty word takes the usual ones away."""
    if _ON_COMMAND_LINE.get():
        given = f"{name}={word}" if name else word
        return shlex.join([f"--missing={given}"] if given[:1] in ("", "-") else ["--missing", given])
    return f"missing={json.dumps({name: word} if name else word, ensure_ascii=False)}"


def time_option(seconds: float) -> str:
    """The option that says how long the best model may be looked for."""
    return f"--time {seconds:.0f}s" if _ON_COMMAND_LINE.get() else f"time={seconds:.0f}"


def log_option() -> str:
    """The option that keeps a target off a log scale."""
    return "--no-log-target" if _ON_COMMAND_LINE.get() else "log_target=False"
