"""The table of examples/zalo_systems.sh: rank correlation of each system by split, as Markdown."""

import json
import sys
from pathlib import Path
from statistics import mean

SPLITS = ("groups-0", "groups-1", "groups-2", "random-0")


def entry(folder: Path) -> dict[str, object]:
    """The measured Spearman of one model, with its interval, and of the linear baseline beside it."""
    return json.loads((folder / "metrics.json").read_text())["metrics"]["spearman"]


def main() -> None:
    work = Path(sys.argv[1])
    names = sorted({folder.name.rsplit("-", 2)[0] for folder in work.iterdir() if (folder / "metrics.json").exists()})
    print("| recipe | split 0 | split 1 | split 2 | mean | random split (leaks) |\n|---|---|---|---|---|---|")
    rows = {name: [entry(work / f"{name}-{split}") for split in SPLITS] for name in names}
    for name, found in sorted(rows.items(), key=lambda row: -mean(each["value"] for each in row[1][:3])):
        cells = [f"{each['value']:.2f} [{each['interval'][0]:.2f}, {each['interval'][1]:.2f}]" for each in found]
        cells.insert(3, f"{mean(each['value'] for each in found[:3]):.2f}")
        print(f"| {name} | {' | '.join(cells)} |")


main()
