"""What the sub-commands of `fetch` share: options, the output folder, and a line to the network."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hitpredict.cli import options
from hitpredict.cli.messages import Messages
from hitpredict.cli.progress import Progress, Transfers, watched
from hitpredict.errors import InputError, UsageError, needs

if TYPE_CHECKING:
    from hitpredict.datasets.collection import Collection
    from hitpredict.datasets.web.download import Web

OutputFolder = Annotated[
    Path, typer.Option("-o", "--output", metavar="DIR", help="Write tracks.jsonl and the files beside it here.")
]
TrackLimit = Annotated[int | None, typer.Option(min=1, max=10**9, help="Stop after this many tracks.")]


@dataclass(frozen=True, kw_only=True)
class Network:
    """Where from, and what is said meanwhile."""

    mirror: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Fetch from this address instead of the official one, same paths below it."),
    ] = None
    offline: Annotated[bool, typer.Option("--offline", help="Use what is in the cache; never touch the network.")] = (
        False
    )
    messages: Messages

    @contextmanager
    def web(self, output: Path | None = None) -> Iterator["Web"]:
        """The network, with progress and retries shown to the user, and the folder for what it brings."""
        with needs("fetch"):
            from hitpredict.datasets.web.disk import made
            from hitpredict.datasets.web.download import Web
        shown = Transfers(self.messages.quiet)

        def note(text: str) -> None:
            shown.clear()
            self.messages.note(text)

        try:
            with (
                needs("fetch"),
                Web(offline=self.offline, note=note, report=shown) as web,
                made(output) if output else nullcontext(),
            ):
                yield web
        finally:
            shown.clear()


@dataclass(frozen=True, kw_only=True)
class Existing:
    """What becomes of a folder that is filled already."""

    force: options.Force = False
    skip_existing: options.SkipExisting = False

    def kept(self, output: Path, messages: Messages) -> bool:
        """Whether the folder's manifest exists and is to be kept.

        Raises `UsageError` when the manifest is in the way. A run that was interrupted has not written it yet, so the
        same command goes on with it.
        """
        manifest = output / "tracks.jsonl"
        if manifest.exists() and not self.force:
            if not self.skip_existing:
                raise UsageError(f"{manifest}: exists already; use --force to replace it or --skip-existing to keep it")
            messages.note(f"{manifest}: exists already, left as it is")
            return True
        if output.exists() and not output.is_dir():
            raise UsageError(f"{output}: is not a folder")
        return False


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
