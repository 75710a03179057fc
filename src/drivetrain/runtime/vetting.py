"""A bundle of unknown origin is first opened and verified by a process of its own, with limits of memory and time.

onnxruntime is not made for graphs of strangers: some that are allowed, and not all can be foreseen, end its process
(integer division by zero, an assertion) or ask for more memory than there is. In a child that is a BundleError. This is no
sandbox: the child may do what its user may do.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, TypeVar, cast

from drivetrain.bundle.archive import write_zip
from drivetrain.bundle.facts import is_number
from drivetrain.bundle.reader import Bundle, open_bundle, open_bundle_bytes
from drivetrain.bundle.verify import HISTORIES, STAGES, TOKENS, Stage, VerifyReport
from drivetrain.errors import BundleError, DrivetrainError, UsageError
from drivetrain.extensions import register, registered
from drivetrain.files import from_json, to_json
from drivetrain.runtime.known import is_known, remember
from drivetrain.runtime.programs import verified

MOST_SECONDS = 120
SECONDS_PER_BYTE = 1e-7
"""10 MB more may take a second more."""
MOST_MEMORY = 2**32
MEMORY_PER_BYTE = 8
"""Beyond what the process has once it has begun: 4 GiB, and for each byte of the bundle 8 more."""
MOST_ANSWER = 2**24

_START = "import sys; sys.path[:] = sys.argv[2:]; from drivetrain.runtime.vetting import main; main(sys.argv[1].split())"
_KEYS = {*Stage.__annotations__}
_Program = TypeVar("_Program")


def open_vetted(
    bundle: Bundle | str | os.PathLike[str], program: type[_Program], otherwise: str, fix: str, *, verify: bool, trusted: bool
) -> tuple[Bundle, _Program]:  # fmt: skip
    """A bundle that was vetted and, with `verify`, verified, and its program. Raises UsageError that says `otherwise` where that
    is none of this class, BundleError and CheckFailed."""
    where = "" if isinstance(bundle, Bundle) else os.fspath(bundle)
    opened = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
    if not isinstance(opened.program, program):
        raise UsageError(otherwise, where=where or opened.name, fix=fix)
    found = vet(opened, trusted=trusted, where=where)
    if verify:
        (found or verified(opened)).require(where or opened.name)
    return opened, opened.program


def vet(bundle: Bundle, *, trusted: bool = False, where: object = "") -> VerifyReport | None:
    """What a child process found of a bundle that this machine doesn't know; None where it does, or is told to trust it.

    Raises BundleError where the child was ended, took too long or could not make a session.
    """
    onnxruntime: Any = importlib.import_module("onnxruntime")
    runtime = f"onnxruntime-{onnxruntime.__version__}"
    if trusted or is_known(bundle.hash, runtime):
        return None
    report = _in_child(write_zip({name: bytes(view) for name, view in bundle.members.items()}), where)
    if report.ok:
        remember(bundle.hash, runtime)
    return report


def _in_child(data: bytes, where: object) -> VerifyReport:
    import subprocess  # Late: who knows the bundle needs none.

    if not sys.executable:
        raise _refuse("there is no Python to try it with in a process of its own", where)
    seconds = MOST_SECONDS + len(data) * SECONDS_PER_BYTE
    paths = [os.path.abspath(path) for path in sys.path if path]
    command = [sys.executable, "-I", "-c", _START, " ".join(registered()), *paths]
    # One arena of memory for all threads: reserved space of many would count against the limit.
    environment = {**os.environ, "MALLOC_ARENA_MAX": "2"}
    try:
        done = subprocess.run(
            command, input=data, capture_output=True, timeout=seconds, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        raise _refuse(f"it is not opened and verified within {seconds:.0f} s", where) from None
    except OSError as fault:
        raise _refuse(f"the process to try it in can't be started: {fault.strerror}", where) from fault
    if done.returncode:
        raise _refuse(f"the process that tried it {_end(done.returncode)}", where)
    return _answer(done.stdout, where)


def _end(code: int) -> str:
    """How a process ended, in words."""
    import signal

    if code > 0:
        return f"ended with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name} (signal {-code})"
    except ValueError:
        return f"was ended by signal {-code}"


def _answer(output: bytes, where: object) -> VerifyReport:
    """What the child says. It may have lost its mind: only what is a report is one."""
    try:
        record = from_json(output) if len(output) <= MOST_ANSWER else None
    except DrivetrainError:
        record = None
    found = cast("dict[str, Any]", record) if isinstance(record, dict) else {}
    if isinstance(error := found.get("error"), str):
        places = [str(place) for place in (where, found.get("where")) if place]
        raise BundleError(error, where=", ".join(places))
    given = found.get("stages")
    stages: list[Any] = cast("list[Any]", given) if isinstance(given, list) else []
    if not stages or not all(map(_is_stage, stages)):
        raise _refuse("the process that tried it gave no answer", where)
    return VerifyReport(cast("list[Stage]", stages))


def _is_stage(value: Any) -> bool:
    if not isinstance(value, dict) or {*cast("dict[str, Any]", value)} != _KEYS:
        return False
    stage = cast("dict[str, Any]", value)
    return (
        stage["stage"] in (*STAGES, TOKENS, HISTORIES)
        and isinstance(stage["ok"], bool)
        and isinstance(stage["message"], str)
        and type(stage["cases"]) is int
        and all(stage[name] is None or is_number(stage[name]) for name in ("max_difference", "tolerance"))
    )


def _refuse(reason: str, where: object) -> BundleError:
    return BundleError(
        f"the bundle can't be accepted: {reason}.", where=where,
        fix="Do not trust this file. If you do know that it is yours: trusted=True, or --trusted.",
    )  # fmt: skip


def main(extensions: Sequence[str] = ()) -> None:
    """In the child: a bundle on standard input; on standard output the report, or the error. `extensions` are the packages
    that were registered in the process that asks."""
    data = sys.stdin.buffer.read()
    try:
        for package in extensions:
            register(package)
        importlib.import_module("onnxruntime")
        _limit(MOST_MEMORY + MEMORY_PER_BYTE * len(data))
        answer: dict[str, Any] = verified(open_bundle_bytes(data)).to_json()
    except DrivetrainError as fault:
        answer = fault.to_json()
    except MemoryError:
        answer = {"error": "the bundle asks for more memory than it may.", "where": "", "fix": ""}
    sys.stdout.buffer.write(to_json(answer).encode())


def _limit(memory: int) -> None:
    """No more than so many bytes beyond what there is, no core file, no file written. Where the system knows no such
    limits (Windows), the time is the only one."""
    try:
        import resource
    except ImportError:
        return
    limits = {
        resource.RLIMIT_DATA: _private_bytes() + memory,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
    }
    for kind, most in limits.items():
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def _private_bytes() -> int:
    """The memory of this process that RLIMIT_DATA counts; an upper bound where the system doesn't say."""
    try:
        with open("/proc/self/status", "rb") as file:
            lines = dict(line.split(b":", 1) for line in file.read().splitlines() if b":" in line)
        return int(lines[b"VmData"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return 2**32
