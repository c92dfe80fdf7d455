"""Where the sources are, unless a mirror is named."""

import os

_VARIABLE = "HITPREDICT_FETCH_BASE_"


def base(source: str, official: str, mirror: str | None = None) -> str:
    """The address that a source's paths are appended to, without a final slash.

    mirror wins over the environment variable `HITPREDICT_FETCH_BASE_SOURCE`, which wins over the official one.
    """
    return (mirror or os.environ.get(_VARIABLE + source.upper()) or official).rstrip("/")
