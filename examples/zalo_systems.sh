#!/usr/bin/env bash
# The systems that take tables, on real chart positions: splits by artist beside a random split, which leaks.
#
#   examples/zalo_systems.sh TABLE_DIR WORK_DIR        TABLE_DIR: as `hitpredict fetch zalo2019` writes it
set -euo pipefail
tables=${1:?usage: zalo_systems.sh TABLE_DIR WORK_DIR}
work=${2:?usage: zalo_systems.sh TABLE_DIR WORK_DIR}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$work"

# system SPLIT SEED RECIPE [KEY=VALUE...]
system() {
  local split=$1 seed=$2 name=$3 model=$work/$3-$1-$2 sets=()
  shift 3
  [ -d "$model" ] && return
  for setting in "$@"; do sets+=(--set "$setting"); done
  echo "== $name, $split split, seed $seed" >&2
  hitpredict train -q --recipe "$name" --features "$tables/features.csv.gz" --labels "$tables/tracks.csv.gz" \
    --target=-chart_rank --group group --split "$split" --seed "$seed" "${sets[@]}" -o "$model"
}

# HitMusicNet's shares leave 8-8-4-3 units for 40 columns, which die; these are wide enough to live.
wide=(network.compression=2 network.alpha=4.0 network.beta=2.0 network.gamma=1.0 network.initialiser=he)
for run in "groups 0" "groups 1" "groups 2" "random 0"; do
  # shellcheck disable=SC2086
  {
    system $run constant
    system $run linear
    system $run boosted-trees
    system $run mlp
    system $run hmn "${wide[@]}"
    system $run wide-deep
    system $run ordinal-pairwise
    system $run hsp-siamese "scaling.windows=[{}]" training.batch_size=64 training.epochs=40
  }
done
python3 "$here/zalo_systems.py" "$work"
