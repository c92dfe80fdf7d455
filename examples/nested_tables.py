"""Feature tables of what is known of a song besides its sound, and labels with a split by time, from a table of labels.

python3 examples/nested_tables.py LABELS OUT_DIR TARGET DATE [WEEKS]

Writes artist.csv (the mean of TARGET over the artist's other songs, and how many there are), metadata.csv (month and
weekday of DATE, how many artists, the twelve most frequent genres), with a column of lists WEEKS weeks.csv (its first
four values), and labels.jsonl: the labels with a column `split`, by which the oldest 70 % of the songs train and the
newest 15 % test, and `known`, whether an artist of the song has others in the training part. The artist's level counts
songs of that part alone, never the song itself; of an artist who has none there, it is empty.
"""

import csv
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from hitpredict.tables.read import number_of, read_table
from hitpredict.tables.splits import TRAIN, temporal_split

GENRES, WEEKS = 12, 4


def artists_of(table: dict[str, list[Any]]) -> list[list[str]]:
    """The artists of each song."""
    column = next(name for name in ("artist_ids", "artist_id", "artist", "artist_name") if name in table)
    lists = [value if isinstance(value, list) else str(value).replace(",", ".").split(".") for value in table[column]]
    return [[str(name) for name in names if name] for names in lists]


def own_level(names: Sequence[Sequence[str]], values: Sequence[float], known: Sequence[bool]) -> list[tuple[str, int]]:
    """Of each song the mean over the other known songs that share an artist with it, as text, and their number."""
    songs = defaultdict(set)
    for row, artists in enumerate(names):
        for artist in artists if known[row] else ():
            songs[artist].add(row)
    found = []
    for row, artists in enumerate(names):
        others = set().union(*(songs[artist] for artist in artists if artist in songs)) - {row}
        mean = f"{np.mean([values[other] for other in others]):.5f}" if others else ""
        found.append((mean, len(others)))
    return found


def write(path: Path, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])


def main() -> None:
    labels, out, target, when = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3].lstrip("-"), sys.argv[4]
    out.mkdir(exist_ok=True)
    table = read_table(labels)
    dated = [row for row, day in enumerate(table[when]) if day]
    table = {name: [column[row] for row in dated] for name, column in table.items()}
    ids, names = table["track_id"], artists_of(table)
    days = [str(day)[:10] for day in table[when]]
    split = temporal_split(np.array(days))
    values = [number_of(value) for value in table[target]]
    level = own_level(names, values, [part == TRAIN for part in split])
    rows = [[track, *found] for track, found in zip(ids, level, strict=True)]
    write(out / "artist.csv", ["track_id", "artist_level", "artist_songs"], rows)
    genre = [str(value) for value in table.get("genre", [""] * len(ids))]
    common = [name for name, _ in Counter(genre).most_common(GENRES)]
    parsed = [date.fromisoformat(day) for day in days]
    rows = [
        [track, day.month, day.weekday(), len(artists), *(int(own == name) for name in common)]
        for track, day, artists, own in zip(ids, parsed, names, genre, strict=True)
    ]
    head = ["track_id", "month", "weekday", "artists", *(f"genre_{number}" for number in range(len(common)))]
    write(out / "metadata.csv", head, rows)
    if len(sys.argv) > 5:
        rows = [[track, *curve[:WEEKS]] for track, curve in zip(ids, table[sys.argv[5]], strict=True)]
        write(out / "weeks.csv", ["track_id", *(f"week_{week + 1}" for week in range(WEEKS))], rows)
    known = ["no" if not mean else "yes" for mean, _ in level]
    with (out / "labels.jsonl").open("w", encoding="utf-8") as file:
        for row in range(len(ids)):
            record = {name: column[row] for name, column in table.items()} | {"split": split[row], "known": known[row]}
            file.write(json.dumps(record, ensure_ascii=False, default=str) + "\n")


if __name__ == "__main__":
    main()
