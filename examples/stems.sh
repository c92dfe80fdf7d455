#!/usr/bin/env bash
# The stems of the example song, what each does to its score, and a page of it.
#
#   examples/stems.sh FOLDER
#
set -euo pipefail
folder=${1:?"usage: examples/stems.sh FOLDER"}
mkdir -p "$folder"
python3 "$(dirname "$0")/make_song.py" -o "$folder/song.ogg" --stems "$folder/stems"
hitpredict explain "$folder/song.ogg" --stems "$folder/stems" -o "$folder/stems.jsonl"
hitpredict report "$folder/stems.jsonl" -o "$folder/stems.html"
