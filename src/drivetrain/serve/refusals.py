"""An error as the answer that a caller gets: the status, and words in the shape of the protocol that was spoken."""

from __future__ import annotations

from drivetrain.errors import BundleError, DataError, DrivetrainError, UsageError
from drivetrain.serve import strict_json
from drivetrain.serve.types import Refusal, Request, Response


def response(error: BaseException, request: Request) -> Response:
    """`{"error"}` under /v1 and /v2, as the originals have it, else `{"error", "where", "fix"}`. What is no fault of the
    caller's is told with the request's id alone: the rest stands in the log."""
    status, headers = 400, dict[str, str]()
    if isinstance(error, Refusal):
        status, headers = error.status, error.headers
    elif not isinstance(error, UsageError | DataError | BundleError):
        name = f" (request {request.id})" if request.id else ""
        error = DrivetrainError(f"something went wrong in this server{name}", fix="Its log has the reason.")
        status = 500
    if request.path.startswith("/v2"):
        body: dict[str, str] = {"error": getattr(error, "v2", "") or str(error)}
    elif request.path.startswith("/v1"):
        body, status = {"error": getattr(error, "v1", "") or str(error)}, getattr(error, "v1_status", status)
    else:
        body = error.to_json()
    return Response(_bytes(body), status, headers=headers)


def _bytes(body: dict[str, str]) -> bytes:
    try:
        return strict_json.dumps(body)
    except TypeError:  # A lone surrogate, of a name that came in somewhere else than through JSON.
        return strict_json.dumps(
            {name: text.encode("utf-8", "replace").decode() for name, text in body.items()}
        )
