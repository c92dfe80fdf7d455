#!/usr/bin/env bash
# Autoen-chorder (MIT 6.S898, 2023): HitMusicNet's descriptors and VGGish of previews against HitMusicNet itself. Needs
# SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET for the previews of 10,000 songs of SpotGenTrack (5 GB).
#
#   examples/reproduce/autoen_chorder.sh DIR [--synthetic] [--force] [RECIPE...]
set -euo pipefail
source "$(dirname "$0")/study.sh"
begin "$@"
data=$work/spotgentrack songs=$work/previews labels=$work/labels.jsonl small=() tiny=()

once "$data/tracks.jsonl" hitpredict fetch spotgentrack -q -o "$data" > /dev/null
[ -s "$work/ids.txt" ] || python3 "$here/autoen_chorder.py" ids "$data/tracks.jsonl" 10000 > "$work/ids.txt"
once "$songs/tracks.jsonl" hitpredict fetch spotify -q --ids "$work/ids.txt" --previews deezer -o "$songs" > /dev/null
# HitMusicNet gets the same songs, those with a preview, and so the same parts of them.
[ -s "$labels" ] || python3 "$here/autoen_chorder.py" labels "$data/tracks.jsonl" "$songs/tracks.jsonl" > "$labels"
if [ "$made" ]; then
  weights=$work/made/vggish-random.pth
  tiny=(--set network.compression=2 --set training.batch_size=16 --set network.autoencoder_epochs=10)
  small=("${tiny[@]:2}" --set network.layers=3 --set "scaling.windows=[{}, {length = 1, pad = 'zero'}]")
  small+=(--set loss.m=0.5 --set training.learning_rate=0.003 --set training.epochs=60)
else
  weights=$(hitpredict fetch weights -q vggish | cut -f 2)
fi
once "$work/vggish.parquet" hitpredict featurize -q --kind vggish_embedding --set "weights=$weights" --set pool=none \
  -o "$work/vggish.parquet" "$songs/tracks.jsonl"

tables=(--features "$data/hmn207.parquet" --features "$work/vggish.parquet")
compared=("${tables[@]/#--features/--compare-features}")
for side in "published --split random" "honest --split groups"; do
  read -ra how <<< "$side"
  options=("${how[@]:1}" --labels "$labels" --target popularity --set 'target.transforms=["minmax"]')
  trained "hmn-$how" hmn "${options[@]}" "${tables[@]:0:2}" "${tiny[@]}"
  trained "autoen-chorder-$how" autoen-chorder "${options[@]}" "${tables[@]}" "${small[@]}"
  first=$work/models/hmn-$how second=$work/models/autoen-chorder-$how
  if [ -e "$first/metrics.json" ] && [ "$second/metrics.json" -nt "$second.compared.json" ]; then
    hitpredict evaluate -q "$first" "${tables[@]:0:2}" --compare "$second" "${compared[@]}" --labels "$labels" -f json \
      > "$second.compared.part"
    mv "$second.compared.part" "$second.compared.json"
  fi
done

results hmn:r2=autoen-chorder.r2_hitmusicnet autoen-chorder:{r2,nearer} <<'UNKNOWN'
which 10,000 songs were drawn, and how they were split
the widths of the layers, the optimiser and the number of epochs; the tables of results are pictures
how HitMusicNet was retrained, and on which columns; 207 are taken here
UNKNOWN
