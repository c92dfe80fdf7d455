"""A few things about a sound that people know by name, in plain units. NumPy only."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hitpredict.audio.clip import Clip
from hitpredict.audio.sound import Sound
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


def properties_of(clip: Clip) -> dict[str, float]:
    """The value of each of `MEASURES` that the clip has; octaves above its highest frequency are left out.

    loudness: integrated, BS.1770-4. peak above loudness: the highest sample against it. range of levels: between the
    10 % softest and the 5 % loudest 400 ms that are within 60 dB of the loudest. brightness: centroid of the
    amplitude spectrum. tilt: slope of the octaves' powers from 63 Hz to 8 kHz. octave: its power in the whole, at least
    -80 dB. stereo width: share of the power in the difference of the first two channels. InputError without loudness.
    """
    loudness = integrated_loudness(Sound.of(clip))
    frequencies, power = _spectrum(clip)
    amplitude = np.sqrt(power)
    centroid = float((frequencies * amplitude).sum() / amplitude.sum())
    shares = _octaves(frequencies, power)
    tilted = np.array(list(shares.values())[_TILT])
    return {
        "loudness": loudness,
        "peak above loudness": _decibels(float(np.abs(clip.samples).max()) ** 2) - loudness,
        "range of levels": _range(clip),
        "brightness": centroid,
        "tilt": float(np.polyfit(np.arange(len(tilted)), tilted, 1)[0]) if len(tilted) > 1 else 0.0,
        **{_octave(centre): share for centre, share in shares.items()},
        "stereo width": _width(clip),
    }


def level_of(clip: Clip) -> float:
    """Integrated loudness in LUFS. Raises `InputError`, naming the clip, when it is silent or too short to have one."""
    try:
        return integrated_loudness(Sound.of(clip))
    except InputError as error:
        raise InputError(f"{clip.name}: cannot be compared: {error}") from error


def _spectrum(clip: Clip) -> tuple[Floats, Floats]:
    """Frequencies in Hz and the mean power at each, over all channels."""
    size = min(_FRAME, clip.frames)
    window, total = np.hanning(size + 2)[1:-1], np.zeros(size // 2 + 1)
    for channel in clip.samples:
        frames = np.lib.stride_tricks.sliding_window_view(channel, size)[:: max(1, size // 2)]
        for at in range(0, len(frames), _AT_ONCE):
            total += (np.abs(np.fft.rfft(frames[at : at + _AT_ONCE] * window)) ** 2).sum(axis=0)
    frequencies, power = np.fft.rfftfreq(size, 1 / clip.rate), total / total.sum()
    return np.asarray(frequencies[1:], np.float64), np.asarray(power[1:], np.float64)


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


def _range(clip: Clip) -> float:
    size = min(round(_LEVEL_SECONDS * clip.rate), clip.frames)
    whole = clip.frames // size * size
    power = np.square(clip.samples[:, :whole], dtype=np.float64).mean(axis=0).reshape(-1, size).mean(axis=1)
    levels = 10 * np.log10(power[power > power.max() * 1e-6])
    low, high = np.percentile(levels, [10, 95])
    return float(high - low)


def _width(clip: Clip) -> float:
    if clip.channels < 2:
        return 0.0
    left, right = clip.samples[:2]
    side, middle = float(np.square(left - right).mean()), float(np.square(left + right).mean())
    return 100 * side / (side + middle) if side + middle else 0.0


def _decibels(power: float) -> float:
    return float(10 * np.log10(max(power, 1e-12)))
