#!/usr/bin/env bash
# How much of a chart position is in the sound, how much does the artist's own level add, and how much metadata? Songs of
# the newest 15 %, by models of the oldest 70 %: artists are on both sides, which is what the second step is about.
#
#   examples/nested_gain.sh TABLE_DIR WORK_DIR [RECIPE]     TABLE_DIR: as `hitpredict fetch zalo2019` writes it; linear
set -euo pipefail
tables=${1:?usage: nested_gain.sh TABLE_DIR WORK_DIR [RECIPE]}
work=${2:?usage: nested_gain.sh TABLE_DIR WORK_DIR [RECIPE]}
recipe=${3:-linear}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$work"

python3 "$here/nested_tables.py" "$tables/tracks.csv.gz" "$work" -chart_rank release_time
given=()
for step in features artist metadata; do
  [ "$step" = features ] && given+=(--features "$tables/features.csv.gz") || given+=(--features "$work/$step.csv")
  [ -d "$work/$step" ] || hitpredict train -q --recipe "$recipe" "${given[@]}" --labels "$work/labels.jsonl" \
    --target=-chart_rank --group group --split column:split -o "$work/$step"
done
hitpredict evaluate -q "$work/features" --nested "$work/artist" --nested "$work/metadata" "${given[@]}" \
  --labels "$work/labels.jsonl" --group group --by known
