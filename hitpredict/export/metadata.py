"""What scoring reads of a model beside its graph."""

import json
from pathlib import Path

import msgspec

from hitpredict.errors import UsageError
from hitpredict.features.descriptors.hmn import BESIDE_SOUND
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.scoring.session import MODEL_SCHEMA
from hitpredict.tables import label_inputs


def metadata_of(folder: ModelFolder) -> dict[str, str]:
    """The `hitpredict.*` metadata of a model folder: texts, and JSON."""
    config, target = folder.config, folder.target
    if len(folder.from_labels) == len(config.features):
        raise UsageError(
            f"{folder.folder}: takes no sound, so that there is nothing to score; `hitpredict evaluate` measures its "
            "forecasts on a table, and mp2 and mp3 take first weeks beside sound"
        )
    if region := label_inputs.named(folder.from_labels, label_inputs.REGION):
        names = ", ".join(region["names"])
        raise UsageError(f"{folder.folder}: knows several regions; name one with `region`: {names}")
    if any(each.kind is None for each in config.features):
        raise UsageError(
            f"{folder.folder}: was trained on a table of unknown features, which cannot be made from audio; train on "
            "a table that `hitpredict featurize` wrote"
        )
    if beside := [each.kind_name for each in config.features if each.kind_name in BESIDE_SOUND]:
        raise UsageError(
            f"{folder.folder}: was trained on {beside[0]}, with columns that cannot be made from audio; train on the "
            "207 columns that `hitpredict featurize` writes"
        )
    calibration = folder.calibration
    low, high = (0, target.classes - 1) if target.classes else (target.scaled["low"], target.scaled["high"])
    spearman = folder.read("metrics.json", _spearman)
    known = f"rank correlation {spearman:.2f} on its test tracks" if spearman is not None else "not measured"
    name = target.name + (f" in {folder.region['only']}" if folder.region else "")
    parts = {
        "frontend": [each.kind for each in config.features],
        "windows": folder.windows,
        "target": {
            "name": name,
            "low": low,
            "high": high,
            "definition": name,
            "meaning": f"{config.recipe.name}'s guess at {name} from {_taken(folder)} ({known})",
        },
        "calibration": calibration.to_json(),
        "domain": folder.domain.to_json(),
        "reference": msgspec.to_builtins(config.reference),
        "trained_on": sorted(folder.seen),
        "baselines": config.baselines,
        "label_target": target.to_json(),
        "published": config.recipe.published,
    }
    if more := folder.outputs.to_json():
        parts["outputs"] = more
    if folder.region:
        parts["region"] = folder.region
    texts = {"schema": MODEL_SCHEMA, "name": config.recipe.name, "version": "1"}
    if note := config.input_note:
        texts["input_note"] = note
    texts["card"] = folder.read("MODEL_CARD.md", lambda path: path.read_text(encoding="utf-8"))
    texts |= {key: json.dumps(part, ensure_ascii=False, sort_keys=True) for key, part in parts.items()}
    return {f"hitpredict.{key}": text for key, text in texts.items()}


def _taken(folder: ModelFolder) -> str:
    more = [kind["name"] for kind in folder.from_labels]
    return f"sound, {' and '.join(more)}" if more else "sound alone"


def _spearman(path: Path) -> float | None:
    found = json.loads(path.read_text(encoding="utf-8"))["metrics"].get("spearman", {}).get("value")
    return None if found is None else float(found)


def with_metadata(graph: bytes, metadata: dict[str, str]) -> bytes:
    import onnx
    from onnx import helper

    proto = onnx.load_from_string(graph)
    proto.producer_name, proto.doc_string = "hitpredict", ""
    helper.set_model_props(proto, dict(sorted(metadata.items())))
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString(deterministic=True))
