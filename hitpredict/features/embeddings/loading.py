"""Networks from files, loaded once in a process; what is missing becomes one line that says what to do."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from hitpredict.errors import EnvironmentProblem, needs

_NOT_USED = {"masked_spec_embed"}
"""Weights that only training uses, so that a checkpoint may lack them."""
_MERT = "mert_model"
_loading = Lock()


def require(module: str) -> Any:
    """Import a library of the training world. Raises `EnvironmentProblem` naming the extra that brings it."""
    with needs("train", "embeddings need"):
        return importlib.import_module(module)


def columns(kind: str, size: int) -> tuple[str, ...]:
    """Names of an embedding's elements: `ast_000`, `ast_001`, …"""
    return tuple(f"{kind}_{i:03}" for i in range(size))


def place(device: str) -> Any:
    """The torch device `cpu` or `cuda`. Raises `EnvironmentProblem` when it is not to be had."""
    torch = require("torch")
    if device == "cuda" and not torch.cuda.is_available():
        raise EnvironmentProblem("device cuda: torch finds no CUDA GPU here; use cpu, or install a torch with CUDA")
    return torch.device(device)


@contextmanager
def inference() -> Iterator[None]:
    """No gradients, and one CPU thread, so that the numbers do not depend on how many jobs share the machine."""
    torch = require("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(threads)


def fetched_weights() -> Path:
    """The folder that `hitpredict fetch weights` fills; it need not be there."""
    require("platformdirs")
    from hitpredict.datasets.web.cache import cache_root

    return cache_root() / "weights"


def transformer(cls: str, checkpoint: str, device: str) -> Any:
    """A model of the library transformers in float32, ready to be run; the same object on every call.

    cls: name of its class. checkpoint: a folder, or a hub id whose files `hitpredict fetch weights` or Hugging Face's
    own cache holds; the network is not touched. Raises `EnvironmentProblem` when there is no such checkpoint or it
    lacks weights.
    """
    with _loading:
        return _transformer(cls, checkpoint, device)


@cache
def _transformer(cls: str, checkpoint: str, device: str) -> Any:
    target = place(device)
    config = deepcopy(configuration(cls, checkpoint))
    try:
        model, report = getattr(_transformers(), cls).from_pretrained(
            _folder(checkpoint), config=config, local_files_only=True, output_loading_info=True
        )
    except Exception as error:
        raise _broken(checkpoint, error) from error
    if missing := sorted(set(report["missing_keys"]) - _NOT_USED):
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise EnvironmentProblem(f"checkpoint {checkpoint}: lacks weights of {cls}: {missing[0]}{more}")
    return model.float().eval().to(target)


@cache
def configuration(cls: str, checkpoint: str) -> Any:
    """The configuration of a checkpoint, without its weights.

    Raises `EnvironmentProblem` when there is no such checkpoint or it is of another network than `cls`.
    """
    transformers, folder = _transformers(), _folder(checkpoint)
    try:
        fields, _ = transformers.PretrainedConfig.get_config_dict(folder, local_files_only=True)
        if fields.get("model_type") == _MERT and cls == "HubertModel":
            return transformers.HubertConfig(**_as_hubert(checkpoint, fields))
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise _broken(checkpoint, error) from error
    wanted = getattr(transformers, cls).config_class.model_type
    if config.model_type != wanted:
        raise EnvironmentProblem(f"checkpoint {checkpoint}: a network of type {config.model_type}, not {wanted}")
    return config


def _as_hubert(checkpoint: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The configuration of MERT (Li et al. 2024, arXiv:2306.00107), whose network is HuBERT's but for two additions
    that its published checkpoints do not use. Raises `EnvironmentProblem` for one that does."""
    for addition in ("feature_extractor_cqt", "deepnorm"):
        if fields.get(addition):
            raise EnvironmentProblem(f"checkpoint {checkpoint}: is a MERT with {addition}, which cannot be loaded")
    return {name: value for name, value in fields.items() if name not in ("model_type", "architectures", "auto_map")}


def extractor(cls: str, checkpoint: str) -> Any:
    """What brings sound to the form that a checkpoint takes: a feature extractor of transformers, by its class.

    Raises `EnvironmentProblem` when the checkpoint has none, or it is damaged.
    """
    try:
        return getattr(_transformers(), cls).from_pretrained(_folder(checkpoint), local_files_only=True)
    except Exception as error:
        raise _broken(checkpoint, error) from error


@cache
def preprocessing(checkpoint: str, sample_rate: int) -> dict[str, Any]:
    """The `preprocessor_config.json` of a checkpoint; empty when it has none.

    Raises `EnvironmentProblem` when it asks for another sample rate (Hz).
    """
    extractor = _transformers().SequenceFeatureExtractor
    try:
        settings, _ = extractor.get_feature_extractor_dict(_folder(checkpoint), local_files_only=True)
    except OSError:
        return {}
    if settings.get("sampling_rate", sample_rate) != sample_rate:
        rate = settings["sampling_rate"]
        raise EnvironmentProblem(f"checkpoint {checkpoint}: made for sound at {rate} Hz, not {sample_rate}")
    return dict(settings)


@cache
def _transformers() -> Any:
    require("torch")
    transformers = require("transformers")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _folder(checkpoint: str) -> str:
    """Where the files of a checkpoint lie. Raises `EnvironmentProblem` when they are not on this machine."""
    if Path(checkpoint).is_dir():
        return checkpoint
    require("platformdirs")
    from hitpredict.datasets.web.cache import fetched_repository

    if (brought := fetched_repository(checkpoint)) is not None:
        return str(brought)
    hub, errors = require("huggingface_hub"), require("huggingface_hub.errors")
    with suppress(errors.LocalEntryNotFoundError, errors.HFValidationError):
        return str(hub.snapshot_download(checkpoint, local_files_only=True))
    raise EnvironmentProblem(
        f"checkpoint {checkpoint}: neither a folder nor in the local cache; get it with `hitpredict fetch weights`, "
        "or give a folder with config.json and model.safetensors"
    )


def _broken(checkpoint: str, error: Exception) -> Exception:
    if isinstance(error, EnvironmentProblem):
        return error
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return EnvironmentProblem(f"checkpoint {checkpoint}: cannot be loaded: {reason}")
