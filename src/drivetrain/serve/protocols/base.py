"""What protocols have in common: which model is meant, the body as JSON, who goes first, and how long they wait."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeVar, cast

from drivetrain.errors import DrivetrainError
from drivetrain.serve import strict_json
from drivetrain.serve.types import Asked, Refusal, Request, Response

Result = TypeVar("Result")
PRIORITY, TIMEOUT, STICKY, RECORDS = "x-priority", "x-timeout-ms", "x-sticky-key", "X-Record-Ids"
MOST_PRIORITY = 100
PARSE = "failed to parse the request JSON buffer: "
"""What Triton says before what is wrong with a body."""
_VERSION = re.compile(r"[0-9]{1,18}")
_FRACTION = re.compile(r"-?[0-9]{1,9}\.[0-9]{1,18}")
_WHOLE = re.compile(r"-?[0-9]{1,9}")


def roots(model: str) -> tuple[str, str, str]:
    """How a model is named under the pattern that names it alone, which leaves the version to the server: also one by its number,
    and one by its label."""
    return model, f"{model}/versions/{{version}}", f"{model}/labels/{{label}}"


FRIENDLY, V2 = roots("/models/{model}"), roots("/v2/models/{model}")[:2]


def asked_of(server: Any, request: Request, places: Mapping[str, str]) -> Asked:
    """The model, version and label that a path names, and the key by which a caller stays with one version."""
    version, label = places.get("version"), places.get("label")
    if version is not None and not _VERSION.fullmatch(version):
        error = (
            f"failed to get model version from specified version string '{version[:40]}', version should be an "
            "integral value > 0"
        )
        raise Refusal(400, error)
    model = places["model"]
    settings = server.model_settings(model)
    key = request.headers.get(settings.sticky.lower()) if settings.sticky else None
    return Asked(
        model,
        None if version is None else int(version),
        label,
        request.headers.get(STICKY) if key is None else key,
    )


def json_of(server: Any, body: bytes | memoryview, words: str = "") -> Any:
    """The JSON that a body holds; `words` go before what is wrong with it."""
    try:
        return strict_json.loads(body, depth=server.settings.limits.depth)
    except DrivetrainError as fault:
        raise Refusal(400, f"{words}{fault.error}", where=fault.where, fix=fault.fix) from fault


def object_of(server: Any, body: bytes | memoryview, words: str = "") -> dict[str, Any]:
    """The same where it has to be an object; of no body at all an empty one."""
    found: Any = json_of(server, body, words) if len(body) else {}
    if not isinstance(found, dict):
        raise Refusal(400, f"{words}the body is no JSON object", fix='Send an object: {"...": ...}.')
    return cast("dict[str, Any]", found)


def answered(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as a JSON response."""
    return Response(strict_json.dumps(value), status, headers=headers or {})


def priority_of(request: Request) -> int:
    """What the header X-Priority says: a greater one goes first, 0 is usual."""
    return whole(request.headers.get(PRIORITY), PRIORITY, -MOST_PRIORITY, MOST_PRIORITY, 0)


def priority_from(triton: int) -> int:
    """The same of a request's parameter in Triton's extension, where 1 is the most urgent and more is less so; 0 is usual."""
    return -min(triton, MOST_PRIORITY)


def timeout_of(request: Request) -> float | None:
    """Seconds that the caller waits, by the header X-Timeout-Ms."""
    wait = whole(request.headers.get(TIMEOUT), TIMEOUT, 1, 86_400_000, 0)
    return wait / 1000 if wait else None


def whole(text: str | None, where: str, least: int, most: int, otherwise: int) -> int:
    """The whole number that a header or query holds. Raises Refusal."""
    if text is None:
        return otherwise
    if not _WHOLE.fullmatch(text) or not least <= int(text) <= most:
        raise Refusal(400, f"{text!r:.40} is no whole number from {least:,} to {most:,}.", where=where)
    return int(text)


def within(seconds: float | None, work: Awaitable[Result]) -> Awaitable[Result]:
    """What some work gives, unless the caller waits no longer: then it is given up, and refused with 504."""
    return work if seconds is None else _within(seconds, work)


async def _within(seconds: float, work: Awaitable[Result]) -> Result:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise Refusal(
            504, f"the answer took more than the {seconds:g} seconds that the caller waits.",
            fix="Wait longer, or ask when less is going on.",
        ) from None  # fmt: skip


def record_header(ids: Sequence[str | None]) -> dict[str, str]:
    """The header that says where answers are recorded; none where they are not."""
    known = [each or "" for each in ids]
    return {RECORDS: ",".join(known)} if any(known) else {}


def value_of(text: str) -> Any:
    """What a query's text says: true, false, a number, or the text."""
    if text in ("true", "false"):
        return text == "true"
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _FRACTION.fullmatch(text) else text
