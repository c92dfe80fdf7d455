"""Audio behind URLs (`s3://`, `gs://`, `https://`, `file://`, `memory://`…), through fsspec."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any
from urllib.parse import urlsplit

from hitpredict.audio.formats import has_audio_suffix
from hitpredict.errors import EnvironmentProblem, HitpredictError, InputError

_CHUNK, _AHEAD = 2**20, 2**16
# What stores say of a file that another one by its name would not share, in their various spellings.
_TELLING = {
    *("checksum", "contentmd5", "crc32c", "created", "digest", "etag", "generation", "lastmodified", "md5", "md5hash"),
    *("modified", "mtime", "sha256", "updated", "versionid"),
}


def sounds_below(url: str) -> list[str] | None:
    """The URLs of all files below a URL that is a folder, sorted; None where it is a file.

    Raises `InputError` where there is nothing, and `EnvironmentProblem` where a package is missing.
    """
    system, path = _opened(url)
    # To tell whether it is a folder, fsspec reads the whole of what a web server gives no type.
    named = has_audio_suffix(path_of(url)) or path_of(url).endswith(".tar")
    if (_is_web(system) and named) or not system.isdir(path):
        return None
    protocol = url.split("://", 1)[0]
    return [f"{protocol}://{str(name).removeprefix(f'{protocol}://')}" for name in sorted(system.find(path))]


def path_of(url: str) -> str:
    """A URL without the query and fragment that web addresses may have."""
    return urlsplit(url).path if url.startswith("http") else url


@contextmanager
def reading(url: str) -> Iterator[IO[bytes]]:
    """The bytes behind a URL as they come. Raises `OSError` and what `sounds_below` raises."""
    system, path = _opened(url)
    # A web server need not have ranges, which fsspec asks for unless the block size is 0; what it streams comes short.
    try:
        if _is_web(system):
            with system.open(path, "rb", block_size=0) as stream:
                yield io.BufferedReader(stream, _CHUNK)
        else:
            with system.open(path, "rb") as stream:
                yield stream
    except OSError:
        raise
    except Exception as error:
        # Each store has exceptions of its own.
        raise OSError(str(error)) from error


@contextmanager
def ranges(url: str) -> Iterator[IO[bytes]]:
    """The file behind a URL, of which only what is read is fetched. Raises `OSError` where that cannot be had."""
    system, path = _opened(url)
    try:
        with system.open(path, "rb", block_size=_AHEAD, cache_type="readahead") as file:
            if not file.seekable():
                raise OSError("there are no ranges of bytes")
            yield file
    except (OSError, HitpredictError):
        raise
    except Exception as error:
        # Each store has exceptions of its own.
        raise OSError(str(error)) from error


def fetched_part(url: str, start: int, size: int) -> IO[bytes]:
    """Some bytes of the file behind a URL, in memory. Raises `OSError`, also where they are not all there."""
    with ranges(url) as file:
        file.seek(start)
        data = file.read(size)
    if len(data) != size:
        raise OSError(f"{len(data):,} of {size:,} bytes came")
    return io.BytesIO(data)


def fetched(url: str, max_bytes: int) -> IO[bytes]:
    """The bytes behind a URL, in memory. Raises `InputError`, also when there are more than `max_bytes`."""
    data = io.BytesIO()
    try:
        with reading(url) as stream:
            while data.tell() <= max_bytes and (chunk := stream.read(_CHUNK)):
                data.write(chunk)
    except HitpredictError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{url}: no such file") from error
    except Exception as error:
        raise InputError(f"{url}: cannot be read: {error}") from error
    if data.tell() > max_bytes:
        raise InputError(f"{url}: has more than {max_bytes / 1e9:g} GB; `max_bytes` allows more")
    data.seek(0)
    return data


def version(url: str) -> dict[str, str] | None:
    """What the store says of the file behind a URL now: its size, times, tags and checksums, as far as it does.

    None where that would not tell it from another file of its size and name.
    """
    try:
        system, path = _opened(url)
        found = {_plain(name): str(value) for name, value in system.info(path).items() if value is not None}
    except Exception:
        # Each store has exceptions of its own; what cannot be read is told when it is fetched.
        return None
    known = {name: value for name, value in found.items() if name in _TELLING}
    return {**known, "size": found.get("size", "")} if known else None


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _patient(url: str) -> dict[str, Any]:
    """aiohttp ends whatever takes longer than five minutes, such as a tar whose songs are scored as they come."""
    if not url.startswith(("http://", "https://")):
        return {}
    import aiohttp

    return {"client_kwargs": {"timeout": aiohttp.ClientTimeout(total=None, sock_connect=60)}}


def _is_web(system: Any) -> bool:
    return "http" in system.protocol


def _opened(url: str) -> tuple[Any, str]:
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(url, **_patient(url))
    except ImportError as error:
        raise EnvironmentProblem(f"{url}: {error}; pip install 'hitpredict[remote]' and the store's package") from error
    except ValueError as error:
        raise InputError(f"{url}: {error}") from error
    return system, path
