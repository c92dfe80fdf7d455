#!/usr/bin/env bash
# KKBOX (Yang et al. 2017, Yu et al. 2017): log(plays) * log(users) from 30 s of sound. The data are not public: put
# songs of your own into DIR/songs, and DIR/plays.csv with the columns track_id (the file's name without its suffix),
# artist, plays and users (both at least 1), in this order.
#
#   examples/reproduce/kkbox.sh DIR [--synthetic] [--force] [RECIPE...]
set -euo pipefail
source "$(dirname "$0")/study.sh"
begin "$@"
table=$work/logmel.parquet small=()
bring "$work/plays.csv" "a table track_id,artist,plays,users; and the songs into $work/songs, named by their track_id"
if [ "$made" ]; then
  small=(--set "scaling.windows=[{length = 32, pad = 'least', place = 'middle'}]" --set training.epochs=30)
fi

awk -F, -v OFS=, '{ print $0, NR == 1 ? "score" : log($(NF - 1)) * log($NF) }' "$work/plays.csv" > "$work/labels.csv"
once "$table" hitpredict featurize -q --kind logmel --set n_fft=4096 --set hop_length=2048 -o "$table" "$work/songs"

for recipe in hsp-cnn hsp-inception hsp-siamese; do
  options=(--features "$table" --labels "$work/labels.csv" --target score "${small[@]}")
  trained "$recipe-published" "$recipe" "${options[@]}" --split random
  trained "$recipe-honest" "$recipe" "${options[@]}" --split groups
done

results hsp-{cnn,inception,siamese}:{recall@100,ndcg@100,kendall,spearman}=ranking <<'UNKNOWN'
every figure of both papers, and whether their split of 8:1:1 kept artists apart
margin and weight of the ranking loss, and the training for this target: these are of code that predicts retention
what the tags of JYnet add, whose weights cannot be used
UNKNOWN
