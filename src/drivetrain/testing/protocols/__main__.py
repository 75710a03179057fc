"""`python -m drivetrain.testing.protocols URL`: the cases, asked of a server, and what came of them."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator, Sequence

from drivetrain.errors import DrivetrainError, UsageError, one_line
from drivetrain.files import to_json
from drivetrain.testing.protocols import FAIL, PASS, SKIP, Case, Result, Target, cases, run


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all that could be tried holds. 1: an error. 2: an option that can't be meant. 3: a case failed."""
    try:
        return _main(arguments)
    except DrivetrainError as fault:
        print(fault, file=sys.stderr)
        return fault.exit_code
    except KeyboardInterrupt:
        return 130


def _main(arguments: Sequence[str] | None) -> int:
    parser = ArgumentParser(prog="python -m drivetrain.testing.protocols", description=__doc__)
    parser.add_argument("url", nargs="?", help="where the server answers HTTP: http://localhost:8000")
    parser.add_argument(
        "--grpc",
        default="",
        metavar="HOST:PORT",
        help="where it answers gRPC; without it those cases are left out",
    )
    parser.add_argument("--key", default="", help="an API key, sent as Authorization: Bearer KEY")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="PREFIX",
        help="the cases whose names begin so; may be given again",
    )
    parser.add_argument("--list", action="store_true", help="list the cases and ask nobody")
    parser.add_argument(
        "--models", metavar="FOLDER", help="write the models that the cases ask, and ask nobody"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    options = parser.parse_args(arguments)
    if options.models:
        from drivetrain.testing.protocols.models import write_models

        print("\n".join(write_models(options.models)))
        return 0
    chosen = cases(options.only)
    if options.list:
        print(
            to_json([_told(each) for each in chosen])
            if options.json
            else "\n".join(f"{each.name:<44} {each.about}" for each in chosen)
        )
        return 0
    if not chosen:
        raise UsageError(
            f"no case begins with {' or '.join(options.only)}.", where="--only", fix="See --list."
        )
    results = list(_tried(_target(options.url, options.grpc, options.key), chosen, quiet=options.json))
    counts = Counter(each.outcome for each in results)
    if options.json:
        print(
            to_json({"url": options.url, **summary(results), "cases": [each.to_json() for each in results]})
        )
    else:
        print(f"\n{counts[PASS]} of {counts[PASS] + counts[FAIL]} hold; {counts[SKIP]} could not be tried.")
    return 3 if counts[FAIL] else 0


def summary(results: Sequence[Result]) -> dict[str, int]:
    """How many hold, fail and could not be tried; and how many of those that fail the specification leaves no choice about."""
    counts = Counter(each.outcome for each in results)
    musts = sum(each.outcome == FAIL and each.case.must for each in results)
    return {"hold": counts[PASS], "fail": counts[FAIL], "skipped": counts[SKIP], "failed_musts": musts}


def _target(url: str | None, grpc: str, key: str) -> Target:
    if not url:
        raise UsageError("no server is given.", fix="Give its address: http://localhost:8000.")
    try:
        target = Target(url, grpc, {"Authorization": f"Bearer {key}"} if key else {})
    except ValueError as fault:
        raise UsageError(f"{fault}.", where=url, fix="Give one such as http://localhost:8000.") from fault
    try:
        connection = target.connect()
        connection.connect()
        connection.close()
    except OSError as fault:
        raise DrivetrainError(
            f"nobody answers there: {fault}.", where=url, fix="Start the server first."
        ) from fault
    return target


def _told(case: Case) -> dict[str, object]:
    return {"name": case.name, "about": case.about, "source": case.source, "must": case.must}


def _tried(target: Target, chosen: Sequence[Case], quiet: bool) -> Iterator[Result]:
    """Each result, told as soon as it is there."""
    for result in run(target, chosen):
        if not quiet and result.outcome != PASS:
            mark = "FAIL" if result.outcome == FAIL else "skip"
            print(f"{mark}  {result.case.name:<44} {one_line(result.reason)}", flush=True)
        elif not quiet:
            print(f"ok    {result.case.name}", flush=True)
        yield result


if __name__ == "__main__":
    sys.exit(main())
