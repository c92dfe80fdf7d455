"""Whether `explain --corpus` finds what is planted: songs with known causes of popularity, a model, its explanation.

    python benchmarks/planted_truth.py [--runs 20] [--first 0] [--songs 240] [--explained 12] [--results FILE]

Each run draws songs by `fetch synth` with a seed of its own, fits ridge regression to their MFCC statistics, and
explains the model on songs of artists that it has not seen, one of each. Planted are the drivers that a change of the
sound moves alone: key height (pitch), brightness (low-pass) and loudness range (compression), each changed by more and
by less. Not planted, and said so before any run: tempo, whose weight is 0, and gain, shifts, MP3 and 12 bits, which no
driver moves. Noise and density are neither: the songs' noise is filtered with the music, so that noise added to the
sound brightens it, which is planted; and no change adds strokes. The table has, for each change: what the planted
weights say of it (in standard deviations of the latent popularity), what the model itself says of songs rendered anew
with the driver changed as much (its partial dependence, in points), and what `explain` says of the changed sound (in
points). Numbers are means over the runs. --all-drivers plants the six drivers with the weights of `fetch synth`,
whatever a model can make of them. --results: a file to which each run adds a line; the table is of all that it holds.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

from hitpredict.audio.clip import Clip
from hitpredict.datasets.synth import DRIVERS, Settings, Song, song
from hitpredict.datasets.synth import WEIGHTS as DEFAULT_WEIGHTS
from hitpredict.datasets.synth_audio import RATE, render_song
from hitpredict.scoring.scorer import Scorer

SEMITONE = 2 ** (1 / 12)
WEIGHTS = {"key_height": 0.6, "brightness": 0.5, "loudness_range": -0.4}
GRID = """
pitch = "-4,4"
pitch-less = {pitch = "-1.5,1.5"}
lowpass = "1500"
lowpass-less = {lowpass = "3000"}
compress = "-36:4"
compress-less = {compress = "-36:2"}
tempo = "0.8,1.25"
gain = "-6,-3"
roll = "1,2,3"
mp3 = "128"
bitcrush = "12"
"""
Change = Callable[[Mapping[str, float]], tuple[Mapping[str, float], Mapping[str, float]]]


def _transposed(semitones: float) -> Change:
    """Key and cut-off below and above their values, which the scales of the drivers need not reach."""

    def moved(drivers: Mapping[str, float], by: float) -> Mapping[str, float]:
        return {"key_height": drivers["key_height"] + by, "brightness": drivers["brightness"] * SEMITONE**by}

    return lambda drivers: (moved(drivers, -semitones), moved(drivers, semitones))


# What each change does to the drivers of a song: before and after. Compression by 4 leaves a quarter of the range.
PLANTED: Mapping[str, Change] = {
    "pitch": _transposed(4),
    "pitch-less": _transposed(1.5),
    "lowpass": lambda d: ({}, {"brightness": min(d["brightness"], 1500.0)}),
    "lowpass-less": lambda d: ({}, {"brightness": min(d["brightness"], 3000.0)}),
    "compress": lambda d: ({}, {"loudness_range": d["loudness_range"] / 4}),
    "compress-less": lambda d: ({}, {"loudness_range": d["loudness_range"] / 2}),
}
# With --all-drivers.
OTHERS: Mapping[str, Change] = {
    "tempo": lambda d: ({"tempo": d["tempo"] * 0.8}, {"tempo": d["tempo"] * 1.25}),
    "noise": lambda d: ({}, {"noise": 10 * np.log10(10 ** (d["noise"] / 10) + 10**-1.5)}),
}


@dataclass(frozen=True)
class Found:
    """One run: for each change the planted, the model's own and the found effect; what was called significant."""

    planted: Mapping[str, float]
    own: Mapping[str, float]
    effect: Mapping[str, float]
    significant: Mapping[str, bool]

    @property
    def tau(self) -> float:
        """Kendall's, of planted and found effects."""
        return float(kendalltau(list(self.planted.values()), [self.effect[name] for name in self.planted])[0])


def planted_effect(settings: Settings, drivers: Mapping[str, float], change: Change) -> float:
    """Of the latent popularity, in its standard deviations."""
    before, after = ({**drivers, **part} for part in change(drivers))
    moved = sum(
        weight * (DRIVERS[name].standard(after[name]) - DRIVERS[name].standard(before[name]))
        for name, weight in settings.weights.items()
    )
    return moved / settings.spread


def own_effect(scorer: Scorer, settings: Settings, planted: Song, change: Change) -> float:
    """What the model says of the song rendered anew."""
    scores = [
        scorer.score(
            Clip(render_song(settings, replace(planted, drivers={**planted.drivers, **part}))[None], RATE)
        ).score
        for part in change(planted.drivers)
    ]
    return scores[1] - scores[0]


def run(folder: Path, seed: int, songs: int, explained: int, seconds: float, everything: bool = False) -> Found:
    """One corpus, one model, one explanation. explained: how many unseen songs it rests on. everything: plant all
    drivers, with the weights of `fetch synth`."""
    planted = {**PLANTED, **OTHERS} if everything else PLANTED
    settings = Settings(seed=seed, weights=DEFAULT_WEIGHTS if everything else WEIGHTS, seconds=seconds, format="wav")
    tracks, model, grid = folder / "songs" / "tracks.jsonl", folder / "model.onnx", folder / "grid.toml"
    grid.write_text(GRID + ('noise = "15:brown"\n' if everything else ""), "utf-8")
    weights = ",".join(f"{name}={weight}" for name, weight in settings.weights.items())
    shape = ("-n", songs, "--seed", seed, "--seconds", seconds, "--format", "wav")
    hitpredict("fetch", "synth", "--weights", weights, *shape, "-o", tracks.parent)
    hitpredict("featurize", "-k", "mfcc_stats", "-o", folder / "features.csv", tracks)
    held_out = ("--labels", tracks, "--target", "popularity", "--split", "column:split")
    hitpredict("train", "-r", "linear", "--features", folder / "features.csv", *held_out, "-o", folder / "model")
    hitpredict("export-onnx", folder / "model", "-o", model)
    firsts = range(0, songs, settings.songs_per_artist)
    unseen = [number for number in firsts if song(settings, number).split == "test"][:explained]
    paths = [tracks.parent / "audio" / f"{song(settings, number).track_id}.wav" for number in unseen]
    lines = hitpredict("explain", "--corpus", "-m", model, "--grid", grid, *paths)
    records = {record["parameter"]: record for record in map(json.loads, lines.splitlines())}
    scorer, few = Scorer(str(model)), [song(settings, number) for number in unseen]
    return Found(
        {
            name: _mean([planted_effect(settings, each.drivers, change) for each in few])
            for name, change in planted.items()
        },
        {name: _mean([own_effect(scorer, settings, each, change) for each in few]) for name, change in planted.items()},
        {name: record["mean_effect"] for name, record in records.items()},
        {name: record["significant"] for name, record in records.items()},
    )


def _mean(values: list[float]) -> float:
    return float(np.mean(values))


def hitpredict(*arguments: object) -> str:
    """What the command prints."""
    command = [sys.executable, "-m", "hitpredict", *map(str, arguments), "-q"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def table(runs: list[Found]) -> str:
    """All runs, as Markdown."""
    truths, owns = [each.planted for each in runs], [each.own for each in runs]
    lines = ["| change | planted (SD) | the model's own | found | planted sign | own sign | significant |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name in runs[0].effect:
        found = np.array([each.effect[name] for each in runs])
        called = f"{sum(each.significant[name] for each in runs)} of {len(runs)}"
        if name in truths[0]:
            planted, own = (np.array([part[name] for part in parts]) for parts in (truths, owns))
            signs = [f"{np.sum(np.sign(found) == np.sign(other))} of {len(runs)}" for other in (planted, own)]
            means = f"{planted.mean():+.2f} | {own.mean():+.1f} | {found.mean():+.1f}"
            lines.append(f"| {name} | {means} | {' | '.join(signs)} | {called} |")
        else:
            lines.append(f"| {name} | 0 | | {found.mean():+.1f} | | | {called} |")
    taus = [each.tau for each in runs]
    wrong = sum(any(each.significant[name] for name in each.effect if name not in each.planted) for each in runs)
    lines.append("")
    lines.append(
        f"Kendall's tau of planted and found effects: median {np.median(taus):.2f} "
        f"({min(taus):.2f} to {max(taus):.2f}); something "
        f"that was not planted is called significant in {wrong} of {len(runs)} runs."
    )
    return "\n".join(lines)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="seed of the first run")
    parser.add_argument("--songs", type=int, default=240)
    parser.add_argument("--explained", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--all-drivers", action="store_true", help="plant noise, tempo and density as well")
    parser.add_argument("--results", type=Path, default=Path("planted_truth.jsonl"))
    given = parser.parse_args()
    for seed in range(given.first, given.first + given.runs):
        with tempfile.TemporaryDirectory() as folder:
            found = run(Path(folder), seed, given.songs, given.explained, given.seconds, given.all_drivers)
        with given.results.open("a") as file:
            file.write(json.dumps({"seed": seed, **asdict(found)}) + "\n")
    lines = [json.loads(line) for line in given.results.read_text().splitlines()]
    print(table([Found(**{key: value for key, value in line.items() if key != "seed"}) for line in lines]))


if __name__ == "__main__":
    main()
