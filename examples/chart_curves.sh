#!/usr/bin/env bash
# How a song's streams go on after its first four weeks on the charts, without its sound: two networks, one that cares
# for the songs that stay and one for which leaving the charts counts too, beside persistence, mean curves and decay.
#
#   examples/chart_curves.sh CHARTS DIR [EPOCHS]      CHARTS: what `hitpredict fetch charts` takes; 10 epochs
#
# On the weekly top 200 of 50 regions over two years both trainings at once took 46 minutes on two busy cores.
set -euo pipefail
charts=${1:?usage: chart_curves.sh CHARTS DIR [EPOCHS]}
folder=${2:?usage: chart_curves.sh CHARTS DIR [EPOCHS]}
epochs=${3:-10}

[ -s "$folder/curves.parquet" ] || hitpredict fetch charts "$charts" -o "$folder"

# model NAME [KEY=VALUE...]
model() {
  local name=$1 sets=()
  shift
  for setting in "$@"; do sets+=(--set "$setting"); done
  if [ ! -d "$folder/$name" ]; then
    hitpredict train --recipe chart-curve --labels "$folder/curves.parquet" --target curve \
      --set training.epochs="$epochs" "${sets[@]}" -o "$folder/$name"
  fi
  hitpredict evaluate -q "$folder/$name" --labels "$folder/curves.parquet"
}

model staying
model leaving network.missing_weight=1.0 network.week_weighted=false
