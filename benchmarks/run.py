"""Measure hitpredict's commands beside their peers and write benchmarks/README.md.

    python benchmarks/run.py [--quick] [SECTION...]        all sections by default, in about a quarter of an hour

Nothing else should be running. Each section keeps its last result in benchmarks/results/, from which the page is
put together. --quick: one run of each at the smallest size, which is only printed: whether everything works.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import descriptors
import soundfile
from measure import Pairs, in_turn, machine, memory_over, piped, process

from hitpredict import read_audio
from hitpredict.audio.clip import Clip
from hitpredict.audio.write import write_audio
from hitpredict.features.kinds import KINDS

HERE = Path(__file__).parent
SONG = HERE.parent / "examples" / "song.ogg"
# Kinds whose checkpoints are not made here; MERT goes the way of wav2vec 2.0.
NOT_MEASURED = ("mert", "clap_embedding")
HITPREDICT = [sys.executable, "-m", "hitpredict"]
PITCHES, TEMPI = "-2,1,2", "0.9,1.1"
VARIANTS = 6
# 60 variants of a song.
GRID = {
    "pitch": "-4,-3,-2,-1,1,2,3,4",
    # Ratios of the same semitones.
    "tempo": "0.7937,0.8409,0.8909,0.94387,1.05946,1.12246,1.18921,1.25992",
    "gain": "-12,-9,-6,-3",
    "compress": "-30,-24,-18,-12",
    "lowpass": "2000,4000,8000,16000",
    "highpass": "40,80,160,320",
    **{f"eq-{hz}": {"eq": f"{hz}:-6,{hz}:-3,{hz}:3,{hz}:6"} for hz in (125, 500, 1000, 4000, 8000)},
    "reverb": "0.1,0.2,0.4",
    "distortion": "3,6,12",
    "mp3": "128,320",
}


@dataclass(frozen=True)
class Size:
    """How much of everything: a clip's seconds, the clips of a batch and of a table, hours of a long file, songs of a
    catalogue."""

    seconds: float = 30
    clips: int = 64
    described: int = 16
    hours: float = 2
    catalogue: int = 2000

    def runs(self, count: int) -> int:
        """How often something is measured."""
        return count if self == Size() else 1

    @property
    def length(self) -> str:
        """Of the long file."""
        return "two hours" if self.hours == 2 else f"{self.hours:g} hours"


QUICK = Size(3, 3, 2, 0.02, 6)


def excerpt(folder: Path, size: Size, suffix: str = ".mp3") -> Path:
    """The beginning of the example song, stereo at 44.1 kHz."""
    clip = read_audio(SONG)
    path = folder / f"clip{suffix}"
    write_audio(Clip(clip.samples[:, : round(size.seconds * clip.rate)], clip.rate, "clip"), path)
    return path


def copies(folder: Path, size: Size, count: int) -> Path:
    """A folder with nothing but `count` copies of the clip."""
    original, batch = excerpt(folder, size), folder / f"batch{count}"
    batch.mkdir()
    for number in range(count):
        shutil.copy(original, batch / f"{number:04}.mp3")
    return batch


def long_song(path: Path, seconds: float) -> Path:
    """So much of the example song again and again, as WAV."""
    clip = read_audio(SONG)
    left = round(seconds * clip.rate)
    with soundfile.SoundFile(path, "w", clip.rate, clip.channels, "PCM_16") as file:
        while left > 0:
            file.write(clip.samples.T[:left])
            left -= clip.frames
    return path


def peer(name: str, *arguments: object) -> list[object]:
    """The command of a script in peers/."""
    return [sys.executable, HERE / "peers" / f"{name}.py", *arguments]


def beside(ours: list[object], theirs: list[object], runs: int) -> Pairs:
    """Both commands in turn."""
    return in_turn(lambda: process(ours), lambda: process(theirs), runs)


def cold(folder: Path, size: Size) -> str:
    """A fresh process scores one MP3, against the plain librosa + torch script."""
    song = excerpt(folder, size)
    pairs = beside([*HITPREDICT, "score", song], peer("score_librosa_torch", song), size.runs(7))
    return table(
        f"Cold start: `hitpredict score clip.mp3` ({size.seconds:g} s) beside a plain librosa + torch script",
        [row("wall", pairs, "wall", "s"), row("CPU", pairs, "cpu", "s"), row("peak memory", pairs, "peak_mb", "MB")],
    )


def warm(folder: Path, size: Size) -> str:
    """A batch, against a process that decodes the same files with soundfile; start-up counts on both sides."""
    batch, decode = copies(folder, size, size.clips), peer("decode_soundfile", folder / f"batch{size.clips}")
    rows = []
    for name, options in (("`score -j 1 folder/`", ["-j", "1"]), ("`score folder/`, all cores", [])):
        pairs = beside([*HITPREDICT, "score", *options, batch], decode, size.runs(7))
        rows.append(row(f"{name}: CPU per clip", pairs, "cpu", "ms", 1000 / size.clips, inverse=True))
        rows.append(row(f"{name}: wall per clip", pairs, "wall", "ms", 1000 / size.clips, inverse=True))
        rows.append(row(f"{name}: page faults per clip", pairs, "faults", "", 1 / size.clips, inverse=True))
    title = f"Batch: {size.clips} MP3s of {size.seconds:g} s, beside a process that only decodes them (soundfile)"
    return table(title, rows, "hitpredict / decoding", "decoding")


def throughput(folder: Path, size: Size) -> str:
    """A catalogue, against as many processes that decode the same files and do nothing with them, and by cores."""
    count, cores = size.catalogue, os.cpu_count() or 1
    batch, out = copies(folder, size, count), folder / "scores.parquet"
    rows, walls = [], {}
    for jobs in sorted({1, cores}):
        command = [*HITPREDICT, "score", "-j", str(jobs), "-q", "-o", out, "--force", batch]
        # Long enough to need no second turn.
        pairs = beside(command, peer("decode_pool", batch, jobs), 1)
        walls[jobs] = pairs.median("ours", "wall")
        rows.append(row(f"`-j {jobs}`: wall per song", pairs, "wall", "ms", 1000 / count))
        rows.append(row(f"`-j {jobs}`: CPU per song", pairs, "cpu", "ms", 1000 / count))
    held = memory_over([*HITPREDICT, "score", "-q", "-o", out, "--force", batch])
    parts = [held[len(held) * tenth // 10 :][: max(1, len(held) // 10)] for tenth in (1, 4, 9)]
    told = ", ".join(f"{statistics.median(part):.0f}" for part in parts)
    title = (
        f"Throughput: `hitpredict score -o scores.parquet folder/` of {count:,} MP3s of {size.seconds:g} s, beside as "
        "many processes that only decode them"
    )
    return "\n".join(
        [
            table(title, rows, "decoding / hitpredict", "decoding"),
            "",
            f"From 1 to {cores} processes: {walls[1] / walls[cores]:.2f} times as fast. Memory of all processes (RSS, "
            f"MB) after a tenth, four tenths and nine tenths of the run: {told}.",
        ]
    )


def mutate(folder: Path, size: Size) -> str:
    """Pitch and tempo, against pyrubberband scripts with the same engine and with their default."""
    song, ours, theirs = excerpt(folder, size, ".wav"), folder / "ours.wav", folder / "theirs.wav"
    rows = []
    for what, value in (("pitch", "2"), ("tempo", "1.1")):
        for quality, engine, note in (
            ("draft", "r2", "draft (Rubber Band R2)"),
            ("best", "r3", "best (Rubber Band R3)"),
            ("best", "r2", "best beside pyrubberband's default (R2)"),
        ):
            command = [*HITPREDICT, "mutate", song, f"--{what}", value, "--quality", quality, "-o", ours, "--force"]
            script = peer("mutate_pyrubberband", what, value, engine, song, theirs)
            rows.append(row(f"{what} {value}, {note}", beside(command, script, size.runs(3)), "wall", "s"))
    return table(
        f"Pitch and tempo: `hitpredict mutate clip.wav --pitch 2 -o out.wav` ({size.seconds:g} s of stereo at "
        "44.1 kHz) beside a pyrubberband script",
        rows,
    )


def sweep(folder: Path, size: Size) -> str:
    """Many variants made and scored by one pipe, against making, writing, reading and scoring one after the other."""
    song, rows = excerpt(folder, size, ".wav"), []
    for quality, engine in (("best", "r3"), ("draft", "r2")):
        change = [*HITPREDICT, "mutate", song, f"--pitch={PITCHES}", "--tempo", TEMPI, "--quality", quality]
        script = peer("sweep_pyrubberband_librosa_torch", song, engine, PITCHES, TEMPI)
        pairs = beside(piped(change, [*HITPREDICT, "score", "-"]), script, size.runs(2))
        for what in ("wall", "cpu"):
            name = f"{quality} (Rubber Band {engine.upper()}): {what.replace('cpu', 'CPU')} per variant"
            rows.append(row(name, pairs, what, "s", 1 / VARIANTS))
    return table(
        f"Sweep: `hitpredict mutate clip.wav --pitch={PITCHES} --tempo {TEMPI} | hitpredict score -` ({VARIANTS} "
        f"variants of {size.seconds:g} s) beside pyrubberband to files, librosa and torch, one after the other",
        rows,
    )


def explain(folder: Path, size: Size) -> str:
    """A sweep with its test against noise, against the same variants one after the other."""
    song, grid = excerpt(folder, size, ".wav"), folder / "grid.toml"
    grid.write_text("\n".join(f"{name} = {_toml(entry)}" for name, entry in GRID.items()), "utf-8")
    count, rows = sum(len(str(entry).split(",")) for entry in GRID.values()), []
    script = peer("explain_plain", song, grid)
    for quality in ("draft", "best"):
        command = [*HITPREDICT, "explain", song, "--grid", grid, "--quality", quality]
        pairs = beside(command, script, size.runs(2))
        for what in ("wall", "cpu"):
            name = f"`--quality {quality}`: {what.replace('cpu', 'CPU')} per variant"
            rows.append(row(name, pairs, what, "s", 1 / count))
    return table(
        f"Explanation: `hitpredict explain clip.wav --grid grid.toml` ({count} variants of {size.seconds:g} s, "
        "and 23 that are the measure of noise, which the peer leaves out) beside pyrubberband's finer engine and "
        "pedalboard to files, librosa and torch, one after the other",
        rows,
    )


def _toml(entry: str | dict[str, str]) -> str:
    if isinstance(entry, str):
        return f'"{entry}"'
    ((op, values),) = entry.items()
    return f'{{{op} = "{values}"}}'


def memory(folder: Path, size: Size) -> str:
    """Peak memory of scoring and of changing a very long file, beside the same on the example song."""
    path, out = long_song(folder / "long.wav", size.hours * 3600), folder / "out.wav"
    rows = []
    for name, command in (
        ("`score`", lambda song: [*HITPREDICT, "score", song]),
        ("`mutate --gain -3 -o`", lambda song: [*HITPREDICT, "mutate", song, "--gain", "-3", "-o", out, "--force"]),
    ):
        for song, what in ((path, f"{size.length} of WAV, {path.stat().st_size / 2**20:.0f} MB"), (SONG, "54 s")):
            cost = process(command(song))
            rows.append(f"| {name} | {what} | {cost.peak_mb:.0f} MB | {cost.wall:.1f} s | {cost.cpu:.1f} s |")
    title = f"## Peak memory: {size.length} of stereo 44.1 kHz WAV, beside the example song"
    return "\n".join([title, "", "| | input | peak memory | wall | CPU |", "|---|---|---|---|---|", *rows])


def featurize_memory(folder: Path, size: Size) -> str:
    """Peak memory of describing a long file, beside the same on its first 30 seconds."""
    hours = size.hours / 2
    checkpoints, rows = embedding_settings(folder), []
    for kind in (each for each in KINDS if each not in NOT_MEASURED):
        # VGGish is the only network of its published size here, and slow.
        minutes = hours * 60 / (12 if kind == "vggish_embedding" else 1)
        short, long = (mono_song(folder, seconds) for seconds in (min(30, minutes * 30), minutes * 60))
        for form in ("arrow", "npz", "parquet") if kind == "logmel" else ("arrow",):
            command = [*HITPREDICT, "featurize", "-k", kind, *checkpoints.get(kind, [])]
            command += ["-o", folder / f"table.{form}", "--force"]
            brief, cost = process([*command, short]), process([*command, long])
            name = f"`-k {kind} -o table.{form}`"
            more = cost.peak_mb - brief.peak_mb
            rows.append(
                f"| {name} | {minutes:g} minutes | {brief.peak_mb:.0f} MB | {cost.peak_mb:.0f} MB | {round(more)} MB "
                f"| {cost.cpu:.1f} s |"
            )
    title = "## Peak memory: `hitpredict featurize` on a long sound (mono, 22.05 kHz), beside its first 30 s"
    head = "| | length | of 30 s | of all | more | CPU |\n|---|---|---|---|---|---|"
    about = (
        "AST and wav2vec 2.0 are small ones with random weights, VGGish has its own size; each embedding is a row. "
        f"Not measured: {', '.join(NOT_MEASURED)}. "
        f"pyarrow {metadata.version('pyarrow')}. CPU is that of the long sound."
    )
    return "\n".join([title, "", head, *rows, "", about])


def mono_song(folder: Path, seconds: float) -> Path:
    """So much of the example song again and again, mono at 22.05 kHz, as WAV."""
    path, clip = folder / f"{seconds:g}.wav", read_audio(SONG)
    samples, rate = clip.samples.mean(axis=0)[::2], clip.rate // 2
    with soundfile.SoundFile(path, "w", rate, 1, "PCM_16") as file:
        left = round(seconds * rate)
        while left > 0:
            file.write(samples[:left])
            left -= len(samples)
    return path


def embedding_settings(folder: Path) -> dict[str, list[object]]:
    """Options for each kind of embedding, with networks of random weights that lie in the folder."""
    import torch
    import transformers

    from hitpredict.features.embeddings.vggish_network import VggishNetwork

    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    transformers.ASTForAudioClassification(transformers.ASTConfig(**small)).save_pretrained(folder / "ast")
    convolutions = {"conv_dim": (8,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
    config = transformers.Wav2Vec2Config(**small, **convolutions)
    transformers.Wav2Vec2Model(config).save_pretrained(folder / "wav2vec2")
    torch.save(VggishNetwork().state_dict(), folder / "vggish.pth")
    places = {"ast": "checkpoint=ast", "wav2vec2": "checkpoint=wav2vec2", "vggish_embedding": "weights=vggish.pth"}
    rows = {kind: ["--set", "pool=none", "--set", place.replace("=", f"={folder}/")] for kind, place in places.items()}
    return {**rows, "ast_tags": ["--set", f"checkpoint={folder / 'ast'}"]}


def described(folder: Path, size: Size) -> str:
    """Descriptor tables of a folder, against librosa scripts; start-up and compilation count on both sides."""
    batch, rows = copies(folder, size, size.described), []
    for kind in ("fma518", "hmn207"):
        command = [*HITPREDICT, "featurize", "--kind", kind, "-j", "1", "-o", folder / "ours.csv", "--force", batch]
        pairs = beside(command, peer("featurize_librosa", kind, batch, folder / "theirs.csv"), size.runs(3))
        rows.append(row(f"`{kind}`: CPU per clip", pairs, "cpu", "s", 1 / size.described))
    return table(
        f"Descriptor tables: `hitpredict featurize -j 1 -o table.csv folder/` ({size.described} MP3s of "
        f"{size.seconds:g} s) beside a plain librosa script",
        rows,
    )


def parity(folder: Path, size: Size) -> str:
    """Whether those tables hold the same numbers."""
    return descriptors.parity(sounds=None if size == Size() else 3)


def row(name: str, pairs: Pairs, what: str, unit: str, factor: float = 1, *, inverse: bool = False) -> str:
    """Medians of both times `factor`, and the ratio peer / ours (inverse: ours / peer) pair by pair: median
    (minimum to maximum)."""
    low, median, high = pairs.ratios(what)
    if inverse:
        low, median, high = 1 / high, 1 / median, 1 / low
    digits = {"s": 2, "ms": 1}.get(unit, 0)
    ours, theirs = (f"{pairs.median(side, what) * factor:.{digits}f} {unit}".strip() for side in ("ours", "peers"))
    return f"| {name} | {ours} | {theirs} | {median:.2f} ({low:.2f} to {high:.2f}) |"


def table(title: str, rows: list[str], ratio: str = "peer / hitpredict", other: str = "peer") -> str:
    """A section of the page."""
    return "\n".join([f"## {title}", "", f"| | hitpredict | {other} | {ratio} |", "|---|---|---|---|", *rows])


SECTIONS: dict[str, Callable[[Path, Size], str]] = {
    "cold": cold,
    "warm": warm,
    "throughput": throughput,
    "mutate": mutate,
    "sweep": sweep,
    "explain": explain,
    "memory": memory,
    "featurize-memory": featurize_memory,
    "descriptors": described,
    "parity": parity,
}
# What scripts of their own measure.
ELSEWHERE = ("limits", "cost", "gpu", "soak")
HEAD = """# Benchmarks

Written by `python benchmarks/run.py`. Every row runs the command that a user would type, as a process of its own that
ends before the next begins, and a peer: a script in [peers/](peers) that does the same job plainly, or the least that
any program must do. Both take turns (A B A B …) after one uncounted run of each. Times are of the whole process with
all that it starts, from the interpreter's start to its end; CPU is user and system time; memory is the largest
process's peak, and page faults are pages asked of the system, both by the kernel's account (`wait4`). Numbers are
medians; a ratio is the median of the ratios of each pair, with the lowest and the highest.

"""


def publish(name: str, text: str) -> None:
    """Keep a section, and put all there are together, and the notes."""
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    (results / f"{name}.md").write_text(text)
    pages = [path.read_text() for name in (*SECTIONS, *ELSEWHERE) if (path := results / f"{name}.md").exists()]
    (HERE / "README.md").write_text(HEAD + "\n".join([*pages, (HERE / "notes.md").read_text()]))


def main() -> None:
    """Run the sections asked for and write the page from all results there are."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--quick", action="store_true", help="one run at the smallest size; print only")
    given = parser.parse_args()
    if unknown := set(given.sections) - set(SECTIONS):
        parser.error(f"no such section: {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    # The processes run this tree, wherever they are started.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    for name in given.sections or SECTIONS:
        with tempfile.TemporaryDirectory() as folder:
            text = f"{SECTIONS[name](Path(folder), QUICK if given.quick else Size())}\n\n{machine()}\n"
        print(text, flush=True)
        if not given.quick:
            publish(name, text)


if __name__ == "__main__":
    main()
