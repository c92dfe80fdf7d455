#!/usr/bin/env bash
# HitMusicNet (Martín-Gutiérrez et al. 2020): Spotify popularity from the 228 columns of SpotGenTrack (0.7 GB).
#
#   examples/reproduce/hitmusicnet.sh DIR [--synthetic] [--force] [RECIPE...]
set -euo pipefail
source "$(dirname "$0")/study.sh"
begin "$@"
data=$work/spotgentrack small=()
if [ "$made" ]; then
  small=(--set network.compression=2 --set training.batch_size=16 --set training.learning_rate=0.003)
  small+=(--set training.epochs=50 --set training.patience=20)
  small+=(--set network.autoencoder_epochs=20 --set network.autoencoder_lr=0.003)
fi

once "$data/tracks.jsonl" hitpredict fetch spotgentrack -q -o "$data" > /dev/null

# As published, scaler and autoencoder have seen the test songs (--compat), and the training songs are of their artists.
for side in "published --split random --compat" "honest --split groups"; do
  read -ra how <<< "$side"
  options=("${how[@]:1}" --features "$data/hmn228.parquet" --labels "$data/tracks.jsonl" --target popularity)
  trained "hmn-$how" hmn "${options[@]}" --set 'target.transforms=["minmax"]' "${small[@]}"
  trained "hmn-classify-$how" hmn-classify "${options[@]}" "${small[@]}"
done

results hmn:mae hmn-classify:{accuracy,baselines/constant/accuracy=majority,macro_f1} <<'UNKNOWN'
which point of the grid of initial weights and optimisers the best figures belong to
the tables of the paper itself: these figures are those that its code printed
how much it helped that the weights were not reset between the folds: one split is repeated here, not the folds
UNKNOWN
