"""Helps examples/reproduce/autoen_chorder.sh.

autoen_chorder.py ids TRACKS COUNT                        so many ids of a manifest, drawn by chance
autoen_chorder.py labels TRACKS PREVIEWS                  the lines of a manifest whose song has a preview in another
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


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    {"ids": ids, "labels": labels}[command](*arguments)
