"""One ONNX Runtime session a process: the model file, its metadata, and where it runs."""

import ctypes
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hitpredict.errors import EnvironmentProblem, unknown
from hitpredict.records import ModelReference

Device = Literal["auto", "cpu", "cuda"]
MODEL_SCHEMA = "hitpredict.model/1"
BUNDLED = Path(__file__).parent / "models"
_SILENT = 4


def quiet_onnxruntime() -> Any:
    """The module onnxruntime, without its telemetry and its log."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    onnxruntime.set_default_logger_severity(_SILENT)
    return onnxruntime


def bundled() -> dict[str, Path]:
    """The bundled models, by name."""
    return {path.stem: path for path in sorted(BUNDLED.glob("*.onnx"))}


@dataclass(frozen=True)
class ModelFile:
    """A model on disk, read once; `metadata` holds everything scoring needs besides the network."""

    path: Path
    data: bytes

    @classmethod
    def find(cls, model: str | None) -> "ModelFile":
        """The bundled model (None), a bundled model by name, or a path to an `.onnx` file.

        Raises `EnvironmentProblem`, saying what there is, when there is no such model.
        """
        known = bundled()
        path = next(iter(known.values()), None) if model is None else known.get(model) or Path(model)
        if path is None:
            raise EnvironmentProblem("this installation holds no bundled model; name one with --model FILE.onnx")
        if path.is_dir():
            raise EnvironmentProblem(
                f"model {model}: is a folder; make a file of it: hitpredict export-onnx {model} -o FILE"
            )
        try:
            return cls(path, path.read_bytes())
        except FileNotFoundError as error:
            if path.suffix or path.parent != Path():
                raise EnvironmentProblem(f"model {model}: no such file; bundled are {', '.join(known)}") from error
            raise EnvironmentProblem(f"{unknown('model', str(model), known)} (or give an .onnx file)") from error
        except OSError as error:
            raise EnvironmentProblem(f"model {model}: {error.strerror or error}") from error

    @cached_property
    def sha256(self) -> str:
        """The file's hash, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


class Session:
    """A loaded model. `device` says where it really runs, `note` what the user should know about that."""

    def __init__(self, file: ModelFile, device: Device = "auto", threads: int = 1):
        """Load on the CPU, on CUDA, or (auto) on CUDA where it works. threads: CPU threads within one run.

        Raises `EnvironmentProblem` when the file is not a hitpredict model or the device is not to be had.
        """
        onnxruntime = quiet_onnxruntime()
        self.file, self.note = file, ""
        self.device: Literal["cpu", "cuda"] = "cpu"
        problem = "" if device == "cpu" else _cuda_problem(onnxruntime)
        if device != "cpu" and not problem:
            self._open(onnxruntime, ["CUDAExecutionProvider", "CPUExecutionProvider"], threads)
            if self._session.get_providers()[0] == "CUDAExecutionProvider":
                self.device = "cuda"
            else:
                problem = "ONNX Runtime could not load CUDA; install 'hitpredict[cuda]' or fix the CUDA libraries"
        if self.device == "cpu":
            if device == "cuda":
                raise EnvironmentProblem(f"--device cuda: {problem}")
            self.note = f"no CUDA here ({problem}); scoring on the CPU" if device == "auto" else ""
            self._open(onnxruntime, ["CPUExecutionProvider"], threads)
        self._inputs = [each.name for each in self._session.get_inputs()]

    def _open(self, onnxruntime: Any, providers: list[str], threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _SILENT
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(self.file.data, options, providers=providers)
        except Exception as error:
            # ONNX Runtime's exceptions share no base class below Exception.
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise EnvironmentProblem(f"model {self.file.path}: not a model that can be loaded: {reason}") from error

    @cached_property
    def metadata(self) -> Mapping[str, str]:
        """The `hitpredict.*` entries of the model file, without the prefix. Raises `EnvironmentProblem`."""
        entries = self._session.get_modelmeta().custom_metadata_map
        metadata = {key.removeprefix("hitpredict."): text for key, text in entries.items()}
        if "waveform" in metadata:
            raise EnvironmentProblem(
                f"model {self.file.path}: takes samples and is meant for other programs; export it without --waveform"
            )
        if metadata.get("schema") != MODEL_SCHEMA:
            raise EnvironmentProblem(
                f"model {self.file.path}: its metadata says {metadata.get('schema')!r}, not {MODEL_SCHEMA!r}; "
                "make it with `hitpredict export-onnx`"
            )
        return metadata

    def json(self, key: str) -> Any:
        """One JSON entry of the metadata. Raises `EnvironmentProblem` when it is missing or broken."""
        try:
            return json.loads(self.metadata[key])
        except (KeyError, ValueError) as error:
            raise EnvironmentProblem(f"model {self.file.path}: its metadata lacks a valid {key!r} entry") from error

    @property
    def reference(self) -> ModelReference:
        """Name, version and hash, as records hold them."""
        return ModelReference(self.metadata.get("name", "?"), self.metadata.get("version", "?"), self.file.sha256)

    def outputs(self, batches: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """The model's outputs for a batch (N, …) of each of its inputs; the first is the score, (N,)."""
        return list(self._session.run(None, dict(zip(self._inputs, batches, strict=True))))


def _cuda_problem(onnxruntime: Any) -> str:
    """Why CUDA cannot be used, found without making ONNX Runtime try (it is loud and slow in failing)."""
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "this ONNX Runtime is built without CUDA; pip install onnxruntime-gpu"
    name = "nvcuda.dll" if hasattr(ctypes, "WinDLL") else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(name)
    except OSError:
        return "no NVIDIA driver is installed"
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return "the NVIDIA driver finds no GPU"
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
    return ""
