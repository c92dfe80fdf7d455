#!/usr/bin/env bash
# HipHopPopularity: popular or not, from previews on Spotify. The list of its 16,168 songs is not public: put ids of
# your own, one a line, into DIR/ids.txt. Needs SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET of an application that is
# given popularity.
#
#   examples/reproduce/hiphop.sh DIR [--synthetic] [--force] [RECIPE...]
set -euo pipefail
source "$(dirname "$0")/study.sh"
begin "$@"
songs=$work/previews table=$work/logmel.parquet small=() filters=()
bring "$work/ids.txt" "Spotify ids of hip-hop songs, one a line"
if [ "$made" ]; then
  small=(--set "scaling.windows=[{length = 128, pad = 'least'}]" --set training.batch_size=16)
  filters=(--set 'network.filters=[4, 8, 8, 8]')
fi

once "$songs/tracks.jsonl" hitpredict fetch spotify -q --ids "$work/ids.txt" --previews deezer -o "$songs" > /dev/null
once "$table" hitpredict featurize -q --kind logmel --set relative=min -o "$table" "$songs/tracks.jsonl"

for side in "published --split random" "honest --split groups"; do
  read -ra how <<< "$side"
  options=("${how[@]:1}" --features "$table" --labels "$songs/tracks.jsonl" --target popularity "${small[@]}")
  trained "mlp-hiphop-$how" mlp-hiphop "${options[@]}"
  trained "hiphop-cnn-$how" hiphop-cnn "${options[@]}" "${filters[@]}"
  trained "hiphop-cnn2-$how" hiphop-cnn2 "${options[@]}" "${filters[@]}"
  trained "hiphop-crnn-$how" hiphop-crnn "${options[@]}" "${filters[@]}"
done

results mlp-hiphop:{accuracy,roc_auc} hiphop-{cnn,cnn2,crnn}:{accuracy,roc_auc} <<'UNKNOWN'
which songs these were, and how many of their artists are on both sides of the random split
what the resizing, which sheared the spectrograms, did to the figures: here songs are padded or cut
UNKNOWN
