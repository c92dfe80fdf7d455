"""How far changes that nobody hears move a model's score: what a difference between two mixes must exceed.

    python examples/noise_floor.py [--model MODEL] SONG...

The first minute of each song is scored as it is, 5 ms later, 0.1 dB louder and softer, as MP3 of 320 kbit/s, and 0.1
semitone higher and lower. Prints each difference, and what 95 % of the songs' largest differences stay under. The
number goes into a model file as the metadata entry `hitpredict.noise_floor`.
"""

import argparse
from dataclasses import replace

import numpy as np

from hitpredict import Clip, Scorer, mutate, read_audio

CHANGES = ({"gain": 0.1}, {"gain": -0.1}, {"mp3": 320}, {"pitch": 0.1}, {"pitch": -0.1})
SHIFT = 0.005
SECONDS = 60
SHARE = 0.95


def between(clip: Clip, start: float, end: float) -> Clip:
    return replace(clip, samples=clip.samples[:, round(start * clip.rate) : round(end * clip.rate)])


def differences(scorer: Scorer, clip: Clip) -> list[float]:
    """Of the score of a clip from those of its changed versions, in the order of the table's columns."""
    changed = [between(clip, SHIFT, clip.duration), *(mutate(clip, **change) for change in CHANGES)]
    usual = scorer.score(clip).score
    return [scorer.score(each).score - usual for each in changed]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how far inaudible changes move a model's score.")
    parser.add_argument("--model", help="a bundled model's name or an .onnx file")
    parser.add_argument("songs", nargs="+")
    options = parser.parse_args()
    scorer, largest = Scorer(options.model), []
    names = ["shift 5 ms", *(f"{key} {value:+g}" for change in CHANGES for key, value in change.items())]
    print("\t".join([*names, "song"]))
    for path in options.songs:
        found = differences(scorer, between(read_audio(path), 0, SECONDS))
        largest.append(max(map(abs, found)))
        print("\t".join([*(f"{each:+.2f}" for each in found), path]), flush=True)
    print(f"noise floor: {np.quantile(largest, SHARE):.1f}")


if __name__ == "__main__":
    main()
