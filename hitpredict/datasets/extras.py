"""Packages that only an extra installs."""

from collections.abc import Iterator
from contextlib import contextmanager

from hitpredict.errors import EnvironmentProblem


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Turn a missing package into a line that says how to install it."""
    try:
        yield
    except ImportError as error:
        raise EnvironmentProblem(
            f"the package {error.name or error} is missing: pip install 'hitpredict[{extra}]'"
        ) from error
