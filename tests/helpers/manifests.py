"""Manifests as the tests read them."""

import json
from pathlib import Path


def manifest_rows(folder: Path) -> list[dict]:
    """The rows of a folder's `tracks.jsonl`."""
    return [json.loads(line) for line in (folder / "tracks.jsonl").read_text(encoding="utf-8").splitlines()]
