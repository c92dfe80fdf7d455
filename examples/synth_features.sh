#!/usr/bin/env bash
# Songs whose drivers of popularity are known, and their 518 FMA features, in one table each.
#
#   examples/synth_features.sh DIR [SONGS] [KIND]        200 songs and fma518 by default
set -euo pipefail
folder=${1:?usage: synth_features.sh DIR [SONGS] [KIND]}
songs=${2:-200}
kind=${3:-fma518}

hitpredict fetch synth -n "$songs" --seed 0 -o "$folder"
hitpredict featurize --kind "$kind" -o "$folder/$kind.parquet" --skip-existing "$folder/tracks.jsonl"
echo "$folder/$kind.parquet: features, to be joined with $folder/tracks.jsonl on track_id"
