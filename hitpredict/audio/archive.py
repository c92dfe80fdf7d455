"""Tar streams of variants: one WAV a member, readable by tar, by WebDataset and by `score -`."""

import io
import tarfile
from types import TracebackType
from typing import IO, Self

from hitpredict.audio.clip import Clip
from hitpredict.audio.write import Encoding, wav_bytes


class TarWriter:
    """Write clips as WAV members into a stream that need not be seekable; the bytes depend on the clips alone."""

    def __init__(self, stream: IO[bytes], encoding: Encoding = "16"):
        self._tar = tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._encoding: Encoding = encoding

    def add(self, name: str, clip: Clip) -> None:
        """Append one member; `name` is its file name, `/` separated."""
        data = wav_bytes(clip, self._encoding)
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(data), 0o644
        self._tar.addfile(member, io.BytesIO(data))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing writes the end marker, which a broken archive must not have.
        if kind is None:
            self._tar.close()
