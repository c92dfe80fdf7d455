"""The stems of a song: read, brought to the mix, and checked against it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hitpredict.audio.clip import Clip, Samples
from hitpredict.audio.formats import has_audio_suffix, is_hidden
from hitpredict.audio.read import read_audio
from hitpredict.audio.sound import Sound
from hitpredict.audio.source import Source
from hitpredict.errors import InputError
from hitpredict.explanation.align import aligned

# Between the stems of the example song and its mix as Ogg Vorbis there are -19 dB.
FITS, REFUSED = -15.0, -3.0
"""The level of what the stems lack of the mix, in dB of the mix: below the first all is well, above the second they are
of something else."""
MIXES = ("mix", "mixture", "master")
"""Names of files that are the mix, not a stem."""
SILENT = -80.0
"""In dB of the mix: a stem below this is silent."""
_SAME_GAIN = 0.1
_MOST_SAMPLES = 2**28
_SEARCHED = 30.0


@dataclass(frozen=True)
class Stems:
    """A mix and its stems, all of two channels, as many frames and one rate.

    parts: by name. residual: level of the mix minus the stems' sum, in dB of the mix. gain: dB by which the stems were
    turned to fit the mix. lag: seconds by which they begin later than the mix. notes: what had to be done to them.
    """

    mix: Clip
    parts: Mapping[str, Samples]
    residual: float
    gain: float
    lag: float
    notes: tuple[str, ...]

    def level(self, name: str, begin: float = 0.0, end: float | None = None) -> float | None:
        """Of a stem, in dB of the mix in the same stretch of seconds; None where it is silent."""
        first, stop = round(begin * self.mix.rate), self.mix.frames if end is None else round(end * self.mix.rate)
        whole, part = _power(self.mix.samples[:, first:stop]), _power(self.parts[name][:, first:stop])
        level = 10 * np.log10(part / whole) if part and whole else -np.inf
        return float(level) if level > SILENT else None


def read_stems(folder: Path, mix: Source | None, warn: Callable[[str], None]) -> Stems:
    """The stems in a folder, by the names of their files, and their mix, or else their sum.

    They are resampled to the mix's rate, padded or cut to its length, shifted to where they fit it best, and turned by
    one gain where that fits better by more than 0.1 dB. Raises `InputError` where there are none, or where they are
    not those of the mix.
    """
    files, own = _files(folder, mix)
    if mix is None and own is not None:
        mix = Source(str(own), file=str(own))
    read = {name: _read(path, name, warn) for name, path in files.items()}
    whole = _read(mix, str(mix), warn) if mix else None
    rate = whole.rate if whole else max(clip.rate for clip in read.values())
    notes: list[str] = []
    clips = {name: _fitted(name, clip, rate, notes) for name, clip in read.items()}
    frames = whole.frames if whole else max(clip.frames for clip in clips.values())
    if (len(clips) + 1) * frames * 2 > _MOST_SAMPLES:
        raise InputError(f"{folder}: more than {_MOST_SAMPLES / 2**20:.0f} million samples; cut the song and its stems")
    if whole is None:
        parts = {name: _shifted(clip.samples, 0, frames) for name, clip in clips.items()}
        base = Clip(_sum(parts.values()), rate, folder.resolve().name)
        return Stems(_sounding(base, str(folder)), parts, -np.inf, 0.0, 0.0, tuple(notes))
    return _matched(_sounding(_fitted("the mix", whole, rate, notes), str(mix)), clips, str(folder), notes)


def _files(folder: Path, mix: Source | None) -> tuple[dict[str, Path], Path | None]:
    """Stems by name, and the file that is called a mix, if there is one. Raises `InputError`."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file() and not is_hidden(path.name))
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}; give a folder of stems such as drums.wav, bass.wav") from error
    own, found = None, dict[str, Path]()
    for path in filter(lambda path: has_audio_suffix(path.name), paths):
        if path.stem.lower() in MIXES:
            own = path
        elif mix is not None and mix.whole_file and path.samefile(mix.whole_file):
            continue
        elif path.stem in found:
            raise InputError(f"{folder}: {found[path.stem].name} and {path.name} are two stems of one name; keep one")
        else:
            found[path.stem] = path
    if not found:
        raise InputError(f"{folder}: holds no stems; give a folder of sounds such as drums.wav, bass.wav, vocals.wav")
    return found, own


def _read(file: Path | Source, name: str, warn: Callable[[str], None]) -> Clip:
    return read_audio(file, lambda text: warn(f"{name}: {text}"))


def _fitted(name: str, clip: Clip, rate: int, notes: list[str]) -> Clip:
    """In two channels, at a rate."""
    if clip.channels > 2:
        raise InputError(f"{name}: has {clip.channels} channels; give one or two")
    samples = np.repeat(clip.samples, 2, axis=0) if clip.channels == 1 else clip.samples
    if clip.rate != rate:
        import soxr

        notes.append(f"{name}: resampled from {clip.rate} to {rate} Hz")
        samples = np.ascontiguousarray(soxr.resample(samples.T, clip.rate, rate).T, np.float32)
    return replace(clip, samples=samples, rate=rate)


def _sounding(clip: Clip, path: str) -> Clip:
    if np.abs(clip.samples).max(initial=0) < 1 / 32768:
        raise InputError(f"{path}: is silent, so no change to it can be heard; give a song with sound")
    return clip


def _matched(mix: Clip, clips: Mapping[str, Clip], folder: str, notes: list[str]) -> Stems:
    frames = max(clip.frames for clip in clips.values())
    total = _sum(_shifted(clip.samples, 0, frames) for clip in clips.values())
    lag = _lag(mix, replace(mix, samples=total))
    parts = {name: _shifted(clip.samples, lag, mix.frames) for name, clip in clips.items()}
    longer = frames - max(lag, 0) - mix.frames
    if longer > 0.1 * mix.rate:
        notes.append(f"the stems go on for {longer / mix.rate:.1f} s after the mix; that is cut")
    total = _sum(parts.values())
    power = float(np.vdot(total, total))
    gain = float(np.vdot(total, mix.samples)) / power if power else 1.0
    if gain > 0 and abs(20 * np.log10(gain)) > _SAME_GAIN:
        notes.append(f"the stems are turned by {20 * np.log10(gain):+.1f} dB, which fits the mix best")
        parts = {name: part * np.float32(gain) for name, part in parts.items()}
        total *= np.float32(gain)
    else:
        gain = 1.0
    left = _power(mix.samples - total) / _power(mix.samples)
    residual = 10 * np.log10(left) if left else -np.inf
    if residual > REFUSED:
        raise InputError(
            f"{folder}: the stems are not those of the mix: what they lack is {residual:+.1f} dB of it, and more than "
            f"{REFUSED:g} dB is refused"
        )
    return Stems(mix, parts, float(residual), float(20 * np.log10(gain)), lag / mix.rate, tuple(notes))


def _lag(mix: Clip, total: Clip) -> int:
    """Frames by which the stems begin later than the mix: where 30 s of both agree best, as they lie or aligned."""
    found = aligned(Sound.of(mix), Sound.of(total))
    near = [0, round(found.lag * mix.rate)] if found else [0]
    reach = mix.rate // 2000
    middle, half = mix.frames // 2, round(_SEARCHED * mix.rate / 2)
    start = max(0, middle - half)
    here = mix.samples[:, start : middle + half]
    size = float(np.vdot(here, here))
    fits = {}
    for lag in (lag for each in near for lag in range(each - reach, each + reach + 1)):
        there = _shifted(total.samples, lag + start, here.shape[1])
        power = size * float(np.vdot(there, there))
        fits[lag] = abs(float(np.vdot(here, there))) / np.sqrt(power) if power else 0.0
    return max(fits, key=lambda lag: (fits[lag], -abs(lag)))


def _shifted(samples: Samples, lag: int, frames: int) -> Samples:
    """From `lag` frames on, so many of them, with silence where there are none."""
    placed = np.zeros((2, frames), np.float32)
    start, stop = max(0, -lag), min(frames, samples.shape[1] - lag)
    if stop > start:
        placed[:, start:stop] = samples[:, start + lag : stop + lag]
    return placed


def _sum(parts: Iterable[Samples]) -> Samples:
    total, *others = (part.copy() for part in parts)
    for part in others:
        total += part
    return total


def _power(samples: Samples) -> float:
    return float(np.square(samples, dtype=np.float64).mean()) if samples.size else 0.0
