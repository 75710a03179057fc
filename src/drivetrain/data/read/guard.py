"""polars on what comes from outside: whatever it raises there is one DataError, its panics included."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from drivetrain.errors import DataError, DrivetrainError


@contextmanager
def guarded(
    place: str, error: str = "this can't be read", fix: str = "Write or copy it again."
) -> Generator[None, None, None]:
    """Raise DataError at `place` where the block fails: "ERROR: what polars says"."""
    import polars as pl

    try:
        yield
    except DrivetrainError:
        raise
    except (
        Exception,
        pl.exceptions.PanicException,
    ) as fault:  # A panic is no Exception, but a BaseException.
        reason = (str(fault).splitlines() or [type(fault).__name__])[0]
        raise DataError(f"{error}: {reason}.", where=place, fix=fix) from fault
