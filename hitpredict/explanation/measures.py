"""A few things about a sound that people know by name, in plain units. NumPy only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from hitpredict.audio.clip import Samples
from hitpredict.audio.sound import Sound, reblocked
from hitpredict.errors import InputError
from hitpredict.files.arrays import Floats
from hitpredict.mutations.loudness import integrated_loudness

_FRAME = 8192
_AT_ONCE = 128
_CENTRES = (31.5, 63, 125, 250, 500, 1000, 2000, 4000, 8000, 16000)
_TILT = slice(1, 9)
_FAINTEST = -80.0
_LEVEL_SECONDS = 0.4


@dataclass(frozen=True)
class Measure:
    """One property of a sound.

    step: by how much it must differ to count as one step where properties are put in order, in its unit; of ratios
    (`relative`) a share. A convention, near what is just heard side by side: 1 dB, 5 %, 5 hundredths.
    """

    name: str
    unit: str
    step: float = 1.0
    relative: bool = False

    def steps(self, first: float, second: float) -> float:
        """How many steps two values are apart."""
        if self.relative:
            return float(abs(np.log(second / first)) / np.log1p(self.step)) if min(first, second) > 0 else 0.0
        return abs(second - first) / self.step


def _octave(centre: float) -> str:
    return f"{centre / 1000:g} kHz octave" if centre >= 1000 else f"{centre:g} Hz octave"


MEASURES: Mapping[str, Measure] = {
    each.name: each
    for each in (
        Measure("loudness", "LUFS"),
        Measure("peak above loudness", "dB"),
        Measure("range of levels", "dB"),
        Measure("brightness", "Hz", 0.05, relative=True),
        Measure("tilt", "dB per octave", 0.5),
        *(Measure(_octave(centre), "dB") for centre in _CENTRES),
        Measure("stereo width", "%", 5.0),
    )
}


def properties_of(sound: Sound) -> dict[str, float]:
    """The value of each of `MEASURES` that the sound has; octaves above its highest frequency are left out.

    loudness: integrated, BS.1770-4. peak above loudness: the highest sample against it. range of levels: between the
    10 % softest and the 5 % loudest 400 ms that are within 60 dB of the loudest. brightness: centroid of the
    amplitude spectrum. tilt: slope of the octaves' powers from 63 Hz to 8 kHz. octave: its power in the whole, at least
    -80 dB. stereo width: share of the power in the difference of the first two channels. InputError without loudness.
    """
    loudness = integrated_loudness(sound)
    frequencies, power = _spectrum(sound)
    amplitude = np.sqrt(power)
    centroid = float((frequencies * amplitude).sum() / amplitude.sum())
    shares = _octaves(frequencies, power)
    tilted = np.array(list(shares.values())[_TILT])
    peak, width = _peak_and_width(sound)
    return {
        "loudness": loudness,
        "peak above loudness": _decibels(peak**2) - loudness,
        "range of levels": _range(sound),
        "brightness": centroid,
        "tilt": float(np.polyfit(np.arange(len(tilted)), tilted, 1)[0]) if len(tilted) > 1 else 0.0,
        **{_octave(centre): share for centre, share in shares.items()},
        "stereo width": width,
    }


def level_of(sound: Sound) -> float:
    """Integrated loudness in LUFS. Raises `InputError`, naming the sound, when it is silent or too short for one."""
    try:
        return integrated_loudness(sound)
    except InputError as error:
        told = str(error).startswith(f"{sound.name}: ")
        raise InputError(str(error) if told else f"{sound.name}: cannot be compared: {error}") from error


def _spectrum(sound: Sound) -> tuple[Floats, Floats]:
    """Frequencies in Hz and the mean power at each, over all channels."""
    size = min(_FRAME, sound.frames)
    window, total = np.hanning(size + 2)[1:-1], np.zeros(size // 2 + 1)
    for frames in _overlapping(sound, size):
        for channel in frames:
            for at in range(0, len(channel), _AT_ONCE):
                total += (np.abs(np.fft.rfft(channel[at : at + _AT_ONCE] * window)) ** 2).sum(axis=0)
    frequencies, power = np.fft.rfftfreq(size, 1 / sound.rate), total / total.sum()
    return np.asarray(frequencies[1:], np.float64), np.asarray(power[1:], np.float64)


def _overlapping(sound: Sound, size: int) -> Iterator[Samples]:
    """Frames of `size` samples, each half over the one before: (channels, n, size)."""
    hop, held = max(1, size // 2), np.empty((sound.channels, 0), np.float32)
    for block in sound.blocks():
        held = np.concatenate([held, block], axis=1)
        if held.shape[1] >= size:
            frames = np.lib.stride_tricks.sliding_window_view(held, size, axis=1)[:, ::hop]
            yield frames
            held = held[:, frames.shape[1] * hop :]


def _octaves(frequencies: Floats, power: Floats) -> dict[float, float]:
    """Power of each octave that the sound's rate reaches, in dB of the whole."""
    edge = np.sqrt(2)
    within = {
        centre: (frequencies >= centre / edge) & (frequencies < centre * edge)
        for centre in _CENTRES
        if centre < frequencies[-1]
    }
    whole = power.sum()
    return {centre: max(_decibels(power[here].sum() / whole), _FAINTEST) for centre, here in within.items()}


def _range(sound: Sound) -> float:
    size = min(round(_LEVEL_SECONDS * sound.rate), sound.frames)
    parts = (part for part in reblocked(sound.parts(), size) if part.shape[1] == size)
    power = np.array([np.square(part, dtype=np.float64).mean() for part in parts])
    levels = 10 * np.log10(power[power > power.max() * 1e-6])
    low, high = np.percentile(levels, [10, 95])
    return float(high - low)


def _peak_and_width(sound: Sound) -> tuple[float, float]:
    peak, side, middle = 0.0, 0.0, 0.0
    for block in sound.blocks():
        peak = max(peak, float(np.abs(block).max()))
        if sound.channels > 1:
            side += float(np.square(block[0] - block[1]).sum(dtype=np.float64))
            middle += float(np.square(block[0] + block[1]).sum(dtype=np.float64))
    return peak, 100 * side / (side + middle) if side + middle else 0.0


def _decibels(power: float) -> float:
    return float(10 * np.log10(max(power, 1e-12)))
