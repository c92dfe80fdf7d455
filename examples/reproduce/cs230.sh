#!/usr/bin/env bash
# CS230 (Rossi & Pleus, Stanford): low, medium or high listens from pictures of spectrograms of FMA's subset small
# (7 GB); honestly, with no artist on both sides and songs that were not picked for their popularity: large (93 GB).
#
#   examples/reproduce/cs230.sh DIR [--synthetic] [--force] [RECIPE...]
set -euo pipefail
source "$(dirname "$0")/study.sh"
begin "$@"
mirror=() small=()
if [ "$made" ]; then
  mirror=(--checksums "$work/made/SHA1SUMS")
  small=(--set network.width=0.25 --set network.hidden=64 --set training.epochs=15 --set training.learning_rate=0.001)
fi

for side in "published small random" "honest large fma"; do
  read -r side subset split <<< "$side"
  data=$work/$subset
  once "$data/tracks.jsonl" hitpredict fetch fma -q --subset "$subset" "${mirror[@]}" -o "$data" > /dev/null
  for recipe in cs230-2conv cs230-4conv cs230-4conv-rgb cs230-6conv-rgb; do
    is_wanted "$recipe" || continue
    colour=gray
    [ "${recipe%-rgb}" = "$recipe" ] || colour=rgb
    once "$data/$colour.parquet" hitpredict featurize -q --kind spectrogram_image --set "colour=$colour" \
      --set dtype=uint8 -o "$data/$colour.parquet" "$data/tracks.jsonl"
    trained "$recipe-$side" "$recipe" --features "$data/$colour.parquet" --labels "$data/tracks.jsonl" \
      --target track_listens --split "$split" "${small[@]}"
  done
done

results cs230-{2conv,4conv,4conv-rgb,6conv-rgb}:accuracy <<'UNKNOWN'
the cut-offs of the classes, of which only the shares are published, and the layout of all networks but the largest
whether the split kept artists apart; that of FMA would, and also gives 80 %, 10 % and 10 %
why the largest network is better on its test songs than on those that it learnt from
UNKNOWN
