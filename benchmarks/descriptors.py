"""Speed and parity of the descriptor tables against plain librosa, into benchmarks/results/descriptors.md.

    python benchmarks/descriptors.py [FOLDER]       FOLDER: more sounds to compare on

Nothing else should be running. Decoding, and librosa's compilation at its first call, are not counted.
"""

import datetime
import io
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np
import soundfile
from measure import call, in_turn
from peers import features_librosa

from hitpredict import read_audio
from hitpredict.audio.clip import Clip
from hitpredict.descriptors import Descriptor, Fma518, Hmn207

HERE = Path(__file__).parent
SONG = HERE.parent / "examples" / "song.ogg"
KINDS: tuple[tuple[Descriptor, str], ...] = (
    (Fma518(), "fma518"),
    (Fma518(compat=True), "fma518"),
    (Hmn207(), "hmn207"),
)
RATES = (8000, 16000, 22050, 44100, 48000)
RELATIVE, OF_RANGE = 1e-3, 1e-4


def main() -> None:
    """Write the page."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {datetime.date.today():%Y-%m-%d}"
    text = "\n\n".join([speed(), f"{machine}; medians, and ratios pair by pair.", parity(folder)])
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    (results / "descriptors.md").write_text(text + "\n")
    print(text)


def speed() -> str:
    """CPU time of one core for 30 s of stereo at 44.1 kHz, in turn with librosa."""
    clip = read_audio(SONG)
    blocks = [clip.samples[:, i : i + 2**17] for i in range(0, 30 * clip.rate, 2**17)]
    mono = np.concatenate(blocks, axis=1).mean(axis=0)
    lines = ["## Descriptor tables: CPU time for 30 s of stereo at 44.1 kHz, beside plain librosa", ""]
    lines += ["| | hitpredict | librosa | librosa / hitpredict |", "|---|---|---|---|"]
    for kind, peer in (KINDS[0], KINDS[2]):
        reference = getattr(features_librosa, peer)
        pairs = in_turn(
            lambda kind=kind: call(lambda: [kind(blocks, clip.rate) for _ in range(3)]),
            lambda reference=reference: call(lambda: [reference(mono, clip.rate) for _ in range(3)]),
            9,
        )
        low, median, high = pairs.ratios("cpu")
        ours, theirs = (pairs.median(side, "cpu") / 3 * 1000 for side in ("ours", "peers"))
        lines.append(f"| `{kind.name}` | {ours:.0f} ms | {theirs:.0f} ms | {median:.1f} ({low:.1f} to {high:.1f}) |")
    return "\n".join(lines)


def parity(folder: Path | None) -> str:
    """How many values agree, by family of columns, and which do not."""
    sounds = list(synthetic()) + [read_audio(SONG), compressed(read_audio(SONG))]
    if folder:
        sounds += [
            read_audio(path) for path in sorted(folder.iterdir()) if path.suffix in {".ogg", ".wav", ".mp3", ".flac"}
        ]
    rows, exceptions = [], []
    for kind, peer in KINDS:
        label = f"{kind.name}{' compat' if kind.compat else ''}"
        ours, theirs = compare(kind, peer, sounds)
        good = agrees(ours, theirs)
        families = [family(column) for column in kind.columns]
        for one in dict.fromkeys(families):
            mine = good[:, [f == one for f in families]]
            rows.append(f"| {label} | {one} | {mine.size} | {mine.mean():.2%} |")
        rows.append(f"| **{label}** | **all** | {good.size} | **{good.mean():.3%}** |")
        for sound, column in np.argwhere(~good):
            pair = f"{ours[sound, column]:.6g} | {theirs[sound, column]:.6g}"
            exceptions.append(f"| {label} | {sounds[sound].name} | {kind.columns[column]} | {pair} |")
    head = [
        "## Descriptor tables: agreement with plain librosa",
        "",
        f"{len(sounds)} sounds ({sum(sound.duration for sound in sounds):.0f} s). A value agrees within {RELATIVE:g} of "
        f"itself or {OF_RANGE:g} of its column's range, or when both are NaN.",
        "",
    ]
    table = ["| kind | columns | values | agree |", "|---|---|---|---|", *rows, ""]
    tail = ["Those that do not agree:", "", "| kind | sound | column | hitpredict | librosa |", "|---|---|---|---|---|"]
    return "\n".join([*head, *table, *tail, *exceptions])


def compare(kind: Descriptor, peer: str, sounds: list[Clip]) -> tuple[np.ndarray, np.ndarray]:
    """Both tables, (sounds, columns)."""
    ours = [kind([sound.samples], sound.rate) for sound in sounds]
    reference = getattr(features_librosa, peer)
    theirs = [reference(sound.samples.mean(axis=0), sound.rate, kind.compat) for sound in sounds]
    return np.array(ours, np.float64), np.array(theirs, np.float64)


def agrees(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Which values of two tables are the same."""
    with np.errstate(invalid="ignore"):
        spans = np.nanmax(theirs, axis=0) - np.nanmin(theirs, axis=0)
        near = np.abs(ours - theirs) <= np.maximum(RELATIVE * np.abs(theirs), OF_RANGE * spans)
    return near | (np.isnan(ours) & np.isnan(theirs))


def family(column: str) -> str:
    """The feature a column belongs to."""
    return column.rstrip("0123456789").rstrip("_") if "_" in column else column


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
    main()
