"""Which folders are models that this program wrote, so that it may replace them and take away what it left."""

import json
import os
import shutil
from pathlib import Path

from hitpredict.errors import UsageError
from hitpredict.files.owned import sweep

CONFIG, CHECKPOINTS, FOLDS, REQUEST = "config.json", "checkpoints", "folds", "request.json"
OUT_OF_FOLD = "out_of_fold.csv"
_FILES = {
    CONFIG,
    "MODEL_CARD.md",
    "calibration.json",
    "domain.json",
    "estimator.onnx",
    "metrics.json",
    "model.safetensors",
    OUT_OF_FOLD,
    "outputs.json",
    "training.csv",
}


def check_replaceable(folder: Path) -> None:
    """Raises `UsageError` where something is that is no model folder, or holds more than training writes."""
    # A kill may have left a part of the one that was set aside.
    check_work(_aside(folder))
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        raise UsageError(f"{folder}: is no folder, and is not replaced; name another for the model")
    if not _is_model(folder):
        raise UsageError(f"{folder}: is no model folder, and is not replaced; name another, or move it away")
    if more := _more_than(_FILES, folder):
        raise UsageError(f"{folder}: also holds {more}, which training did not write; move it away first")


def clear_work(folder: Path) -> None:
    """Remove what an interrupted training left. Raises `UsageError` where that is something else."""
    check_work(folder)
    if folder.exists():
        shutil.rmtree(folder)


def check_work(folder: Path) -> None:
    """Raises `UsageError` where something is that training has not left."""
    if not os.path.lexists(folder):
        return
    ours = not hasattr(os, "geteuid") or folder.lstat().st_uid == os.geteuid()
    if folder.is_symlink() or not folder.is_dir() or not ours:
        raise UsageError(f"{folder}: is a link, no folder, or somebody else's; training needs the name, move it away")
    sweep(folder)
    if more := _more_than({*_FILES, CHECKPOINTS, FOLDS, REQUEST}, folder):
        raise UsageError(f"{folder}: holds {more}, which no training has left; move it away")


def put_in_place(work: Path, folder: Path) -> None:
    """Give a finished model folder its name. One that was there is set aside before, and removed afterwards."""
    check_replaceable(folder)
    aside = _aside(folder)
    if folder.exists():
        shutil.rmtree(aside, ignore_errors=True)
        folder.replace(aside)
    try:
        work.replace(folder)
    except OSError:
        aside.replace(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.replaced")


def _is_model(folder: Path) -> bool:
    try:
        schema = json.loads((folder / CONFIG).read_text(encoding="utf-8"))["schema"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
    return isinstance(schema, str) and schema.startswith("hitpredict.model-folder/")


def _more_than(known: set[str], folder: Path) -> str | None:
    """Something in a folder that is not known, by name or because it is a folder where a file should be."""
    for path in sorted(folder.iterdir()):
        fits = path.is_dir() if path.name in (CHECKPOINTS, FOLDS) else path.is_file()
        if path.name not in known or path.is_symlink() or not fits:
            return path.name
    return None
