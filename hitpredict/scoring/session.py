"""One ONNX Runtime session a process: the model file, its metadata, and where it runs."""

import ctypes
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock, Timer
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hitpredict.errors import EnvironmentProblem, InputError, unknown
from hitpredict.scoring import metadata as model_metadata
from hitpredict.scoring.pinned import PinnedBatches
from hitpredict.scoring.records import ModelReference

DeviceName = Literal["auto", "cpu", "cuda"]
MODEL_SCHEMA = "hitpredict.model/1"
BUNDLED = Path(__file__).parents[1] / "models"
_SILENT = 4
_LARGEST = 2**31
_LONGEST_NAME = 1000
_NOWHERE = f"{os.devnull}/none"


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
            raise EnvironmentProblem("this installation holds no bundled model; name one with `model` FILE.onnx")
        if path.is_dir():
            raise EnvironmentProblem(
                f"model {model}: is a folder; make a file of it: hitpredict export-onnx {model} -o FILE"
            )
        if path.is_char_device() or path.is_block_device():
            raise EnvironmentProblem(f"model {model}: is no file")
        try:
            with path.open("rb") as file:
                data = file.read(_LARGEST + 1)
        except FileNotFoundError as error:
            if path.suffix or path.parent != Path():
                raise EnvironmentProblem(f"model {model}: no such file; bundled are {', '.join(known)}") from error
            raise EnvironmentProblem(f"{unknown('model', str(model), known)} (or give an .onnx file)") from error
        except OSError as error:
            raise EnvironmentProblem(f"model {model}: {error.strerror or error}") from error
        if len(data) > _LARGEST:
            raise EnvironmentProblem(f"model {model}: larger than the 2 GiB that an .onnx file may have")
        return cls(path, data)

    @cached_property
    def sha256(self) -> str:
        """The file's hash, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


class Session:
    """A loaded model. `device` says where it really runs, `note` what to know about that. seconds: a run's limit."""

    def __init__(self, file: ModelFile, device: DeviceName = "auto", threads: int = 1, seconds: float | None = None):
        """Load on the CPU, on CUDA, or (auto) on CUDA where it works. threads: CPU threads within one run.

        seconds: how long one run may take; a graph can hold a loop without end.

        Raises `EnvironmentProblem` when the file is not a hitpredict model or the device is not to be had.
        """
        onnxruntime = quiet_onnxruntime()
        self.file, self.note, self.seconds = file, "", seconds
        self._options = onnxruntime.RunOptions
        self.device: Literal["cpu", "cuda"] = "cpu"
        self._batches, self._turn = PinnedBatches(None), Lock()
        problem = "" if device == "cpu" else _cuda_problem(onnxruntime)
        if device != "cpu" and not problem:
            self._open(onnxruntime, ["CUDAExecutionProvider", "CPUExecutionProvider"], threads)
            if self._session.get_providers()[0] == "CUDAExecutionProvider":
                self.device, self._batches = "cuda", PinnedBatches(_cuda_driver())
            else:
                problem = "ONNX Runtime could not load CUDA; install 'hitpredict[cuda]' or fix the CUDA libraries"
        if self.device == "cpu":
            if device == "cuda":
                raise EnvironmentProblem(f"`device` cuda: {problem}")
            self.note = f"no CUDA here ({problem}); scoring on the CPU" if device == "auto" else ""
            self._open(onnxruntime, ["CPUExecutionProvider"], threads)
        kinds = {each.type for each in self._session.get_inputs()}
        if kinds != {"tensor(float)"}:
            raise self._problem(f"takes {', '.join(sorted(kinds)) or 'nothing'}, not arrays of float32")

    @property
    def inputs(self) -> int:
        """How many arrays the model takes."""
        return len(self._inputs)

    @property
    def names(self) -> list[str]:
        """The names of the model's outputs."""
        return [each.name for each in self._session.get_outputs()]

    def _problem(self, what: str) -> EnvironmentProblem:
        return EnvironmentProblem(f"model {self.file.path}: {what}")

    def _open(self, onnxruntime: Any, providers: list[str], threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _SILENT
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # A model is one file: what it wants to read besides is looked for where nothing is.
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", _NOWHERE)
        try:
            # Falling back to where it already runs, it would say so on standard output.
            self._session = onnxruntime.InferenceSession(
                self.file.data, options, providers=providers, enable_fallback=len(providers) > 1
            )
            self._inputs = [each.name for each in self._session.get_inputs()]
        except Exception as error:
            # ONNX Runtime's exceptions share no base class below Exception.
            raise self._problem(f"not a model that can be loaded: {_reason(error)}") from error

    @cached_property
    def metadata(self) -> Mapping[str, str]:
        """The `hitpredict.*` entries of the model file, without the prefix. Raises `EnvironmentProblem`."""
        try:
            entries = self._session.get_modelmeta().custom_metadata_map
        except UnicodeDecodeError as error:
            raise self._problem("its metadata is not UTF-8") from error
        metadata = {key.removeprefix("hitpredict."): text for key, text in entries.items()}
        if "waveform" in metadata:
            raise self._problem("takes samples and is meant for other programs; export it without `waveform`")
        if metadata.get("schema") != MODEL_SCHEMA:
            raise self._problem(
                f"its metadata says {metadata.get('schema', '')[:40]!r}, not {MODEL_SCHEMA!r}; "
                "make it with `hitpredict export-onnx`"
            )
        for key in ("name", "version"):
            if len(metadata.get(key, "")) > _LONGEST_NAME:
                raise self._problem(f"its metadata gives a {key} of {len(metadata[key])} characters")
        return metadata

    def json(self, key: str) -> Any:
        """One JSON entry of the metadata, see `model_metadata`. Raises `EnvironmentProblem` when it is missing, broken
        or out of bounds."""
        if key not in self.metadata:
            raise self._problem(f"its metadata lacks a {key!r} entry")
        try:
            return model_metadata.parsed_entry(key, self.metadata[key])
        except ValueError as error:
            raise self._problem(f"its metadata cannot be worked with: {error}") from error

    @property
    def reference(self) -> ModelReference:
        """Name, version and hash, as records hold them."""
        return ModelReference(self.metadata.get("name", "?"), self.metadata.get("version", "?"), self.file.sha256)

    def outputs(self, batches: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """The model's outputs for a batch (N, …) of each of its inputs; the first is the score, (N,).

        Raises `InputError` when the model cannot take the batch, takes too long, or answers what is no score.
        """
        options = self._options()
        timer = Timer(self.seconds or 0, setattr, (options, "terminate", True))
        timer.daemon = True
        if self.seconds is not None:
            timer.start()
        try:
            found = self._run(batches, options) if self.device == "cpu" else self._run_bound(batches, options)
        except Exception as error:
            late = f"no answer within {self.seconds} s; a higher timeout allows more"
            reason = late if options.terminate else f"cannot take this input: {_reason(error)}"
            raise InputError(f"model {self.file.path}: {reason}") from error
        finally:
            timer.cancel()
        score = found[0] if found else None
        if not (isinstance(score, np.ndarray) and score.size == len(batches[0]) and score.dtype.kind == "f"):
            raise InputError(f"model {self.file.path}: answers with something else than a number for each song")
        if not np.isfinite(score).all():
            raise InputError(f"model {self.file.path}: answers {score[~np.isfinite(score)][0]}, which is no score")
        return found

    def _run(self, batches: Sequence[NDArray[np.float32]], options: Any) -> list[Any]:
        return list(self._session.run(None, dict(zip(self._inputs, batches, strict=True)), options))

    def _run_bound(self, batches: Sequence[NDArray[np.float32]], options: Any) -> list[Any]:
        """The same with everything bound before: each input is copied to the device once, each output once back.

        What is bound is not copied on this side, so that the device copies from memory that is locked for it.
        """
        binding = self._session.io_binding()
        for name in self.names:
            binding.bind_output(name, "cpu")
        with self._turn:
            for name, batch in zip(self._inputs, batches, strict=True):
                binding.bind_cpu_input(name, self._batches.held(name, batch))
            self._session.run_with_iobinding(binding, options)
        return list(binding.copy_outputs_to_cpu())


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _cuda_problem(onnxruntime: Any) -> str:
    """Why CUDA cannot be used, found without making ONNX Runtime try (it is loud and slow in failing)."""
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "this ONNX Runtime is built without CUDA; pip install onnxruntime-gpu"
    if (driver := _cuda_driver()) is None:
        return "no NVIDIA driver is installed"
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return "the NVIDIA driver finds no GPU"
    if hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
    return ""


def _cuda_driver() -> Any:
    """The library of NVIDIA's driver, None without one."""
    try:
        return ctypes.CDLL("nvcuda.dll" if hasattr(ctypes, "WinDLL") else "libcuda.so.1")
    except OSError:
        return None
