"""The table of a study: table.py DIR MADE ROW... < what cannot be known, one a line

A row is RECIPE:METRIC, or RECIPE:METRIC=ENTRY (RECIPE:METRIC=OTHER.ENTRY) where the figure is published under another
name (of another recipe). METRIC is one of the model's evaluation, or a path in it such as curve/all/model/mae.
Published figures are those that `hitpredict recipes RECIPE` prints. MADE is not empty where the data are made.
"""

import json
import re
import subprocess
import sys
import tomllib
from functools import cache, reduce
from pathlib import Path
from typing import Any

SIDES = {"published": "reproduced", "honest": "without the leak"}


@cache
def published(recipe: str) -> dict[str, str]:
    """What the authors report."""
    printed = subprocess.run(["hitpredict", "recipes", recipe], capture_output=True, text=True, check=True).stdout
    return {key: str(value) for key, value in tomllib.loads(printed).get("published", {}).items()}


def figure(text: str | None) -> str:
    """The beginning of a published entry, without what it is about."""
    return re.split(r"[;,(]| on | with | of | for ", text)[0].strip() if text else "not published"


def evaluation(folder: Path, name: str) -> dict[str, Any]:
    """What was measured of a model on its test songs, and on which share of them it is `nearer` than another."""
    measured = folder / "models" / name / "metrics.json"
    compared = folder / "models" / f"{name}.compared.json"
    found = json.loads(measured.read_text()) if measured.exists() else {}
    nearer = json.loads(compared.read_text())["nearer"] if compared.exists() else {"share": None}
    return found if nearer["share"] is None else found | {"nearer": nearer | {"value": nearer["share"]}}


def cell(folder: Path, name: str, metric: str) -> str:
    """A value with its interval."""
    if (folder / "models" / f"{name}.collapsed").exists():
        return "collapsed to a constant"
    path = [metric] if metric == "nearer" else metric.split("/") if "/" in metric else ["metrics", metric]
    entry: Any = reduce(lambda value, key: (value or {}).get(key), path, evaluation(folder, name))
    if not entry:
        return "not trained" if not (folder / "models" / name).exists() else "not defined here"
    value, low, high = (
        f"{each:{'.3f' if abs(each) < 1000 else '.1e'}}" for each in (entry["value"], *entry["interval"])
    )
    return f"{value} [{low}, {high}]"


def songs(folder: Path, name: str) -> str:
    found = evaluation(folder, name)
    return f"{found['rows']:,} of {found['groups']:,} artists" if found else "–"


def main() -> None:
    folder, made, rows = Path(sys.argv[1]), sys.argv[2], [re.split("[:=]", row) for row in sys.argv[3:]]
    print(f"| | published | {' | '.join(SIDES.values())} |\n|---|---|---|---|")
    for recipe, metric, *entry in rows:
        owner, _, key = (entry or [metric])[0].rpartition(".")
        figures = [figure(published(owner or recipe).get(key))]
        figures += [cell(folder, f"{recipe}-{side}", metric) for side in SIDES]
        print(f"| {recipe}, {metric.replace('/', ' ')} | {' | '.join(figures)} |")
    for recipe in dict.fromkeys(recipe for recipe, *_ in rows):
        print(f"| {recipe}, test songs | | {' | '.join(songs(folder, f'{recipe}-{side}') for side in SIDES)} |")
    print()
    for recipe in dict.fromkeys(recipe for recipe, *_ in rows):
        for key, text in published(recipe).items():
            print(f"published, {recipe}: {key} {text}")
    for line in sys.stdin:
        print(f"cannot be known: {line.strip()}")
    if made:
        print("made data: these numbers show that the commands work, and nothing about songs")


if __name__ == "__main__":
    main()
