"""Measure hitpredict beside its peers and write benchmarks/README.md.

    python benchmarks/run.py [SECTION...]        sections: cold warm mutate memory; all by default

Nothing else should be running. Each section keeps its last result in benchmarks/results/, from which the page is
put together.
"""

import datetime
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np
import soundfile
from measure import Pairs, call, in_turn, process

from hitpredict import Scorer, read_audio
from hitpredict.audio.clip import Clip
from hitpredict.audio.write import write_audio
from hitpredict.mutations import Recipe, parse, product

HERE = Path(__file__).parent
SONG = HERE.parent / "examples" / "song.ogg"
HITPREDICT = [sys.executable, "-m", "hitpredict"]


def excerpt(folder: Path) -> Path:
    """30 s of the example song as stereo 44.1 kHz MP3."""
    clip = read_audio(SONG)
    path = folder / "clip.mp3"
    write_audio(Clip(clip.samples[:, : 30 * clip.rate], clip.rate, "clip"), path)
    return path


def cold(folder: Path) -> str:
    """A fresh process scores one 30 s MP3, against the plain librosa + torch script."""
    song = str(excerpt(folder))
    peer = [sys.executable, str(HERE / "peers" / "score_librosa_torch.py"), song]
    pairs = in_turn(lambda: process([*HITPREDICT, "score", song]), lambda: process(peer), 7)
    return table(
        "Cold start: `hitpredict score clip.mp3` (30 s MP3, fresh process) beside a plain librosa + torch script",
        [row("wall", pairs, "wall", "s"), row("CPU", pairs, "cpu", "s"), row("peak memory", pairs, "peak_mb", "MB")],
    )


def warm(folder: Path) -> str:
    """CPU time per clip of a loaded scorer, against decoding the same clip with soundfile."""
    song = str(excerpt(folder))
    scorer = Scorer(device="cpu")
    pairs = in_turn(
        lambda: call(lambda: [scorer.score(song) for _ in range(10)]),
        lambda: call(lambda: [soundfile.read(song, dtype="float32") for _ in range(10)]),
        15,
    )
    low, median, high = (1 / ratio for ratio in reversed(pairs.ratios("cpu")))
    ours, decoding = (pairs.median(side, "cpu") * 100 for side in ("ours", "peers"))
    return table(
        "Warm batch: CPU time per 30 s MP3, beside decoding alone (soundfile)",
        [f"| CPU per clip | {ours:.1f} ms | {decoding:.1f} ms | {median:.2f} ({low:.2f} to {high:.2f}) |"],
        "hitpredict / decoding",
    )


def mutate(folder: Path) -> str:
    """Pitch and tempo of 30 s of stereo, against pyrubberband; and a whole sweep against a plain loop."""
    import pyrubberband

    clip = read_audio(excerpt(folder))
    samples = np.ascontiguousarray(clip.samples.T, dtype=np.float64)
    rows = []
    for engine, quality, options in (("R2", "draft", {}), ("R3", "best", {"-3": ""})):
        for name, op, value, function in (
            ("pitch +2", "pitch", "2", lambda o: pyrubberband.pitch_shift(samples, clip.rate, 2, rbargs=o)),
            ("tempo 1.1", "tempo", "1.1", lambda o: pyrubberband.time_stretch(samples, clip.rate, 1.1, rbargs=o)),
        ):
            recipe = Recipe(tuple(parse(op, value)), quality=quality)
            pairs = in_turn(
                lambda recipe=recipe: call(lambda: recipe.apply(clip)),
                lambda function=function, options=options: call(lambda: function(options)),
                5,
            )
            rows.append(row(f"{name}, {quality} (Rubber Band {engine})", pairs, "wall", "s"))
            if quality == "best":
                plain = in_turn(lambda r=recipe: call(lambda: r.apply(clip)), lambda f=function: call(lambda: f({})), 3)
                rows.append(row(f"{name}, best beside pyrubberband's default (R2)", plain, "wall", "s"))
    rows.append(row("6 variants (3 pitches × 2 tempi), draft, two threads", sweep(clip, samples), "wall", "s"))
    return table("Pitch and tempo: 30 s of stereo at 44.1 kHz, beside pyrubberband", rows)


def sweep(clip: Clip, samples: "np.ndarray") -> Pairs:
    """All variants of one command, in memory, against a loop over pyrubberband."""
    import pyrubberband

    from hitpredict.engines import threads

    recipes = product([parse("pitch", "-2,1,2"), parse("tempo", "0.9,1.1")], quality="draft")

    def ours() -> list[object]:
        return list(threads.run(((r, lambda r=r: r.apply(clip)) for r in recipes), 2))

    def loop() -> None:
        for pitch in (-2, 1, 2):
            for tempo in (0.9, 1.1):
                shifted = pyrubberband.pitch_shift(samples, clip.rate, pitch)
                pyrubberband.time_stretch(shifted, clip.rate, tempo)

    return in_turn(lambda: call(ours), lambda: call(loop), 3)


def memory(folder: Path) -> str:
    """Peak memory of scoring two hours of stereo 44.1 kHz WAV."""
    path = folder / "two-hours.wav"
    clip = read_audio(SONG)
    repeats = 2 * 3600 * clip.rate // clip.frames + 1
    with soundfile.SoundFile(path, "w", clip.rate, clip.channels, "PCM_16") as file:
        for _ in range(repeats):
            file.write(clip.samples.T)
    size = path.stat().st_size / 2**20
    costs = [process([*HITPREDICT, "score", str(path)]) for _ in range(3)]
    short = process([*HITPREDICT, "score", str(SONG)])
    worst = max(cost.peak_mb for cost in costs)
    wall = sorted(cost.wall for cost in costs)[1]
    return "\n".join(
        [
            "## Peak memory: `hitpredict score` on two hours of stereo 44.1 kHz WAV",
            "",
            "| input | size | peak memory | wall |",
            "|---|---|---|---|",
            f"| two hours of WAV | {size:.0f} MB | {worst:.0f} MB | {wall:.1f} s |",
            f"| the 54 s example song | {SONG.stat().st_size / 2**20:.1f} MB | {short.peak_mb:.0f} MB "
            f"| {short.wall:.2f} s |",
        ]
    )


def row(name: str, pairs: Pairs, what: str, unit: str) -> str:
    """Medians of both, and the ratio peer / ours pair by pair: median (minimum to maximum)."""
    low, median, high = pairs.ratios(what)
    digits = 0 if unit == "MB" else 2
    ours, peer = (pairs.median(side, what) for side in ("ours", "peers"))
    return f"| {name} | {ours:.{digits}f} {unit} | {peer:.{digits}f} {unit} | {median:.2f} ({low:.2f} to {high:.2f}) |"


def table(title: str, rows: list[str], ratio: str = "peer / hitpredict") -> str:
    """A section of the page."""
    return "\n".join([f"## {title}", "", f"| | hitpredict | peer | {ratio} |", "|---|---|---|---|", *rows])


SECTIONS: dict[str, Callable[[Path], str]] = {"cold": cold, "warm": warm, "mutate": mutate, "memory": memory}


def main() -> None:
    """Run the sections asked for and write the page from all results there are."""
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    for name in sys.argv[1:] or SECTIONS:
        with tempfile.TemporaryDirectory() as folder:
            text = SECTIONS[name](Path(folder))
        machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {datetime.date.today():%Y-%m-%d}"
        (results / f"{name}.md").write_text(f"{text}\n\n{machine}; medians, and ratios pair by pair.\n")
        print(text, flush=True)
    # benchmarks/descriptors.py writes its own result.
    written = [results / f"{name}.md" for name in (*SECTIONS, "descriptors")]
    pages = [path.read_text() for path in written if path.exists()]
    notes = (HERE / "notes.md").read_text() if (HERE / "notes.md").exists() else ""
    head = "# Benchmarks\n\nWritten by `python benchmarks/run.py`; both sides of a row ran in turn in one run.\n\n"
    (HERE / "README.md").write_text(head + "\n".join(pages) + (f"\n{notes}" if notes else ""))


if __name__ == "__main__":
    main()
