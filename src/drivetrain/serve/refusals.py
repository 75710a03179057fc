"""An error as the answer that a caller gets: the status, and words in the shape of the protocol that was spoken."""

from __future__ import annotations

from drivetrain.errors import BundleError, DataError, DrivetrainError, UsageError
from drivetrain.serve import strict_json
from drivetrain.serve.types import Refusal, Request, Response


def told(error: BaseException, request: Request) -> tuple[int, DrivetrainError]:
    """HTTP's status for an error, and what the caller is told. What is no fault of the caller's (500) is told by the request's id
    alone: the rest stands in the log."""
    if isinstance(error, Refusal):
        return error.status, error
    if isinstance(error, UsageError | DataError | BundleError):
        return 400, error
    name = f" (request {request.id})" if request.id else ""
    return 500, DrivetrainError(f"something went wrong in this server{name}", fix="Its log has the reason.")


def worded(status: int, error: DrivetrainError, words: str) -> tuple[int, str]:
    """The status and the words that a protocol, "v1" or "v2", has of its own for an error, where there are such (`NotServed`)."""
    return getattr(error, f"{words}_status", status), getattr(error, words, "") or str(error)


def response(error: BaseException, request: Request) -> Response:
    """`{"error"}` under /v1 and /v2, as the originals have it, else `{"error", "where", "fix"}`."""
    status, said = told(error, request)
    words = request.path[1:3]
    if words in ("v1", "v2"):
        status, text = worded(status, said, words)
        body = {"error": text}
    else:
        body = said.to_json()
    headers = said.headers if isinstance(said, Refusal) else {}
    return Response(_bytes(body), status, headers=headers)


def _bytes(body: dict[str, str]) -> bytes:
    try:
        return strict_json.dumps(body)
    except TypeError:  # A lone surrogate, of a name that came in somewhere else than through JSON.
        return strict_json.dumps(
            {name: text.encode("utf-8", "replace").decode() for name, text in body.items()}
        )
