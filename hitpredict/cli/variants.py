"""Where the variants of `mutate` go: a WAV or a tar on standard output, a file, a tar file, a folder of files."""

import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from hitpredict.audio.archive import TarWriter
from hitpredict.audio.clip import Clip
from hitpredict.audio.source import Source
from hitpredict.audio.write import SUFFIXES, Encoding, atomic, write_audio, write_wav
from hitpredict.cli.output import check_writable
from hitpredict.cli.streams import binary_stdout, is_terminal
from hitpredict.errors import InputError, UsageError
from hitpredict.mutations import Recipe


class Sink:
    """A place for variants. bits: sample format of what is written."""

    def __init__(self, bits: Encoding):
        self.bits: Encoding = bits

    def plan(self, sources: Iterable[Source], recipes: list[Recipe]) -> None:
        """Find what cannot work before any work is done. Raises `UsageError`."""

    def wants(self, source: Source, recipe: Recipe) -> bool:
        """Whether this variant is still to be made."""
        return True

    def write(self, source: Source, recipe: Recipe, clip: Clip) -> None:
        """Take one variant. Raises `InputError` when the format cannot hold it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def sink_for(output: Path | None, alone: bool, suffix: str, bits: Encoding, force: bool, skip_existing: bool) -> Sink:
    """The sink that `-o` asks for. alone: there is exactly one variant. suffix: of files in a folder.

    Raises `UsageError` when binary data would go to a terminal or an existing output is in the way.
    """
    if output is None:
        if is_terminal(sys.stdout):
            raise UsageError("the sound would go to the terminal; pipe it, redirect it, or name a file with -o")
        return _OneToStream(bits) if alone else _Tar(None, bits)
    as_file = output.suffix.lower() in SUFFIXES and not output.is_dir()
    if as_file and not alone:
        raise UsageError(f"{output}: is one file, and there are several variants; give a folder or a .tar file")
    if not as_file and output.suffix.lower() != ".tar":
        return _Folder(output, suffix, bits, force, skip_existing)
    if not check_writable(output, force, skip_existing):
        return _Nothing(bits)
    return _OneFile(output, bits) if as_file else _Tar(output, bits)


class _Nothing(Sink):
    """For output that exists and is to be kept."""

    def wants(self, source: Source, recipe: Recipe) -> bool:
        return False


class _OneToStream(Sink):
    def write(self, source: Source, recipe: Recipe, clip: Clip) -> None:
        write_wav(clip, binary_stdout(), self.bits)
        binary_stdout().flush()


class _OneFile(Sink):
    def __init__(self, path: Path, bits: Encoding):
        super().__init__(bits)
        self._path = path

    def write(self, source: Source, recipe: Recipe, clip: Clip) -> None:
        write_audio(clip, self._path, self.bits)


class _Tar(Sink):
    """A tar on standard output (path None) or in a file, which appears only when it is whole."""

    def __init__(self, path: Path | None, bits: Encoding):
        super().__init__(bits)
        self._path, self._names = path, _Names(".wav")

    def plan(self, sources: Iterable[Source], recipes: list[Recipe]) -> None:
        names = _Names(".wav")
        for source in sources:
            for recipe in recipes:
                names.claim(source, recipe, UsageError)

    def write(self, source: Source, recipe: Recipe, clip: Clip) -> None:
        self._tar.add(self._names.claim(source, recipe, InputError), clip)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stream: IO[bytes] = stack.enter_context(atomic(self._path)) if self._path else binary_stdout()
            self._tar = stack.enter_context(TarWriter(stream, self.bits))
            self._open = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)


class _Folder(Sink):
    def __init__(self, folder: Path, suffix: str, bits: Encoding, force: bool, skip_existing: bool):
        super().__init__(bits)
        self._folder, self._force, self._skip = folder, force, skip_existing
        self._suffix, self._names = suffix, _Names(suffix)
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder}: exists and is no folder; name another with -o")
        if folder.suffix:
            raise UsageError(f"{folder}: {folder.suffix} is no audio suffix (known: {', '.join(SUFFIXES)}, .tar)")

    def plan(self, sources: Iterable[Source], recipes: list[Recipe]) -> None:
        names = _Names(self._suffix)
        for source in sources:
            for recipe in recipes:
                check_writable(self._existing(names.claim(source, recipe, UsageError)), self._force, self._skip)

    def wants(self, source: Source, recipe: Recipe) -> bool:
        existing = self._existing(file_name(source, recipe, self._suffix))
        return self._force or existing is None or not self._skip

    def write(self, source: Source, recipe: Recipe, clip: Clip) -> None:
        path = self._folder / self._names.claim(source, recipe, InputError)
        if path.exists() and not self._force:
            raise InputError(f"{path}: exists already; use --force to replace it or --skip-existing to keep it")
        write_audio(clip, path, self.bits)

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


def file_name(source: Source, recipe: Recipe, suffix: str) -> str:
    """`song.pitch+2.wav`: the variant's name in a folder or an archive."""
    return f"{source.stem}.{recipe.label}{suffix}"


class _Names:
    """File names given so far, to find two variants that would have the same."""

    def __init__(self, suffix: str):
        self._suffix, self._owners = suffix, dict[str, str]()

    def claim(self, source: Source, recipe: Recipe, error: type[UsageError] | type[InputError]) -> str:
        name = file_name(source, recipe, self._suffix)
        # Case does not tell files apart everywhere.
        key = name.casefold()
        if key in self._owners:
            raise error(f"{source.path}: {name} is also the name of a variant of {self._owners[key]}; rename one")
        self._owners[key] = source.path
        return name
