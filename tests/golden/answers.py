"""The answers that are frozen, each computed anew through the command line or the public functions."""

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from typer.testing import CliRunner

from hitpredict import Clip, mutate
from hitpredict.cli.app import app
from tests.golden import sounds
from tests.helpers import checkpoints

Answers = dict[str, Any]

DESCRIBED = ("chords, 48 kHz, stereo", "noise, 22.05 kHz, stereo", "clicks, 8 kHz")
KINDS = (
    *("mfcc_stats", "mfcc_stats n_mfcc=13", "fma518", "fma518 compat=true", "hmn207", "hmn207 compat=true"),
    *("logmel", "logmel n_mels=64 htk=true center=false relative=true", "fbank", "vggish", "waveform"),
    *("spectrogram_image", "spectrogram_image colour=rgb", "complexity"),
)
EMBEDDINGS = ("vggish_embedding", "ast", "ast_tags", "wav2vec2", "mert", "clap_embedding")

# Every step at one value or more, in the order of `mutate --help`.
STEPS: tuple[tuple[str, Any], ...] = (
    *(("pitch", 3), ("pitch", -5), ("tempo", 1.25), ("tempo", 0.8)),
    *(("gain", -6), ("loudness", -20), ("compress", (-30, 4)), ("limit", -12), ("fade", (0.2, 0.3))),
    *(("lowpass", 500), ("highpass", 2000), ("eq", (1000, 9, 2)), ("eq", (300, -12))),
    *(("reverb", (0.5, 0.8)), ("delay", (0.1, 0.4)), ("chorus", (0.5, 3)), ("width", 0.3), ("width", 1.7)),
    *(("mono", True), ("noise", (10, "white")), ("noise", (10, "pink")), ("noise", (10, "brown"))),
    *(("distortion", 18), ("bitcrush", 5), ("mp3", 48), ("reverse", True), ("crop", (0.2, 0.7)), ("roll", 0.3)),
)
CHAINS: tuple[dict[str, Any], ...] = (
    {"pitch": 2, "tempo": 0.9, "quality": "draft"},
    {"gain": 3, "noise": 20, "limit": -3, "seed": 7},
)
# Ten epochs that learn something.
QUICKLY = ("--set", "training.epochs=10", "--set", "training.learning_rate=0.01")
MUTATED = ("chords, 48 kHz, stereo", "chords, 16 kHz")


def run(*arguments: object) -> str:
    """What the command prints."""
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == 0, (arguments, result.stderr)
    return result.stdout


def records(*arguments: object) -> list[Answers]:
    return [json.loads(line) for line in run(*arguments).splitlines()]


def scores(folder: Path) -> Answers:
    """The bundled model's record of every sound, and of one by segments."""
    made = sounds.write(folder / "sounds")
    one = made / f"{DESCRIBED[0]}.wav"
    found = records("score", made, "-f", "jsonl", "--device", "cpu")
    parts = records("score", one, "--segments", "1.5", "-f", "jsonl", "--device", "cpu")
    names = [*(each["name"] for each in found), "by segments"]
    return {name: _without(each, "path") for name, each in zip(names, [*found, *parts], strict=True)}


def features(folder: Path) -> Answers:
    """Every kind of features that needs no weights: vectors whole, arrays in brief."""
    made = sounds.write(folder / "sounds", *DESCRIBED)
    return {kind: _featurized(kind, made) for kind in KINDS}


def embeddings(folder: Path) -> Answers:
    """Every kind of features that needs weights, with small made ones."""
    made = sounds.write(folder / "sounds", *DESCRIBED[:2])
    given = {
        "vggish_embedding": f"weights={checkpoints.vggish(folder / 'vggish.pth')}",
        "ast": f"checkpoint={checkpoints.ast(folder / 'ast')}",
        "ast_tags": f"checkpoint={checkpoints.ast(folder / 'ast_tags')}",
        "wav2vec2": f"checkpoint={checkpoints.wav2vec2(folder / 'wav2vec2')}",
        "mert": f"checkpoint={checkpoints.mert(folder / 'mert')}",
        "clap_embedding": f"checkpoint={checkpoints.clap(folder / 'clap')}",
    }
    return {kind: _featurized(f"{kind} {given[kind]}", made) for kind in EMBEDDINGS}


def mutations(folder: Path) -> Answers:
    """What every step makes of a sound in stereo, and of one in mono."""
    found = {}
    for name in MUTATED:
        clip = Clip(*sounds.samples(name, 1.0))
        for steps in (*({op: value} for op, value in STEPS), *CHAINS):
            if "width" not in steps or len(clip.samples) == 2:
                said = ", ".join(f"{op} {value}" for op, value in steps.items())
                found[f"{said}: {name}"] = _heard(mutate(clip, **steps))
    return found


def training(folder: Path) -> Answers:
    """Models of a made table: their evaluation, the metadata of their ONNX file, and the scores it gives."""
    made = sounds.write(folder / "sounds", *DESCRIBED[:2])
    tables = ("--features", folder / "features.csv", "--labels", folder / "labels.csv", "--group", "artist")
    _write_tables(folder, records("featurize", "-k", "mfcc_stats", made))
    found = {}
    for recipe, settings in (("constant", ()), ("linear", ()), ("mlp", QUICKLY)):
        model, exported = folder / recipe, folder / f"{recipe}.onnx"
        run("train", "-r", recipe, *tables, "--target", "popularity", *settings, "-o", model, "--seed", "3")
        found[f"{recipe}: evaluation"] = json.loads(run("evaluate", model, *tables, "-f", "json"))
        run("export-onnx", model, "-o", exported)
        found[f"{recipe}: metadata"] = _metadata(exported)
        scored = records("score", made, "-m", exported, "-f", "jsonl", "--device", "cpu")
        found[f"{recipe}: scores"] = [_without(each, "path", "model") for each in scored]
    return found


ANSWERS: dict[str, Callable[[Path], Answers]] = {
    each.__name__: each for each in (scores, features, embeddings, mutations, training)
}


def _without(record: Answers, *keys: str) -> Answers:
    return {key: value for key, value in record.items() if key not in keys}


def _featurized(kind: str, made: Path) -> Answers:
    name, *settings = kind.split()
    options = [word for each in settings for word in ("--set", each)]
    rows = records("featurize", "-k", name, *options, "-f", "jsonl", made)
    return {row["track_id"]: _briefly(_without(row, "path", "track_id", "duration", "warnings")) for row in rows}


def _briefly(row: Answers) -> Answers:
    """A vector in families (`mfcc_mean_0` … as `mfcc_mean`), an array by its statistics and some of its values."""
    if "shape" in row:
        return {"shape": row["shape"], **_array(np.array(row["values"]))}
    families: Answers = {}
    for column, value in row.items():
        families.setdefault(re.sub(r"_?\d+$", "", column), []).append(value)
    return families


def _array(values: NDArray[Any]) -> Answers:
    return {
        "size": values.size,
        "mean": float(values.mean()),
        "deviation": float(values.std()),
        "lowest": float(values.min()),
        "highest": float(values.max()),
        "picked": values[np.linspace(0, values.size - 1, 30).astype(int)].tolist(),
    }


def _heard(clip: Clip) -> Answers:
    """A sound in brief.

    levels: of each channel in eight parts of its time. bands: of each channel in octaves below half the rate. Both in
    dB, with a floor at -120 dB.
    """
    wave = clip.samples.astype(np.float64)
    spectrum = np.square(np.abs(np.fft.rfft(wave))) / wave.shape[1] ** 2
    edges = (spectrum.shape[1] * 2.0 ** np.arange(-8, 1)).astype(int)
    return {
        "shape": list(wave.shape),
        "rate": clip.rate,
        "rms": float(np.sqrt(np.mean(np.square(wave)))),
        "peak": float(np.abs(wave).max()),
        "levels": [[_db(np.mean(np.square(part))) for part in np.array_split(channel, 8)] for channel in wave],
        "bands": [
            [_db(channel[low:high].sum()) for low, high in zip([0, *edges[:-1]], edges, strict=True)]
            for channel in spectrum
        ],
        "samples": wave[:, np.linspace(0, wave.shape[1] - 1, 12).astype(int)].tolist(),
    }


def _db(power: float) -> float:
    return float(10 * np.log10(max(power, 1e-12)))


def _write_tables(folder: Path, heard: list[Answers], rows: int = 360, artists: int = 60) -> None:
    """Features around those of two sounds that were heard, and a popularity of which some of them know a part."""
    random = np.random.default_rng(4)
    columns = [name for name in heard[0] if name.startswith("mfcc")]
    ends = np.array([[each[name] for name in columns] for each in heard])
    artist = random.integers(0, artists, rows)
    values = random.normal(size=(rows, len(columns))) + 0.4 * random.normal(size=(artists, len(columns)))[artist]
    known = values[:, :6].sum(axis=1) / 3 + 0.5 * np.tanh(values[:, 6]) + 0.7 * random.normal(size=rows)
    popularity = 100 / (1 + np.exp(-known))
    values = ends.mean(axis=0) + values * np.ptp(ends, axis=0) / 2
    lines = [f"{i}," + ",".join(f"{value:.5f}" for value in row) for i, row in enumerate(values)]
    (folder / "features.csv").write_text("\n".join([f"track_id,{','.join(columns)}", *lines]) + "\n")
    labels = "".join(f"{i},{popularity[i]:.4f},artist {artist[i]}\n" for i in range(rows))
    (folder / "labels.csv").write_text(f"track_id,popularity,artist\n{labels}")


def _metadata(exported: Path) -> Answers:
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    found: Answers = {}
    for key, text in sorted(session.get_modelmeta().custom_metadata_map.items()):
        try:
            found[key] = json.loads(text)
        except ValueError:
            found[key] = text
    packed = found["hitpredict.domain"].pop("whitening")
    found["hitpredict.domain"]["whitening"] = _array(np.frombuffer(base64.b64decode(packed), np.float16).astype(float))
    return found
