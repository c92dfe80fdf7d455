#!/usr/bin/env bash
# DH-401 (EPFL 2021): popularity on FMA's subset large (93 GB) from wav2vec 2.0, and least squares on FMA's descriptors.
#
#   examples/reproduce/dh401.sh DIR [--synthetic] [--force] [RECIPE...]
set -euo pipefail
source "$(dirname "$0")/study.sh"
begin "$@"
data=$work/fma table=$work/waveform.parquet mirror=() network=()
if [ "$made" ]; then
  mirror=(--checksums "$work/made/SHA1SUMS")
  echo "wav2vec 2.0 starts from random weights of a tiny size" >&2
  size="hidden_size = 32, num_hidden_layers = 1, num_attention_heads = 2, intermediate_size = 64"
  size+=", conv_dim = [16, 16, 16, 16, 16, 16, 16], num_conv_pos_embeddings = 16, num_conv_pos_embedding_groups = 2"
  network=(--set "network.config={$size}" --set "scaling.windows=[{length = 16000, pad = 'zero'}]")
  network+=(--set training.batch_size=8)
else
  hitpredict fetch weights -q wav2vec2 > /dev/null
  network=(--set network.checkpoint=facebook/wav2vec2-base --set network.pretrain_epochs=2)
fi

once "$data/tracks.jsonl" hitpredict fetch fma -q --subset large "${mirror[@]}" -o "$data" > /dev/null
once "$table" hitpredict featurize -q --kind waveform --dtype float16 -o "$table" "$data/tracks.jsonl"

# The score is the first principal component of the logarithms of all counts of the track and its album.
counts=track_listens,track_favorites,track_comments,album_listens,album_favorites,album_comments
options=(--labels "$data/tracks.jsonl" --target "$counts" --set 'target.transforms=["log1p"]')
trained linear-ols-published linear-ols "${options[@]}" --features "$data/features.parquet" --split random
trained linear-ols-honest linear-ols "${options[@]}" --features "$data/features.parquet" --split fma
# As published it looks at the first frame alone (--compat).
trained wav2vec2-published wav2vec2 "${options[@]}" --features "$table" "${network[@]}" --split random --compat
trained wav2vec2-honest wav2vec2 "${options[@]}" --features "$table" "${network[@]}" --split fma

results linear-ols:r2 wav2vec2:r2=result <<'UNKNOWN'
which 43 of the 518 columns least squares took (here: all), and whether its R² is of songs that it had not seen
whether artists were kept apart in the split of 95:5
how good wav2vec 2.0 is as the authors meant it: their predictions are a constant
UNKNOWN
