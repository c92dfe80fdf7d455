"""What a million songs cost: processor time by stage of the work on one song, and what follows from it.

    python benchmarks/cost.py [--seconds 30] [--core-hour 0.04] [--gpu-hour 2.00] [--quick]

Each stage is measured in this process, on one thread, on the same MP3 again and again: decoding, the front-end,
inference by ONNX Runtime, and the record as a line of JSON. Models: the bundled one, and networks of published size
with random weights. What a GPU makes of inference is taken from results/gpu.json where benchmarks/gpu.py has run; the
prices are whatever is given. Writes benchmarks/results/cost.md. --quick: once each, of 3 s, a small network, and only
printed.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import networks
import numpy as np
from measure import machine
from run import SONG, publish

from hitpredict.audio.clip import Clip
from hitpredict.audio.read import open_audio, read_audio
from hitpredict.audio.write import write_audio
from hitpredict.cli.formats import json_line
from hitpredict.features.kinds import make_kind
from hitpredict.files.arrays import ArrayStore
from hitpredict.scoring.hearing import hear
from hitpredict.scoring.inputs import FromFrontend
from hitpredict.scoring.scorer import Scorer
from hitpredict.scoring.session import quiet_onnxruntime

HERE = Path(__file__).parent
# The kinds that these networks hear.
KINDS = {"AST-base": "fbank", "AST-tiny": "fbank", "CRNN": "logmel"}
STAGES = ("decode", "front-end", "inference", "write")


def cpu(run: Callable[[], Any], turns: int) -> float:
    """Median seconds of processor time of a call."""
    run()
    found = []
    for _ in range(turns):
        begun = time.process_time()
        run()
        found.append(time.process_time() - begun)
    return statistics.median(found)


def decoded(song: Path) -> None:
    """Read a file and do nothing with it."""
    with open_audio(song) as reader:
        for _ in reader.blocks(reuse=True):
            pass


def bundled(song: Path, turns: int) -> dict[str, float]:
    """The stages of the bundled model, in seconds of processor time a song."""
    scorer = Scorer(device="cpu")

    def listen() -> Any:
        return hear(song, scorer.sounds, None, [ArrayStore() for _ in scorer.sounds])

    heard = listen()
    pieces = scorer.pieces(heard)
    answers = scorer.answers(pieces, 2**18)
    decode, inference = cpu(lambda: decoded(song), turns), cpu(lambda: scorer.answers(pieces, 2**18), turns)
    write = cpu(lambda: json_line(scorer.record(heard, answers).to_json()), turns)
    front = max(0.0, cpu(listen, turns) - decode)
    return {"decode": decode, "front-end": front, "inference": inference, "write": write}


def of_network(name: str, entry: Any, song: Path, plain: Mapping[str, float], turns: int) -> dict[str, float]:
    """The same of a network of published size."""
    spec, shape, length = entry
    frontend = FromFrontend(make_kind(KINDS[name], {}).frontend)
    onnxruntime = quiet_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    data = networks.graph(networks.network(spec, shape), shape)
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    clip = read_audio(song)
    windows = max(1, round(clip.frames / clip.rate / length))
    batch = {"features": np.random.default_rng(0).normal(size=(windows, *shape)).astype(np.float32)}
    front = cpu(lambda: hear(song, [frontend], None, [ArrayStore()]), turns) - plain["decode"]
    inference = cpu(lambda: session.run(None, batch), max(1, turns // 5))
    return {**plain, "front-end": max(0.0, front), "inference": inference}


def hours(seconds: float) -> float:
    """Of a million songs."""
    return seconds * 1e6 / 3600


def page(found: Mapping[str, Mapping[str, float]], given: argparse.Namespace, gpu: Mapping[str, Any]) -> str:
    """Both tables as Markdown."""
    lines = [
        f"## Cost: a million songs of {given.seconds:g} s (MP3, stereo, 44.1 kHz)",
        "",
        "| model | " + " | ".join(f"{stage}, ms" for stage in STAGES) + " | most | core-hours | at "
        f"{given.core_hour:g} $ a core-hour |",
        "|---" * (len(STAGES) + 4) + "|",
    ]
    for name, stages in found.items():
        total, most = hours(sum(stages.values())), max(stages, key=lambda each: stages[each])
        numbers = " | ".join(f"{1000 * stages[stage]:.1f}" for stage in STAGES)
        lines.append(f"| {name} | {numbers} | {most} | {total:,.1f} | {total * given.core_hour:,.2f} $ |")
    lines += ["", "With inference on a GPU, what is left to the processors:", ""]
    lines += ["| model | core-hours | at that price | cores that keep busy a GPU of 100 songs/s |", "|---|---|---|---|"]
    for name, stages in found.items():
        left = sum(seconds for stage, seconds in stages.items() if stage != "inference")
        lines.append(f"| {name} | {hours(left):,.1f} | {hours(left) * given.core_hour:,.2f} $ | {100 * left:.1f} |")
    lines.append("")
    for name, measured in gpu.get("networks", {}).items():
        if name in found:
            windows = max(1, round(given.seconds / measured["window_seconds"]))
            rate = measured["windows_per_second"] / windows
            left = sum(seconds for stage, seconds in found[name].items() if stage != "inference")
            lines.append(
                f"- {name} on {gpu['device']}: {rate:,.0f} songs/s, so {hours(1 / rate):,.2f} GPU-hours "
                f"({hours(1 / rate) * given.gpu_hour:,.2f} $) a million songs, fed by {rate * left:.0f} cores."
            )
    if not gpu.get("networks"):
        lines.append("No GPU has been measured (benchmarks/gpu.py); the last column is for whatever yours does.")
    return "\n".join([*lines, "", machine(), ""])


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="of each song")
    parser.add_argument("--core-hour", type=float, default=0.04, help="dollars")
    parser.add_argument("--gpu-hour", type=float, default=2.0, help="dollars")
    parser.add_argument("--quick", action="store_true", help="once, of 3 s, a small network; print only")
    given = parser.parse_args()
    turns, every = 15, networks.NETWORKS
    if given.quick:
        given.seconds, turns, every = 3.0, 1, networks.SMALL
    clip = read_audio(SONG)
    samples = np.tile(clip.samples, (1, int(given.seconds * clip.rate / clip.frames) + 1))
    with tempfile.TemporaryDirectory() as folder:
        song = Path(folder, "song.mp3")
        write_audio(Clip(samples[:, : round(given.seconds * clip.rate)], clip.rate, "song"), song)
        plain = bundled(song, turns)
        found = {"bundled model": plain} | {
            name: of_network(name, entry, song, plain, turns) for name, entry in every.items()
        }
    measured = HERE / "results" / "gpu.json"
    text = page(found, given, json.loads(measured.read_text()) if measured.exists() else {})
    print(text)
    if not given.quick:
        publish("cost", text)


if __name__ == "__main__":
    main()
