"""Agreement of the descriptor tables with plain librosa: a section of benchmarks/run.py.

python benchmarks/descriptors.py FOLDER       compares on the sounds in FOLDER too, and prints
"""

import io
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import soundfile
from peers import features_librosa

from hitpredict import read_audio
from hitpredict.audio.clip import Clip
from hitpredict.features.descriptors import Descriptor, Fma518, Hmn207
from hitpredict.features.descriptors.statistics import STATISTICS

HERE = Path(__file__).parent
SONG = HERE.parent / "examples" / "song.ogg"
KINDS: tuple[tuple[Descriptor, str], ...] = (
    (Fma518(), "fma518"),
    (Fma518(compat=True), "fma518"),
    (Hmn207(), "hmn207"),
)
SUFFIXES = (".ogg", ".wav", ".mp3", ".flac")
WHY = (
    "What does not agree follows. In synthetic sounds it is rounding: the chroma of a constant signal is made of",
    "rounding errors alone; a click's spectrum is flat, so that its contrast is nothing but rounding; the skew of two",
    "values is zero here and the reference's rounding there; decibels of silence that are constant but for rounding",
    "have a skew in the reference.",
)
EXCEPTIONS_HEAD = ("| kind | sound | column | hitpredict | librosa |", "|---|---|---|---|---|")
RATES = (8000, 16000, 22050, 44100, 48000)


def parity(folder: Path | None = None, sounds: int | None = None) -> str:
    """How many values agree, by family of columns, and which do not.

    folder: more sounds to compare on. sounds: how many of the synthetic ones, None for all.
    """
    recorded = [read_audio(SONG), compressed(read_audio(SONG))]
    if folder:
        recorded += [read_audio(path) for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES]
    everything = [*recorded, *islice(synthetic(), sounds)]
    rows, exceptions = [], []
    for kind, peer in KINDS:
        label = f"{kind.name}{' compat' if kind.compat else ''}"
        ours, theirs = compare(kind, peer, everything)
        good = features_librosa.agrees(ours, theirs)
        families = [family(column) for column in kind.columns]
        for one in dict.fromkeys(families):
            rows.append(shares(label, one, good[:, [f == one for f in families]], len(recorded)))
        rows.append(shares(f"**{label}**", "**all**", good, len(recorded)))
        for sound in np.flatnonzero(~good.all(axis=1)):
            for column in np.flatnonzero(~good[sound]):
                pair = f"{ours[sound, column]:.6g} | {theirs[sound, column]:.6g}"
                exceptions.append(f"| {label} | {everything[sound].name} | {kind.columns[column]} | {pair} |")
    seconds = sum(sound.duration for sound in everything)
    head = f"""## Descriptor tables: agreement with plain librosa

{len(recorded)} recordings and {len(everything) - len(recorded)} synthetic sounds, {seconds:.0f} s. A value agrees \
within {features_librosa.RELATIVE:g} of itself or {features_librosa.OF_RANGE:g} of its column's range, or when both \
are NaN.

| kind | columns | values | agree | of recordings |
|---|---|---|---|---|
"""
    return head + "\n".join([*rows, "", *WHY, "", *EXCEPTIONS_HEAD, *exceptions])


def shares(label: str, columns: str, good: np.ndarray, recorded: int) -> str:
    """A row of the table: how many of all values agree, and of those of the recordings, which come first."""
    return f"| {label} | {columns} | {good.size} | {good.mean():.3%} | {good[:recorded].mean():.3%} |"


def compare(kind: Descriptor, peer: str, sounds: list[Clip]) -> tuple[np.ndarray, np.ndarray]:
    """Both tables, (sounds, columns)."""
    ours = [kind([sound.samples], sound.rate) for sound in sounds]
    reference = getattr(features_librosa, peer)
    theirs = [reference(sound.samples.mean(axis=0), sound.rate, kind.compat) for sound in sounds]
    return np.array(ours, np.float64), np.array(theirs, np.float64)


def family(column: str) -> str:
    """The feature a column belongs to."""
    parts = [part for part in column.split("_") if not part.isdigit() and part not in STATISTICS]
    return "_".join(parts)


def synthetic(seconds: float = 6.0) -> Iterator[Clip]:
    """Noise, tones, clicks and silence at all usual rates, in one channel and in two."""
    random = np.random.default_rng(0)
    for rate in RATES:
        time = np.arange(round(seconds * rate)) / rate
        noise = 0.1 * random.normal(size=(2, time.size))
        octave = np.minimum(rate / 4, 4000)
        chord = sum(0.1 * np.sin(2 * np.pi * f * k * time) for f in (196, 246.9, 329.6) for k in (1, 2, 3))
        clicks = np.zeros(time.size)
        clicks[:: rate // 3] = 0.9
        padded = np.concatenate([np.zeros(rate), chord[: 3 * rate] + noise[0, : 3 * rate] / 20, np.zeros(2 * rate)])
        sounds = {
            "noise": noise,
            "sine": 0.5 * np.sin(2 * np.pi * 440 * time)[None],
            "clicks": clicks[None],
            "chirp": 0.5 * np.sin(2 * np.pi * octave * time**2 / 2 / seconds)[None],
            "chord and noise": np.stack([chord, chord + noise[1] / 10]),
            "chord within silence": padded[None],
            "silence": np.zeros((1, time.size)),
            "constant": np.full((1, time.size), 0.25),
            "1000 samples": noise[:, :1000],
            "one sample": np.full((1, 1), 0.5),
        }
        for name, samples in sounds.items():
            yield Clip(samples.astype(np.float32), rate, f"{name}, {rate / 1000:g} kHz")


def compressed(clip: Clip) -> Clip:
    """The sound after a trip through MP3, which leaves next to nothing above its cut-off."""
    buffer = io.BytesIO()
    soundfile.write(buffer, clip.samples.T, clip.rate, format="MP3")
    return Clip(read_audio(buffer.getvalue()).samples, clip.rate, f"{clip.name} as MP3")


if __name__ == "__main__":
    print(parity(Path(sys.argv[1])))
