"""What the library of an object store raises, in a line that a person can act on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tasks.errors import EspalierError, masked

__all__ = ["let_in"]

_LIBRARIES = ("aiobotocore", "botocore")
_AWAY = ("ConnectionError", "ConnectionClosedError", "TimeoutError")


@contextmanager
def let_in() -> Iterator[None]:
    """Say of a store that lets us in no further, or does not answer, what to look at.

    Raises
    ------
    EspalierError
        For what DVC passes on as the store's library raised it.
    """
    try:
        yield
    except Exception as error:
        if not _of_a_store(error):
            raise
        said = masked(" ".join(str(error).split())).removesuffix(".") or type(error).__name__
        away = type(error).__name__.endswith(_AWAY)
        raise EspalierError(
            f"the DVC remote cannot be used ({said}); check its address, your rights, and credentials in the "
            "environment (for S3 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
        ) from (ConnectionError(said) if away else error)


def _of_a_store(error: Exception) -> bool:
    """Tell a store's refusal from a local one, which names a file."""
    refused = isinstance(error, PermissionError) and error.filename is None
    return refused or type(error).__module__.partition(".")[0] in _LIBRARIES
