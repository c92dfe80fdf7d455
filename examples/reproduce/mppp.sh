#!/usr/bin/env bash
# MPPP (2022): weekly streams from previews, as two numbers (MP2) and as a curve of 104 weeks (MP3). Put the pages of
# kworb.net of your songs, named by their Spotify ids, into DIR/charts. Needs SPOTIFY_CLIENT_ID and
# SPOTIFY_CLIENT_SECRET for the previews.
#
#   examples/reproduce/mppp.sh DIR [--synthetic] [--force] [RECIPE...]
set -euo pipefail
source "$(dirname "$0")/study.sh"
begin "$@"
curves=$work/curves/curves.parquet songs=$work/previews table=$work/fbank.parquet small=()
bring "$work/charts" "track pages of kworb.net, named ID.html"
if [ "$made" ]; then
  small=(--set "scaling.windows=[{length = 192, pad = 'zero', place = 'middle'}]" --set network.dim=32)
  small+=(--set network.depth=1 --set network.heads=2 --set 'augment=[]')
  small+=(--set training.learning_rate=0.003 --set training.batch_size=8)
fi

once "$curves" hitpredict fetch charts -q "$work/charts" -o "$work/curves" > /dev/null
once "$songs/tracks.jsonl" hitpredict fetch spotify -q --previews deezer -o "$songs" \
  --ids <(cd "$work/charts" && printf '%s\n' *.html | sed 's/\.html$//') > /dev/null
once "$table" hitpredict featurize -q --kind fbank --set window=none --dtype float16 -o "$table" "$songs/tracks.jsonl"

for side in "published --split random" "honest --split groups"; do
  read -ra how <<< "$side"
  options=("${how[@]:1}" --features "$table" --labels "$curves" "${small[@]}")
  trained "mp2-$how" mp2 "${options[@]}" --target log_sum,log_debut
  trained "mp3-$how" mp3 "${options[@]}" --target curve
done

results {mp2,mp3}:{spearman,mae}=result mp3:curve/charted/model/mae=result <<'UNKNOWN'
what its authors reached: no result is published
what the missing causal mask did: here the decoder has one
whether artists were kept apart in the split of 70:15:15
UNKNOWN
