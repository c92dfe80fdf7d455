"""Audio behind URLs (`s3://`, `gs://`, `https://`, `file://`, `memory://`…), through fsspec."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from hitpredict.audio.formats import has_audio_suffix, is_hidden
from hitpredict.audio.source import Source
from hitpredict.errors import EnvironmentProblem, InputError

if TYPE_CHECKING:
    from hitpredict.audio.expand import Stream


def expand_url(url: str, skipped: list[str]) -> "Iterator[Source | Stream]":
    """The sound files at or below a URL, sorted; each is fetched only when it is opened. A tar is a stream."""
    from hitpredict.audio.expand import Stream

    system, path = _opened(url)
    protocol = url.split("://", 1)[0]
    try:
        if not system.isdir(path):
            if path.endswith(".tar"):
                yield Stream(url, lambda: _reading(system, path))
            else:
                yield Source(url, url=url)
            return
        names = [f"{protocol}://{str(name).removeprefix(f'{protocol}://')}" for name in sorted(system.find(path))]
    except Exception as error:
        yield Source(url, problem=f"cannot be read: {error}")
        return
    hidden = {name for name in names if is_hidden(name.removeprefix(url))}
    sounds = [name for name in names if has_audio_suffix(name) and name not in hidden]
    skipped += sorted(set(names) - set(sounds))
    if not sounds:
        yield Source(url, problem="there are no audio files")
    for name in sounds:
        yield Source(name, url=name)


@contextmanager
def _reading(system: Any, path: str) -> Iterator[IO[bytes]]:
    try:
        with system.open(path, "rb") as stream:
            yield stream
    except OSError:
        raise
    except Exception as error:
        # Each store has exceptions of its own.
        raise OSError(str(error)) from error


def fetched(url: str) -> bytes:
    """The bytes behind a URL. Raises `InputError`."""
    system, path = _opened(url)
    try:
        return bytes(system.cat_file(path))
    except FileNotFoundError as error:
        raise InputError(f"{url}: no such file") from error
    except Exception as error:
        raise InputError(f"{url}: cannot be read: {error}") from error


def _opened(url: str) -> tuple[Any, str]:
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise EnvironmentProblem(f"{url}: {error}; pip install 'hitpredict[remote]' and the store's package") from error
    except ValueError as error:
        raise InputError(f"{url}: {error}") from error
    return system, path
