#!/usr/bin/env bash
# How does the prediction move when a song is transposed? Scores it from 4 semitones down to 4 up.
#
#   examples/pitch_sweep.sh SONG [RANGE]         RANGE is START:STOP:STEP in semitones, -4:4:1 by default
set -euo pipefail
song=${1:?usage: pitch_sweep.sh SONG [RANGE]}
range=${2:--4:4:1}

# Draft quality is enough for a first look; leave --quality away for the version you want to hear.
hitpredict mutate "$song" --pitch="$range" --quality draft |
  hitpredict score - -f tsv |
  awk -F'\t' '
    NR == 1 { next }
    { split($2, part, "[[]pitch|[]]"); printf "%+5.1f semitones  %6.2f  ", part[2], $4
      for (i = 0; i < $4 / 2; i++) printf "#"; print "" }'
