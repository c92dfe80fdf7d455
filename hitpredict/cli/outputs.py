"""One rule for all that a command writes: never an input, nothing twice, nothing that is there unless `--force`."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from hitpredict.audio.source import Source
from hitpredict.errors import UsageError
from hitpredict.files.owned import unlock_abandoned

Named = str | os.PathLike[str] | None


def cleared(
    outputs: Mapping[str, Path | None],
    inputs: Iterable[Named],
    force: bool,
    skip_existing: bool = False,
    own: Iterable[Path | None] = (),
) -> bool:
    """Whether a command may begin: False when its first output is there and is to be kept.

    outputs: files by the option that names them. inputs: whatever the command reads. own: what an interrupted run
    of the same work has written and this one replaces. Raises `UsageError` when something is in the way.
    """
    distinct(outputs, inputs)
    for path in outputs.values():
        # A run that goes no further than this would leave it for ever.
        if path is not None:
            unlock_abandoned(path)
    keep = [
        check_writable(path, force or path in own or _is_empty_list(option, path), skip_existing and not place)
        for place, (option, path) in enumerate(outputs.items())
    ]
    return all(keep)


def check_writable(output: Path | None, force: bool, skip_existing: bool) -> bool:
    """Whether to go on: False when the output exists and is to be kept. `UsageError` when it is in the way."""
    if output is None or not output.exists():
        if output is not None and not output.parent.is_dir():
            raise UsageError(f"{output}: the folder {output.parent} does not exist; make it first")
        return True
    if output.is_dir():
        raise UsageError(f"{output}: is a folder; give a file name")
    if not output.is_file():
        # A rename would replace the device or the pipe itself.
        raise UsageError(f"{output}: is no regular file; leave out -o and redirect standard output")
    if skip_existing:
        return False
    if not force:
        raise UsageError(f"{output}: exists already; use --force to replace it or --skip-existing to keep it")
    return True


def distinct(outputs: Mapping[str, Path | None], inputs: Iterable[Named]) -> None:
    """Raises `UsageError` when two outputs are the same file, or one is an input."""
    read = {_identity(name) for name in inputs if name is not None}
    written: dict[object, str] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        identity = _identity(path)
        if identity in written:
            raise UsageError(f"{option} {path}: is the file of {written[identity]}, too; name another")
        if identity in read:
            raise UsageError(f"{option} {path}: is an input, too; name another file")
        written[identity] = option


def refuse_input(source: Source, outputs: Iterable[Path | None]) -> None:
    """For inputs that are found on the way, in folders and lists. Raises `UsageError` for one that is an output."""
    for output in outputs:
        if source.file and output and output.exists() and _identity(output) == _identity(source.file):
            raise UsageError(f"{output}: is an input, too; name another file for the output")


def _is_empty_list(option: str, path: Path | None) -> bool:
    """A list of no failures holds nothing that could be lost."""
    return option == "--failures" and path is not None and path.is_file() and not path.stat().st_size


def _identity(name: str | os.PathLike[str]) -> object:
    """What two names of the same file have in common, also of one that is not there yet."""
    try:
        found = Path(name).stat()
    except (OSError, ValueError):
        return os.path.realpath(name)
    return found.st_dev, found.st_ino
