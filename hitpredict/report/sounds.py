"""The songs that records are of: found again, checked, and looked at for their waveform and their loudest passage."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.read import read_sound
from hitpredict.audio.sound import Sound, reblocked
from hitpredict.audio.source import STDIN, Source
from hitpredict.errors import InputError, UsageError
from hitpredict.report.records import Printed, Records

_COLUMNS = 1000
PASSAGE = 10.0
"""Seconds that are played of a song."""
_OTHER_LENGTH = 0.1


@dataclass(frozen=True)
class FoundSong:
    """A song that was found. lows, highs: its waveform in `_COLUMNS` columns or fewer, 1 for full scale.

    loudest: where its loudest `PASSAGE` begins, in seconds.
    """

    sound: Sound
    lows: NDArray[np.float32]
    highs: NDArray[np.float32]
    loudest: float


@dataclass
class Sounds:
    """Where the songs of records are: in `folder` by their file names, or that one file, or else where the records say.

    audio: whether they are to be played. failed: takes what was asked for and is not there; songs are asked for by
    `audio` and `folder`, and looked for without a word otherwise.
    """

    folder: Path | None = None
    audio: bool = False
    failed: Callable[[InputError], None] = lambda error: None
    _found: dict[str, FoundSong | None] = field(default_factory=dict)

    def check(self, records: Records) -> None:
        """Raises `UsageError` where one file is to be several songs, or nothing is there."""
        if self.folder is None:
            return
        if not self.folder.exists():
            raise UsageError(f"`sounds` {self.folder}: no such file or folder")
        paths = {record["path"] for record in (*records.scores, *records.effects)}
        if not self.folder.is_dir() and len(paths) > 1:
            raise UsageError(
                f"`sounds` {self.folder}: is one sound, and the records are of {len(paths)}; give a folder"
            )

    def of(self, record: Printed) -> FoundSong | None:
        """The song of a record, if it is there and as long as the record says."""
        path = record["path"]
        if path not in self._found:
            try:
                self._found[path] = self._read(path, record.get("duration"))
            except InputError as error:
                self._found[path] = None
                if self.audio or self.folder:
                    self.failed(InputError(f"{error}; its waveform and players are left out"))
        return self._found[path]

    def _read(self, path: str, duration: float | None) -> FoundSong:
        file = self._file(path)
        sound = read_sound(Source(str(file), file=str(file)))
        if duration is not None and abs(sound.duration - duration) > _OTHER_LENGTH:
            raise InputError(
                f"{file}: lasts {sound.duration:.1f} s, and that of the records {duration:.1f} s: it is another song, "
                "or has changed since"
            )
        return found_song(sound)

    def _file(self, path: str) -> Path:
        if self.folder is not None:
            return self.folder / PurePath(path).name if self.folder.is_dir() else self.folder
        if path == STDIN:
            raise InputError("-: came from standard input; name its file with `sounds`")
        if not Path(path).exists():
            raise InputError(f"{path}: no such file; name its folder with `sounds`")
        return Path(path)


def found_song(sound: Sound) -> FoundSong:
    """A song, read once for its waveform and its loudest passage. Raises `InputError`."""
    column = max(1, -(-sound.frames // _COLUMNS))
    lows, highs, powers = [], [], []
    for part in reblocked(sound.parts(), column):
        lows.append(part.min())
        highs.append(part.max())
        powers.append(float(np.square(part, dtype=np.float64).sum()))
    seconds = column / sound.rate
    return FoundSong(sound, np.array(lows), np.array(highs), _loudest(powers, seconds))


def _loudest(powers: Sequence[float], seconds: float) -> float:
    """Where the `PASSAGE` of most power begins. powers: of stretches of so many seconds."""
    wide = min(len(powers), max(1, round(PASSAGE / seconds)))
    sums = np.concatenate([[0.0], np.cumsum(powers)])
    return int((sums[wide:] - sums[:-wide]).argmax()) * seconds
