"""How fast a GPU is: networks of published size in ONNX Runtime (half precision) beside torch (bfloat16, SDPA), and
`hitpredict score --device cuda` on a folder. Writes benchmarks/results/gpu.md and gpu.json.

    python benchmarks/gpu.py [--songs 500]
    python benchmarks/gpu.py --device cpu --quick     the same on made nothings, to see that the script runs; print only

Needs a GPU with `hitpredict[train,cuda]` and a torch built for CUDA; says so where there is none. Both sides take the
same batches, which lie in the memory of the device already; a ratio is the median over pairs of turns. Utilisation is
what `nvidia-smi` says, five times a second, while the folder is scored.
"""

import argparse
import datetime
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import networks
import numpy as np
import onnxruntime
import torch
from run import publish

HERE = Path(__file__).parent
HITPREDICT = [sys.executable, "-m", "hitpredict"]


def missing(device: str) -> str:
    """Why this cannot be measured here, or nothing."""
    from hitpredict.scoring.session import _cuda_problem

    if device == "cpu":
        return ""
    if problem := _cuda_problem(onnxruntime):
        return problem
    return "" if torch.cuda.is_available() else f"torch {torch.__version__} does not use CUDA"


class Onnx:
    """A graph in ONNX Runtime, inputs and outputs bound in the memory of the device."""

    def __init__(self, data: bytes, device: str):
        providers = ["CUDAExecutionProvider"] if device == "cuda" else []
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(data, options, providers=[*providers, "CPUExecutionProvider"])
        self._device = device
        if providers and self._session.get_providers()[0] != providers[0]:
            raise RuntimeError("ONNX Runtime could not load CUDA")

    def runner(self, batch: np.ndarray) -> Callable[[], np.ndarray]:
        """A call that runs a batch to its end."""
        binding = self._session.io_binding()
        value = onnxruntime.OrtValue.ortvalue_from_numpy(batch, self._device, 0)
        binding.bind_ortvalue_input("features", value)
        binding.bind_output("score", self._device)

        def run() -> np.ndarray:
            self._session.run_with_iobinding(binding)
            binding.synchronize_outputs()
            return np.asarray(binding.copy_outputs_to_cpu()[0], np.float32)

        return run


class Torch:
    """The same network in torch, in bfloat16 on a GPU."""

    def __init__(self, made: torch.nn.Module, device: str):
        self._type = torch.bfloat16 if device == "cuda" else torch.float32
        self._network, self._device = made.to(device, self._type), device

    def runner(self, batch: np.ndarray) -> Callable[[], np.ndarray]:
        """A call that runs a batch to its end."""
        given = torch.from_numpy(batch).to(self._device, self._type)

        def run() -> np.ndarray:
            with torch.inference_mode():
                found = self._network(given).float().cpu()
            return np.asarray(found)

        return run


def seconds(run: Callable[[], Any], turns: int) -> float:
    begun = time.perf_counter()
    for _ in range(turns):
        run()
    return (time.perf_counter() - begun) / turns


def beside(name: str, entry: Any, device: str, sizes: list[int], pairs: int) -> tuple[list[str], dict[str, Any]]:
    """Rows of the table, and the fastest: windows in a second, on how large a batch."""
    spec, shape, length = entry
    made = networks.network(spec, shape)
    data = networks.graph(made, shape)
    plain = Onnx(data, device)
    ours, theirs = Onnx(networks.half(data), device), Torch(made, device)
    rows, best = [], {"windows_per_second": 0.0}
    for size in sizes:
        batch = np.random.default_rng(size).normal(size=(size, *shape)).astype(np.float32)
        a, b = ours.runner(batch), theirs.runner(batch)
        reference, (one, other) = plain.runner(batch)(), (a(), b())
        turns = max(1, round(0.5 / max(seconds(a, 2), 1e-4)))
        both = [(seconds(a, turns), seconds(b, turns)) for _ in range(pairs)]
        ratios = sorted(peer / own for own, peer in both)
        rate = size / statistics.median(own for own, _ in both)
        if rate > best["windows_per_second"]:
            best = {"windows_per_second": rate, "batch": size, "window_seconds": length}
        rows.append(
            f"| {name} | {size} | {rate:.0f} | {size / statistics.median(peer for _, peer in both):.0f} | "
            f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) | "
            f"{np.abs(one - reference).max():.1g} | {np.abs(other - reference).max():.1g} |"
        )
    if device == "cuda":
        best["largest_batch"] = largest(ours, shape)
    return rows, best


def largest(ours: Onnx, shape: tuple[int, int]) -> int:
    """The largest power of two of windows that fits."""
    size = 64
    while size < 2**16:
        try:
            ours.runner(np.zeros((2 * size, *shape), np.float32))()
        except Exception:
            # ONNX Runtime's exceptions share no base class below Exception.
            break
        size *= 2
    return size


def end_to_end(folder: Path, model: Path | None, songs: int, device: str) -> dict[str, float]:
    """Songs in a second by the command that a user types, its start and the first copy of the model counted."""
    sound = HERE.parent / "examples" / "song.ogg"
    listed = folder / "songs.txt"
    listed.write_text(f"{sound}\n" * songs)
    command = [*HITPREDICT, "score", "--device", device, "-q", "--files-from", listed, "-o", folder / "scores.parquet"]
    command += ["--force", *(["-m", model] if model else [])]
    watched: list[float] = []
    begun = time.perf_counter()
    process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL)
    while process.poll() is None:
        time.sleep(0.2)
        if device == "cuda":
            asked = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
            watched.append(float(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[0]))
    taken = time.perf_counter() - begun
    if process.returncode:
        raise RuntimeError(f"score ended with {process.returncode}")
    return {"songs_per_second": songs / taken, "utilisation": statistics.fmean(watched) if watched else 0.0}


def ast_model(folder: Path) -> Path:
    """An AST-base that score takes: trained for a moment on made songs."""
    songs, table, model = folder / "songs", folder / "fbank.parquet", folder / "ast"
    target = ("--labels", songs / "tracks.jsonl", "--target", "popularity")
    for words in (
        ["fetch", "synth", "-n", "60", "--seconds", "12", "-o", songs],
        ["featurize", "-q", "-k", "fbank", "--set", "window=none", "-o", table, songs / "tracks.jsonl"],
        ["train", "-q", "-r", "ast", "--features", table, *target, "--set", "training.epochs=1", "-o", model],
        ["export-onnx", model, "-o", folder / "ast.onnx"],
    ):
        subprocess.run([*HITPREDICT, *map(str, words)], check=True)
    return folder / "ast.onnx"


def main() -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--songs", type=int, default=500)
    parser.add_argument("--quick", action="store_true", help="a small network, batches of one and two; print only")
    given = parser.parse_args()
    if problem := missing(given.device):
        print(f"no GPU to measure: {problem}")
        return
    every: Mapping[str, Any] = networks.SMALL if given.quick else networks.NETWORKS
    sizes, pairs = ([1, 2], 1) if given.quick else ([1, 8, 32, 64, 128], 5)
    lines, found = [], {}
    for name, entry in every.items():
        rows, found[name] = beside(name, entry, given.device, sizes, pairs)
        lines += rows
    with tempfile.TemporaryDirectory() as folder:
        models = {"bundled model": None} | ({} if given.quick else {"AST-base": ast_model(Path(folder))})
        ends = {
            name: end_to_end(Path(folder), model, 3 if given.quick else given.songs, given.device)
            for name, model in models.items()
        }
    device = torch.cuda.get_device_name() if given.device == "cuda" else "no GPU"
    text = "\n".join(
        [
            f"## GPU: {device}, {datetime.date.today():%Y-%m-%d}",
            "",
            "Windows a second, and the largest difference of each from ONNX Runtime in single precision:",
            "",
            "| network | batch | ONNX Runtime fp16 | torch bf16, SDPA | ratio | fp16 | bf16 |",
            "|---|---|---|---|---|---|---|",
            *lines,
            "",
            *(f"- Largest batch that fits, {name}: {each.get('largest_batch', '?')}" for name, each in found.items()),
            *(
                f"- `score --device {given.device}`, {name}: {each['songs_per_second']:.1f} songs/s, "
                f"device busy {each['utilisation']:.0f} %"
                for name, each in ends.items()
            ),
        ]
    )
    print(text)
    if not given.quick:
        publish("gpu", text + "\n")
        (HERE / "results" / "gpu.json").write_text(
            json.dumps({"device": device, "networks": found, "score": ends}, indent=1)
        )


if __name__ == "__main__":
    main()
