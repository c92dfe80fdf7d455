"""Helps examples/reproduce/autoen_chorder.sh.

autoen_chorder.py ids TRACKS COUNT                        so many ids of a manifest, drawn by chance
autoen_chorder.py labels TRACKS PREVIEWS                  the lines of a manifest whose song has a preview in another
autoen_chorder.py nearer DIR SIDE DESCRIPTORS VGGISH LABELS    how often autoen-chorder is nearer than hmn on test songs
"""

import json
import random
import sys
from pathlib import Path


def lines_of(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").split("\n")[:-1]


def ids(tracks: str, count: str) -> None:
    found = [json.loads(line)["track_id"] for line in lines_of(tracks)]
    random.Random(0).shuffle(found)
    print(*found[: int(count)], sep="\n")


def labels(tracks: str, previews: str) -> None:
    rows = (json.loads(line) for line in lines_of(previews))
    heard = {row["track_id"] for row in rows if row["path"]}
    print(*(line for line in lines_of(tracks) if json.loads(line)["track_id"] in heard), sep="\n")


def nearer(folder: str, side: str, descriptors: str, vggish: str, labels: str) -> None:
    place = Path(folder, "models")
    models = {
        place / f"hmn-{side}": [descriptors],
        place / f"autoen-chorder-{side}": [descriptors, vggish],
    }
    target = place / f"autoen-chorder-{side}.compared.json"
    made = [model / "metrics.json" for model in models]
    if not all(each.exists() for each in made):
        return
    if target.exists() and all(target.stat().st_mtime > each.stat().st_mtime for each in made):
        return
    import numpy as np

    from hitpredict.evaluation.metrics import group_bootstrap
    from hitpredict.evaluation.models import FolderModel
    from hitpredict.tables.join import load

    errors = {}
    for path, tables in models.items():
        model = FolderModel(path)
        data = load([Path(each) for each in tables], Path(labels), model.target.columns)
        test = set(json.loads((path / "config.json").read_text())["split"]["test"])
        data = data.take(np.flatnonzero([track in test for track in data.track_ids]))
        errors[path] = np.abs(model.predict(data).score - model.target.truth(data.labels))
    first, second = errors.values()
    won = (second < first).astype(float)
    interval = group_bootstrap(lambda rows: float(won[rows].mean()), data.groups, 300)
    target.write_text(json.dumps({"nearer": {"value": float(won.mean()), "interval": [*interval]}}))


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    {"ids": ids, "labels": labels, "nearer": nearer}[command](*arguments)
