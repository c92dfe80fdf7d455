#!/usr/bin/env bash
# Which of these mixes is predicted best, and is the difference worth talking about?
#
#   examples/compare_mixes.sh MIX MIX...
#
# All mixes are brought to the same loudness first, so that the loudest does not win for being loud.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: compare_mixes.sh MIX MIX..." >&2; exit 2; }

hitpredict mutate "$@" --loudness -14 --limit -1 |
  hitpredict score - -f tsv |
  tail -n +2 | sort -t$'\t' -k4,4gr |
  awk -F'\t' '
    { name = $1; sub(/^-\//, "", name); sub(/\.loudness.*$/, "", name)
      if (NR == 1) { best = $4; width = $7 - $6 }
      printf "%6.2f  %+6.2f  %s\n", $4, $4 - best, name }
    END { printf "80 %% range of a single score: %.0f points wide; differences between mixes of one song\n", width
          print  "say what moves this model, not which mix will sell." }'
