"""Taking away a part of a song, in time or in frequency, so that what is left still sounds like a song. NumPy only.

Cutting out leaves less of the song, joined by short crossfades. Levelling keeps its length: in the part that is taken
away each frequency is brought to its mean level in the song (in decibels), so that what changed over time there is
gone. The phases stay, and so does what happens within a sixth of a second.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Clip, Samples
from hitpredict.audio.sound import BLOCK_FRAMES, Sound

Stretch = tuple[int, int]
"""First sample and the one behind the last."""
_CENTRES = (62.5, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0)
_FADE_SECONDS, _FRAME_SECONDS, _SMOOTH_SECONDS = 0.02, 0.046, 0.17
_DEEP, _MOST_GAIN = 60.0, 30.0
_AT_ONCE = 256
_PIECE_SECONDS = 1.0
_FEWEST_PIECES, _MOST_PIECES = 4, 32


@dataclass(frozen=True)
class FrequencyBand:
    """low, high: Hz, the ends of an octave; the first begins at 0, the last ends at half the sample rate."""

    low: float
    high: float

    @property
    def label(self) -> str:
        """Such as `88–177 Hz`."""
        return f"{_hertz(self.low)}–{_hertz(self.high)} Hz"


def _hertz(value: float) -> str:
    return f"{value / 1000:.3g}k" if value >= 1000 else f"{value:.0f}"


def bands_up_to(nyquist: float) -> list[FrequencyBand]:
    """Octaves around 63 Hz, 125 Hz and so on."""
    edges = [edge for edge in (round(centre * 2**0.5, 1) for centre in _CENTRES[:-1]) if edge < nyquist]
    return [FrequencyBand(low, high) for low, high in pairwise([0.0, *edges, nyquist])]


@dataclass(frozen=True)
class Levelled:
    """A song of one channel, and what has to be added to level each band of it: (samples,) each."""

    mono: Samples
    rate: int
    changes: tuple[NDArray[np.float32], ...]

    @classmethod
    def of(cls, clip: Clip, bands: Sequence[FrequencyBand]) -> "Levelled":
        """Analyse a clip; takes four bytes a sample and band."""
        mono = clip.samples.mean(axis=0, dtype=np.float32)
        size = 1 << max(4, round(np.log2(clip.rate * _FRAME_SECONDS)))
        hop = size // 4
        window = np.sqrt(np.hanning(size + 1)[:-1]).astype(np.float32)
        padded = np.pad(mono, (size, 2 * size))
        frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
        gains = _gains(frames, window, clip.rate / hop)
        bins = np.arange(size // 2 + 1) * clip.rate / size
        inside = [(bins >= band.low) & (bins < band.high) for band in bands]
        inside[-1] |= bins >= bands[-1].high
        changes = np.zeros((len(bands), len(padded)), np.float32)
        for at in range(0, len(frames), _AT_ONCE):
            change = np.fft.rfft(frames[at : at + _AT_ONCE] * window) * (gains[at : at + _AT_ONCE] - 1)
            for which, own in zip(inside, changes, strict=True):
                # Four windows overlap, and the squares of them add up to 2.
                parts = np.fft.irfft(change * which, size) * (window / 2)
                for number, part in enumerate(parts, at):
                    own[number * hop : number * hop + size] += part
        return cls(mono, clip.rate, tuple(np.ascontiguousarray(own[size : size + len(mono)]) for own in changes))

    def sound(self, taken: Mapping[int, Sequence[Stretch]], name: str) -> Sound:
        """The song with stretches of bands levelled; a Sound of one channel. taken: ascending stretches by band."""
        fade = round(_FADE_SECONDS * self.rate)
        slopes = [(band, slope) for band, stretches in taken.items() for slope in _slopes(stretches, fade)]

        def parts() -> Iterator[Samples]:
            for first in range(0, len(self.mono), BLOCK_FRAMES):
                block = self.mono[first : first + BLOCK_FRAMES].copy()
                for band, (start, stop, low, high) in slopes:
                    begin, end = max(start, first), min(stop, first + len(block))
                    if begin < end:
                        steps = np.arange(begin - start, end - start, dtype=np.float32) / np.float32(stop - start)
                        share = low + (high - low) * steps if low != high else np.float32(1)
                        block[begin - first : end - first] += share * self.changes[band][begin:end]
                yield block[None]

        return Sound(self.rate, 1, len(self.mono), parts, name)


def _gains(frames: NDArray[np.float32], window: NDArray[np.float32], per_second: float) -> NDArray[np.float32]:
    """What brings each frequency of each frame (n, size // 2 + 1) to its mean level in decibels."""
    power = np.concatenate(
        [
            np.square(np.abs(np.fft.rfft(frames[at : at + _AT_ONCE] * window))).astype(np.float32)
            for at in range(0, len(frames), _AT_ONCE)
        ]
    )
    width = max(1, round(_SMOOTH_SECONDS * per_second))
    for own in np.moveaxis(power, 1, 0):
        own[:] = np.convolve(np.pad(own, (width // 2, width - 1 - width // 2), "edge"), np.ones(width) / width, "valid")
    floor = max(float(power.max()), 1e-20) * 10 ** (-_DEEP / 10)
    level = 10 * np.log10(np.maximum(power, floor))
    return np.asarray(10 ** (np.minimum(level.mean(axis=0) - level, _MOST_GAIN) / 20), np.float32)


def _slopes(stretches: Sequence[Stretch], fade: int) -> Iterator[tuple[int, int, float, float]]:
    """From where to where the share of what is taken away runs from which to which value."""
    for start, stop in _joined(stretches):
        half = min(fade, stop - start) // 2
        yield start - half, start + half, 0.0, 1.0
        yield start + half, stop - half, 1.0, 1.0
        yield stop - half, stop + half, 1.0, 0.0


def _joined(stretches: Sequence[Stretch]) -> list[Stretch]:
    """The same, those that touch in one."""
    found: list[Stretch] = []
    for start, stop in sorted(stretches):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(stop, found[-1][1])
        else:
            found.append((start, stop))
    return found


def cut_out(clip: Clip, stretches: Sequence[Stretch]) -> Clip:
    """The clip without some stretches, of one channel, joined by crossfades of 20 ms."""
    mono, fade = clip.samples.mean(axis=0, dtype=np.float32), round(_FADE_SECONDS * clip.rate)
    kept = mono[:0]
    edges = [0, *(place for stretch in _joined(stretches) for place in stretch), len(mono)]
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        part = mono[start:stop]
        size = min(fade, len(kept), len(part), start)
        if size:
            # What was before the part fades in while the last of what is kept fades out.
            rise = np.linspace(0, 1, size, dtype=np.float32)
            kept[-size:] = kept[-size:] * (1 - rise) + mono[start - size : start] * rise
        kept = np.concatenate([kept, part])
    return Clip(kept[None], clip.rate, clip.name, clip.tags)


def short_pieces(frames: int, rate: int, share: float, rng: np.random.Generator) -> list[Stretch]:
    """Short pieces from everywhere that are a share of a song together: one at random in each of equal parts of it."""
    count = int(np.clip(round(share * frames / rate / _PIECE_SECONDS), _FEWEST_PIECES, _MOST_PIECES))
    part = frames / count
    starts = (np.arange(count) + rng.random(count) * (1 - share)) * part
    return [(int(start), int(start + share * part)) for start in starts]
