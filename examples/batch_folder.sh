#!/usr/bin/env bash
# Score every song under a folder into one table, retry what failed, and show the ten best.
#
#   examples/batch_folder.sh MUSIC_FOLDER [SCORES.tsv]
set -uo pipefail
folder=${1:?usage: batch_folder.sh MUSIC_FOLDER [SCORES.tsv]}
table=${2:-scores.tsv}
failed=$(mktemp)
trap 'rm -f "$failed"' EXIT

# Exit code 1 only says that some inputs failed; the table holds all the others.
hitpredict score "$folder" -f tsv -o "$table" --failures "$failed" --force
code=$?
[ "$code" -le 1 ] || exit "$code"
if [ -s "$failed" ]; then
  echo "not scored (try again with: hitpredict score --files-from LIST):" >&2
  sed 's/^/  /' "$failed" >&2
fi

echo "score  percentile  name"
# Columns: 2 name, 4 score, 5 percentile.
tail -n +2 "$table" | sort -t$'\t' -k4,4gr | head -n 10 |
  awk -F'\t' '{ printf "%5.1f  %9.0f %%  %s\n", $4, $5, $2 }'
exit "$code"
