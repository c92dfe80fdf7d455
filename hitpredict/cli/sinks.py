"""Where the variants of `mutate` go: a WAV or a tar on standard output, a file, a tar file, a folder of files."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Self

from hitpredict.audio.archive import TarWriter
from hitpredict.audio.sound import Sound
from hitpredict.audio.source import STDIN, Source
from hitpredict.audio.write import SUFFIXES, Encoding, wav_chunks, wav_size, write_audio
from hitpredict.cli.outputs import check_writable, distinct
from hitpredict.cli.streams import binary_stdout, is_terminal
from hitpredict.errors import EnvironmentProblem, InputError, UsageError
from hitpredict.files.owned import atomic
from hitpredict.mutations import Chain

_MADE_AHEAD = 2**24
"""Samples, over all channels, up to which a variant is made in memory while others are; longer ones in their turn."""

Place = Callable[[], None]


class Sink:
    """A place for variants. bits: sample format of what is written."""

    def __init__(self, bits: Encoding):
        self.bits: Encoding = bits

    def plan(self, sources: Iterable[Source], recipes: list[Chain]) -> None:
        """Find what cannot work before any work is done. Raises `UsageError`."""

    def names(self, sources: Iterable[Source], recipes: list[Chain]) -> Iterator[str]:
        """The files that would be written."""
        return iter(())

    def claim(self, source: Source, recipe: Chain) -> str | None:
        """A name for a variant that is about to be made; None when it is there already. `InputError` if it is taken."""
        return ""

    def take(self, name: str, sound: Sound) -> Place:
        """Make one variant, in any thread; the call given back, done in order, puts it into its place.

        Both raise `InputError` when the format cannot hold it.
        """
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def sink_for(
    output: Path | None, alone: bool, suffix: str, bits: Encoding | None, force: bool, skip_existing: bool
) -> Sink:
    """The sink that `-o` asks for. alone: there is exactly one variant. suffix: of files in a folder.

    bits: None for float in WAV, which cuts nothing, and 16 in FLAC.
    Raises `UsageError` when binary data would go to a terminal or an existing output is in the way.
    """
    if output is None:
        if is_terminal(sys.stdout):
            raise UsageError("the sound would go to the terminal; pipe it, redirect it, or name a file with -o")
        return _OneToStream(bits or "float") if alone else _Tar(None, bits or "float")
    as_file = output.suffix.lower() in SUFFIXES and not output.is_dir()
    if as_file and not alone:
        raise UsageError(f"{output}: is one file, and there are several variants; give a folder or a .tar file")
    form = output.suffix.lower() if as_file else ".wav" if output.suffix.lower() == ".tar" else suffix
    chosen: Encoding = bits or ("float" if form == ".wav" else "16")
    if form == ".flac" and chosen == "float":
        raise UsageError("--bits float: FLAC holds integers only; say 16 or 24, or write .wav")
    if not as_file and output.suffix.lower() != ".tar":
        return _Folder(output, suffix, chosen, force, skip_existing)
    if not check_writable(output, force, skip_existing):
        return _Nothing(chosen)
    return _OneFile(output, chosen) if as_file else _Tar(output, chosen)


class _Nothing(Sink):
    """For output that exists and is to be kept."""

    def claim(self, source: Source, recipe: Chain) -> str | None:
        return None


class _OneToStream(Sink):
    def take(self, name: str, sound: Sound) -> Place:
        def place() -> None:
            for chunk in _unbroken(wav_chunks(sound, self.bits)):
                binary_stdout().write(chunk)
            binary_stdout().flush()

        return place


class _OneFile(Sink):
    def __init__(self, path: Path, bits: Encoding):
        super().__init__(bits)
        self._path = path

    def names(self, sources: Iterable[Source], recipes: list[Chain]) -> Iterator[str]:
        yield str(self._path)

    def take(self, name: str, sound: Sound) -> Place:
        return lambda: write_audio(sound, self._path, self.bits)


class _Tar(Sink):
    """A tar on standard output (path None) or in a file, which appears only when it is whole."""

    def __init__(self, path: Path | None, bits: Encoding):
        super().__init__(bits)
        self._path, self._names = path, _Names(".wav")

    def plan(self, sources: Iterable[Source], recipes: list[Chain]) -> None:
        self._names.plan(sources, recipes)

    def names(self, sources: Iterable[Source], recipes: list[Chain]) -> Iterator[str]:
        if self._path:
            yield str(self._path)

    def claim(self, source: Source, recipe: Chain) -> str | None:
        return self._names.claim(source, recipe, InputError)

    def take(self, name: str, sound: Sound) -> Place:
        size, chunks = wav_size(sound, self.bits), wav_chunks(sound, self.bits)
        if sound.frames * sound.channels <= _MADE_AHEAD:
            chunks = iter([b"".join(chunks)])
        return lambda: self._tar.add(name, size, _unbroken(chunks))

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stream: IO[bytes] = stack.enter_context(atomic(self._path)) if self._path else binary_stdout()
            self._tar = stack.enter_context(TarWriter(stream))
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)


def _unbroken(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks, of which the first are on their way: where one fails, the whole stream is spoilt."""
    try:
        yield from chunks
    except Exception as error:
        raise EnvironmentProblem(f"{error}; what was written is incomplete") from error


class _Folder(Sink):
    def __init__(self, folder: Path, suffix: str, bits: Encoding, force: bool, skip_existing: bool):
        super().__init__(bits)
        self._folder, self._force, self._skip = folder, force, skip_existing
        self._suffix, self._names = suffix, _Names(suffix)
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder}: exists and is no folder; name another with -o")
        if folder.suffix:
            raise UsageError(f"{folder}: {folder.suffix} is no audio suffix (known: {', '.join(SUFFIXES)}, .tar)")

    def plan(self, sources: Iterable[Source], recipes: list[Chain]) -> None:
        sources = list(sources)
        there = {f"-o {name}": self._existing(name) for name in self._names.plan(sources, recipes)}
        replaced = {name: path for name, path in there.items() if check_writable(path, self._force, self._skip)}
        distinct(replaced, (source.file for source in sources))

    def names(self, sources: Iterable[Source], recipes: list[Chain]) -> Iterator[str]:
        return (str(self._folder / name) for name in self._names.plan(sources, recipes))

    def claim(self, source: Source, recipe: Chain) -> str | None:
        name = self._names.claim(source, recipe, InputError)
        path = self._existing(name)
        if path and not self._force:
            if self._skip:
                return None
            raise InputError(f"{path}: exists already; use --force to replace it or --skip-existing to keep it")
        return name

    def take(self, name: str, sound: Sound) -> Place:
        path = self._folder / name

        def place() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_audio(sound, path, self.bits)

        if sound.frames * sound.channels > _MADE_AHEAD:
            return place
        place()
        return lambda: None

    def _existing(self, name: str) -> Path | None:
        path = self._folder / name
        return path if path.exists() else None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            error.add_note(f"what is in {self._folder} stays, and the same command with --skip-existing does the rest")


class _Names:
    """File names given so far, to find two variants that would have the same.

    They mirror the folders of the inputs, below the deepest one that all inputs share.
    """

    def __init__(self, suffix: str):
        self._suffix, self._owners, self._root = suffix, dict[str, str](), Path.cwd()

    def plan(self, sources: Iterable[Source], recipes: list[Chain]) -> list[str]:
        """The names of all variants. Raises `UsageError` where two are the same."""
        sources = list(sources)
        places = {_absolute(source.path).parent for source in sources if _on_disk(source)}
        if places:
            self._root = Path(os.path.commonpath(places))
        trial = _Names(self._suffix)
        trial._root = self._root
        return [trial.claim(source, recipe, UsageError) for source in sources for recipe in recipes]

    def claim(self, source: Source, recipe: Chain, error: type[UsageError] | type[InputError]) -> str:
        name = str(self._folder_of(source) / f"{source.stem}.{recipe.label}{self._suffix}")
        # Case does not tell files apart everywhere.
        key = name.casefold()
        if key in self._owners:
            raise error(f"{source.path}: {name} is also the name of a variant of {self._owners[key]}; rename one")
        self._owners[key] = source.path
        return name

    def _folder_of(self, source: Source) -> PurePosixPath:
        member = source.path.removeprefix(f"{STDIN}/")
        if member != source.path:
            return PurePosixPath(member).parent
        folder = _absolute(source.path).parent
        below = _on_disk(source) and folder.is_relative_to(self._root)
        return PurePosixPath(folder.relative_to(self._root)) if below else PurePosixPath()


def _on_disk(source: Source) -> bool:
    return source.file is not None and not source.temporary and not source.problem


def _absolute(path: str) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - links are not followed
