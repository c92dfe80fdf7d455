"""What the sub-commands of `fetch` share: options, the output folder, and a line to the network."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hitpredict.cli.messages import Messages
from hitpredict.cli.progress import Progress, Transfers, watched
from hitpredict.errors import InputError, UsageError

if TYPE_CHECKING:
    from hitpredict.datasets.collection import Collection
    from hitpredict.datasets.web.download import Web

Output = Annotated[
    Path, typer.Option("-o", "--output", metavar="DIR", help="Write tracks.jsonl and the files beside it here.")
]
Offline = Annotated[bool, typer.Option("--offline", help="Use what is in the cache; never touch the network.")]
Mirror = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Fetch from this address instead of the official one, same paths below it."),
]
TrackLimit = Annotated[int | None, typer.Option(min=1, max=10**9, help="Stop after this many tracks.")]


def wanted(output: Path, force: bool, skip_existing: bool, messages: Messages) -> bool:
    """Look at the output folder; False when its manifest exists and is to be kept.

    Raises `UsageError` when the manifest is in the way. A run that was interrupted has not written it yet, so the
    same command goes on with it.
    """
    manifest = output / "tracks.jsonl"
    if manifest.exists() and not force:
        if not skip_existing:
            raise UsageError(f"{manifest}: exists already; use --force to replace it or --skip-existing to keep it")
        messages.note(f"{manifest}: exists already, left as it is")
        return False
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output}: is not a folder")
    return True


@contextmanager
def network(offline: bool, messages: Messages, output: Path | None = None) -> Iterator["Web"]:
    """The network, with progress and retries shown to the user, and the folder for what it brings."""
    from hitpredict.datasets.web.disk import made
    from hitpredict.datasets.web.download import Web

    shown = Transfers(messages.quiet)

    def note(text: str) -> None:
        shown.clear()
        messages.note(text)

    try:
        with Web(offline=offline, note=note, report=shown) as web, made(output) if output else nullcontext():
            yield web
    finally:
        shown.clear()


def lines_of(file: Path) -> tuple[str, ...]:
    """The lines of a list, each once, without blank ones; `-` is standard input. Raises `InputError`."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    return tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


def collect(tracks: "Collection", messages: Messages, previews: bool = True) -> int:
    """Fetch track by track: failures become lines, and the path of the manifest goes to standard output."""
    with Progress("tracks", watched(messages.quiet, rows_elsewhere=True), len(tracks)) as bar:
        for problem in bar.over(tracks.run()):
            if problem:
                messages.failure(problem)
    if previews and tracks.silent:
        messages.note(f"{tracks.silent} of {len(tracks)} tracks have no preview: no path in the manifest")
    sys.stdout.write(f"{tracks.manifest}\n")
    return 1 if tracks.failed else 0
