#!/usr/bin/env bash
# The whole study: songs and their popularity, features, a model, what in the sound moves it, one page.
#
#   examples/what_makes_it_popular.sh DIR [SONGS] [EXPLAINED] [PARAMS]
#
# 300 made songs whose drivers of popularity are known by default, of which 20 that the model never saw are explained,
# by all parameters of `explain`; DIR is kept and resumed. With songs and labels of your own, put them in DIR/songs as
# `hitpredict fetch` does: tracks.jsonl with track_id, path, popularity and artist.
set -euo pipefail
folder=${1:?usage: what_makes_it_popular.sh DIR [SONGS] [EXPLAINED] [PARAMS]}
songs=${2:-300}
explained=${3:-20}
params=${4:+--params=$4}
manifest=$folder/songs/tracks.jsonl
mkdir -p "$folder"

[ -s "$manifest" ] || hitpredict fetch synth -n "$songs" --seed 0 -o "$folder/songs"
hitpredict featurize -q --skip-existing --kind mfcc_stats -o "$folder/mfcc.parquet" "$manifest"
[ -d "$folder/model" ] || hitpredict train --recipe linear --features "$folder/mfcc.parquet" --labels "$manifest" \
  --target popularity -o "$folder/model"
hitpredict export-onnx -q --skip-existing "$folder/model" -o "$folder/model.onnx"

# Songs that the model was tested on, which it neither learnt from nor was calibrated by.
python3 - "$folder" "$explained" > "$folder/unheard.txt" <<'PY'
import json
import sys
from pathlib import Path

folder, count = Path(sys.argv[1]), int(sys.argv[2])
test = json.loads((folder / "model" / "config.json").read_text())["split"]["test"]
rows = map(json.loads, (folder / "songs" / "tracks.jsonl").read_text().splitlines())
paths = {row["track_id"]: folder / "songs" / row["path"] for row in rows}
print(*(paths[track] for track in test[:count]), sep="\n")
PY

hitpredict evaluate -q "$folder/model" --features "$folder/mfcc.parquet" --labels "$manifest" \
  -f json > "$folder/evaluation.json"
hitpredict explain -q --corpus ${params:+"$params"} -m "$folder/model.onnx" -f jsonl --force -o "$folder/corpus.jsonl" \
  --files-from "$folder/unheard.txt"
hitpredict report --force -o "$folder/report.html" "$folder/evaluation.json" "$folder/corpus.jsonl"
echo "$folder/report.html: what raises and what lowers the predicted popularity of $explained songs"
