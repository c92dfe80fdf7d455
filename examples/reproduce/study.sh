# What the studies share; each reads it first and passes its arguments on: begin "$@".
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# begin DIR [--synthetic] [--force] [RECIPE...]: work, made (not empty with --synthetic), force and wanted
begin() {
  local usage="usage: ${0##*/} DIR [--synthetic] [--force] [RECIPE...]" each
  work='' made='' force=() wanted=()
  for each; do
    case $each in
      --synthetic) made=yes ;;
      --force) force=(--force) ;;
      -*) echo "$usage" >&2 && exit 2 ;;
      *) if [ "$work" ]; then wanted+=("$each"); else work=$each; fi ;;
    esac
  done
  [ "$work" ] || { echo "$usage" >&2 && exit 2; }
  mkdir -p "$work/models"
  if [ "$made" ]; then serve_made_data; fi
}

# Made data take the place of what is downloaded (from the loopback address, into their own cache) or brought along.
serve_made_data() {
  local url
  exec 3< <(exec python3 "$here/synthetic.py" "$(basename "$0" .sh)" "$work")
  trap 'kill '$!' 2> /dev/null || true' EXIT
  read -r url <&3
  export HITPREDICT_CACHE=$work/cache SPOTIFY_CLIENT_ID=made SPOTIFY_CLIENT_SECRET=made
  # Threads that wait busily cost more than networks this small.
  export OMP_WAIT_POLICY=passive
  export HITPREDICT_FETCH_BASE_{FMA,SPOTGENTRACK,SPOTIFY,DEEZER}="$url"
  echo "made data below $work, sizes cut: the numbers show that the commands work, and nothing about songs" >&2
}

# once OUTPUT COMMAND...: unless the output is there; again with --force. Inputs that fail (1) are told, and left out.
once() {
  local output=$1 code=0
  shift
  if [ -e "$output" ] && [ ${#force[@]} = 0 ]; then return; fi
  "$@" "${force[@]}" || code=$?
  [ "$code" = 0 ] || { [ "$code" = 1 ] && [ -e "$output" ]; } || return "$code"
}

# bring PATH WHAT: what nobody can download must be there
bring() { [ -e "$1" ] || { echo "${0##*/}: there is no $1; put there: $2" >&2 && exit 2; }; }

# is_wanted RECIPE: all are, unless some were named
is_wanted() { [ ${#wanted[@]} = 0 ] || [[ " ${wanted[*]} " == *" $1 "* ]]; }

# trained NAME RECIPE OPTION...: models/NAME, or models/NAME.collapsed where all its predictions are the same
trained() {
  local name=$1 recipe=$2 model=$work/models/$1
  shift 2
  is_wanted "$recipe" || return 0
  if [ ${#force[@]} = 0 ] && { [ -e "$model" ] || [ -e "$model.collapsed" ]; }; then return; fi
  echo "== $name" >&2
  rm -f "$model.collapsed"
  if once "$model" hitpredict train -q --resume -r "$recipe" "$@" -o "$model" 2> "$model.log"; then
    rm "$model.log"
    return
  fi
  cat "$model.log" >&2
  grep -q "collapsed:" "$model.log" && mv "$model.log" "$model.collapsed"
}

# results RECIPE:METRIC[=ENTRY]... < what cannot be known: the table
results() { python3 "$here/table.py" "$work" "${made:+made}" "$@"; }
