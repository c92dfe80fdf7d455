#!/usr/bin/env bash
# KKBOX (Yang et al. 2017, Yu et al. 2017): log(plays) * log(users) from 30 s of sound. The data are not public: put
# songs of your own into DIR/songs, and DIR/plays.csv with the columns track_id (the file's name without its suffix),
# artist, plays and users (both at least 1), in this order.
#
#   examples/reproduce/kkbox.sh DIR [--synthetic] [--force] [RECIPE...]
set -euo pipefail
source "$(dirname "$0")/study.sh"
begin "$@"
table=$work/logmel.parquet tags=$work/tags.parquet small=() both=()
bring "$work/plays.csv" "a table track_id,artist,plays,users; and the songs into $work/songs, named by their track_id"
# An AST trained on AudioSet takes the place of JYnet, whose weights cannot be used.
if [ "$made" ]; then
  cut="{length = 32, pad = 'least', place = 'middle'}" tagger=$work/made/tagger
  small=(--set "scaling.windows=[$cut]" --set training.epochs=30)
  both=(--set "scaling.windows=[$cut, {}]" --set training.epochs=30)
else
  tagger=$(hitpredict fetch weights -q ast | cut -f 2)
fi

awk -F, -v OFS=, '{ print $0, NR == 1 ? "score" : log($(NF - 1)) * log($NF) }' "$work/plays.csv" > "$work/labels.csv"
once "$table" hitpredict featurize -q --kind logmel --set n_fft=4096 --set hop_length=2048 -o "$table" "$work/songs"
once "$tags" hitpredict featurize -q --kind ast_tags --set "checkpoint=$tagger" -o "$tags" "$work/songs"

for side in "published --split random --shares 80,10,10" "honest --split groups"; do
  read -ra how <<< "$side"
  options=("${how[@]:1}" --labels "$work/labels.csv" --target score)
  for recipe in hsp-cnn hsp-inception hsp-siamese; do
    trained "$recipe-$how" "$recipe" "${options[@]}" --features "$table" "${small[@]}"
  done
  trained "tags-linear-$how" tags-linear "${options[@]}" --features "$tags"
  trained "hsp-tags-$how" hsp-tags "${options[@]}" --features "$table" --features "$tags" "${both[@]}"
done

results {hsp-cnn,hsp-inception,hsp-siamese,tags-linear,hsp-tags}:{recall@100,ndcg@100,kendall,spearman}=ranking <<'UNKNOWN'
every figure of both papers, and whether their split of 8:1:1 kept artists apart
margin and weight of the ranking loss, and the training for this target: these are of code that predicts retention
what the tags of JYnet add, whose weights cannot be used; here those of AudioSet stand for them
UNKNOWN
