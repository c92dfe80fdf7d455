"""A folder with all that the commands in the documentation name: songs, tables, models, records."""

import gzip
import json
import tarfile
from pathlib import Path

import numpy as np

from hitpredict.audio.clip import Clip
from hitpredict.frontends.mfcc_stats import MfccStats
from tests.helpers.processes import shell
from tests.helpers.sounds import saved, tune

_SECONDS = 4
_MUSIC = ("music/a.wav", "music/b.flac", "music/c.wav", "songs/a.wav", "songs/b.ogg", "album/one.ogg", "album/two.ogg")
_NAMES = ("song.mp3", "song.flac", "other.mp3", "old.wav", "new.wav", "mix1.wav", "mix2.wav", "mix.wav")
_MORE = ("a.mp3", "b.mp3", "a.wav", "b.wav", "c.wav", "a.flac", "b.wav", *_NAMES, *_MUSIC)
_ARRAYS = """
import numpy, pyarrow, pyarrow.parquet
values = numpy.random.default_rng(0).normal(size=(60, 4 * 128)).astype("float32").tolist()
names = [f"synth_{n:05}" for n in range(60)]
table = {"path": names, "track_id": names, "duration": [4.0] * 60, "shape": [[4, 128]] * 60, "values": values}
pyarrow.parquet.write_table(pyarrow.table(table), "vggish.parquet")
"""
# Songs that no model has seen: those of synth again, a little different.
_UNSEEN = """
import numpy, pandas
table, random = pandas.read_parquet("mfcc.parquet"), numpy.random.default_rng(0)
more = table.loc[table.index.repeat(3)].reset_index(drop=True)
more["track_id"] = [f"{name}_{number % 3}" for number, name in enumerate(more["track_id"])]
more.iloc[:, 3:] *= random.uniform(0.95, 1.05, (len(more), more.shape[1] - 3)).astype("float32")
pandas.concat([table, more]).to_parquet("mfcc.parquet")
"""
_MADE = """
hitpredict fetch synth -q -n 60 --seconds 4 --seed 0 -o synth
hitpredict featurize -q --kind mfcc_stats -o mfcc.parquet synth/tracks.jsonl
hitpredict featurize -q --kind hmn207 -o hmn.parquet synth/tracks.jsonl
hitpredict featurize -q --kind mfcc_stats -o features.csv synth/tracks.jsonl && gzip features.csv
hitpredict train -q -r linear --features mfcc.parquet --labels synth/tracks.jsonl --target popularity -o model
hitpredict train -q -r linear --set penalty=50 --features mfcc.parquet --labels synth/tracks.jsonl --target popularity \
  -o other
hitpredict export-onnx -q model -o model.onnx
hitpredict score -q song.mp3 > scores.jsonl
hitpredict compare -q old.wav new.wav > comparisons.jsonl
hitpredict evaluate -q model --features mfcc.parquet --labels synth/tracks.jsonl -f json > evaluation.json
cp -r synth previews
"$HITPREDICT_TESTS" -c "$UNSEEN"
ffmpeg -loglevel error -f lavfi -i testsrc=d=4:s=64x48 -i song.mp3 -shortest film.mkv
"""


def furnish(folder: Path) -> Path:
    """Fill a folder; it takes about half a minute."""
    for seed, name in enumerate(_MORE):
        saved(folder, name, tune(_SECONDS, rate=44_100, seed=seed))
    stems = [tune(_SECONDS, rate=44_100, seed=seed) for seed in (1, 2)]
    for name, stem in zip(("drums", "bass"), stems, strict=True):
        saved(folder, f"stems/{name}.wav", stem)
    saved(folder, "mix.wav", Clip(stems[0].samples + stems[1].samples, stems[0].rate, "mix"))
    for name in ("set.tar", *(f"shard-{number:03}.tar" for number in range(10))):
        with tarfile.open(folder / name, "w") as archive:
            archive.add(folder / "a.wav", f"{name}.wav")
    outcome = shell(f'set -e\n"$HITPREDICT_TESTS" -c "$ARRAYS"\n{_MADE}', folder, ARRAYS=_ARRAYS, UNSEEN=_UNSEEN)
    assert outcome.code == 0, outcome.err
    _tables(folder)
    return folder


def _tables(folder: Path) -> None:
    lines = (folder / "synth" / "tracks.jsonl").read_text().splitlines()
    tracks = [json.loads(line) for line in lines]
    tracks += [{**each, "track_id": f"{each['track_id']}_{n}", "artist": f"{n}"} for each in tracks for n in range(3)]
    for number, track in enumerate(tracks):
        track |= {"genre": ("pop", "rock")[number % 2], "listens": 10 * track["popularity"], "chart_rank": number + 1}
        track |= {"path": f"synth/{track['path']}"}
    for name in ("tracks.jsonl", "other.jsonl"):
        (folder / name).write_text("".join(f"{json.dumps(track)}\n" for track in tracks))
    with gzip.open(folder / "tracks.csv.gz", "wt") as file:
        file.write("track_id,chart_rank,artist\n")
        file.writelines(f"{each['track_id']},{each['chart_rank']},{each['artist']}\n" for each in tracks)
    (folder / "ranges.toml").write_text('[estimator]\nlearning_rate = "0.01..0.1"\n')
    (folder / "grid.toml").write_text('pitch = "-1:1:1"\nair = {eq = "12k:-6,12k:6"}\n')
    places = [{"song": f"Song {number}", "artist": "X", "this_week": number} for number in (1, 2)]
    (folder / "spotify-weekly").mkdir()
    (folder / "spotify-weekly" / "week.json").write_text(json.dumps({"date": "2020-01-04", "data": places}))
    (folder / "zalo").mkdir()
    names, random = MfccStats().columns, np.random.default_rng(0)
    with gzip.open(folder / "zalo" / "features.csv.gz", "wt") as file:
        file.write(",".join(("track_id", *names)) + "\n")
        for number in range(60):
            file.write(",".join(map(str, (f"new{number}", *random.normal(size=len(names))))) + "\n")
    labels = [{"track_id": f"new{number}", "chart_rank": number + 1, "artist": f"a{number}"} for number in range(60)]
    (folder / "zalo" / "tracks.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in labels))
