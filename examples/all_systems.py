"""Helps examples/all_systems.sh: stand-in inputs, a row for each system, and the table.

all_systems.py inputs DIR                     stream curves for the synthetic songs
all_systems.py vggish DIR                     VGGish weights that no training has touched
all_systems.py tagger DIR                     an AST with 50 classes that no training has touched
all_systems.py row DIR RECIPE OPTION...       the row of one system, as JSON
all_systems.py table DIR                      all rows as Markdown
"""

import json
import math
import random
import re
import sys
from pathlib import Path
from typing import Any

WEEKS = 104


def write_vggish(folder: Path) -> None:
    """Random weights in place of the published ones."""
    weights = folder / "vggish-random.safetensors"
    if not weights.exists():
        import torch
        from safetensors.torch import save_file

        from hitpredict.features.embeddings.vggish_network import VggishNetwork

        torch.manual_seed(0)
        save_file({key: value.contiguous() for key, value in VggishNetwork().state_dict().items()}, weights)


def write_tagger(folder: Path) -> None:
    """A small tagger of random weights in place of the published one."""
    checkpoint = folder / "tagger-random"
    if not checkpoint.exists():
        import torch
        from transformers import ASTConfig, ASTForAudioClassification

        torch.manual_seed(0)
        sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
        names = {number: f"class {number}" for number in range(50)}
        network = ASTForAudioClassification(ASTConfig(**sizes, id2label=names, label2id={}))
        torch.nn.init.normal_(network.classifier.dense.weight)
        network.save_pretrained(checkpoint)


def write_inputs(folder: Path) -> None:
    """Weekly curves whose height follows the planted popularity."""
    curves = folder / "curves.jsonl"
    rows = [json.loads(line) for line in (folder / "songs" / "tracks.jsonl").read_text().splitlines()]
    with curves.open("w") as file:
        for row in rows:
            file.write(json.dumps(row | curve_of(row["popularity"], row["track_id"])) + "\n")


def curve_of(popularity: float, seed: str) -> dict[str, object]:
    """Streams that start at 10^(4.5 to 6.5) and fade, faster for the less popular, until the song drops out."""
    noise = random.Random(seed)
    start = 4.5 + popularity / 50 + noise.gauss(0, 0.05)
    curve = [start - week / (20 + popularity) + noise.gauss(0, 0.02) for week in range(WEEKS)]
    curve = [value if value > 4.2 else 0.0 for value in curve]
    total = sum(10**value for value in curve if value)
    return {"curve": curve, "log_sum": math.log10(max(total, 1)), "log_debut": max(curve[0], 0.0)}


def row_of(folder: Path, name: str, options: list[str]) -> dict[str, object]:
    """What the table says of one system."""
    from hitpredict.evaluation.models import FolderModel

    model = folder / "models" / name
    evaluation = json.loads(Path(f"{model}.evaluation.json").read_text())
    config = json.loads((model / "config.json").read_text())
    export = Path(f"{model}.export.txt").read_text()
    parity = re.search(r"differs from the trained model by (\S+)", export)
    return {
        "recipe": name,
        "task": config["recipe"]["task"],
        "features": [each["kind"]["name"] for each in config["features"]],
        "parameters": config.get("parameters"),
        "spearman": evaluation["metrics"]["spearman"],
        "mae": evaluation["metrics"]["mae"]["value"],
        "mae_constant": evaluation["baselines"]["constant"]["mae"]["value"],
        "accuracy": evaluation["metrics"].get("accuracy"),
        "coverage": evaluation["coverage"]["rows"],
        "rows": evaluation["rows"],
        "parity": parity[1] if parity else None,
        "score_difference": score_difference(FolderModel(model), Path(f"{model}.scores.jsonl"), options),
    }


def score_difference(model: Any, scores: Path, options: list[str]) -> float | None:
    """The largest difference between scores from audio and from the feature table, in deviations of the target."""
    if not scores.exists() or not scores.read_text():
        return None
    from hitpredict.tables.join import load

    pairs = zip(options[::2], options[1::2], strict=True)
    features = [Path(value) for option, value in pairs if option == "--features"]
    data = load(features, Path(options[-1]), model.target.columns)
    known = dict(zip(data.track_ids, model.predict(data).score, strict=True))
    records = [json.loads(line) for line in scores.read_text().splitlines()]
    spread = model.target.scaled["deviation"] if not model.target.classes else 1.0
    return max(abs(record["score"] - known[Path(record["path"]).stem]) for record in records) / spread


def table_of(folder: Path) -> str:
    """All rows, best first within each task."""
    rows = [json.loads(path.read_text()) for path in sorted((folder / "models").glob("*.row.json"))]
    rows.sort(key=lambda row: (row["task"], -row["spearman"]["value"]))
    lines = [
        "| recipe | features | parameters | Spearman [95 %] | MAE / constant's | accuracy | coverage of 80 % | "
        "ONNX difference | score difference |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        low, high = row["spearman"]["interval"]
        cells = [
            row["recipe"],
            ", ".join(row["features"]),
            f"{row['parameters']:,}" if row["parameters"] else "–",
            f"{row['spearman']['value']:.2f} [{low:.2f}, {high:.2f}]",
            f"{row['mae'] / row['mae_constant']:.2f}",
            f"{row['accuracy']['value']:.2f}" if row["accuracy"] else "–",
            f"{row['coverage']:.0%}",
            row["parity"] or "not exported",
            f"{row['score_difference']:.1g}" if row["score_difference"] is not None else "–",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    command, folder, *rest = sys.argv[1:]
    if command == "inputs":
        write_inputs(Path(folder))
    elif command == "vggish":
        write_vggish(Path(folder))
    elif command == "tagger":
        write_tagger(Path(folder))
    elif command == "row":
        print(json.dumps(row_of(Path(folder), rest[0], rest[1:])))
    else:
        print(table_of(Path(folder)))


if __name__ == "__main__":
    main()
