#!/usr/bin/env bash
# Every recipe side by side: songs whose drivers of popularity are known, features, training, evaluation, export and
# scoring, ending in one table.
#
#   examples/all_systems.sh DIR [SONGS] [RECIPE...]      400 songs and all recipes by default; DIR is kept and resumed
#
# Networks are cut to sizes that a CPU trains in minutes; pretrained ones start from random weights. What this shows is
# that each system learns, is judged like the others and arrives in one file, not which is best at full size.
set -euo pipefail
folder=${1:?usage: all_systems.sh DIR [SONGS] [RECIPE...]}
songs=${2:-400}
shift $(($# < 2 ? $# : 2))
wanted=" $* "
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$folder"
songs_folder=$folder/songs
manifest=$songs_folder/tracks.jsonl

[ -s "$manifest" ] || hitpredict fetch synth -n "$songs" --seed 0 --label-noise 0.3 -o "$songs_folder"

python3 "$here/all_systems.py" inputs "$folder"

# table NAME: makes a feature table when a system first needs it
table() {
  local options=()
  case $1 in
    mfcc) options=(mfcc_stats) ;;
    fma) options=(fma518) ;;
    hmn) options=(hmn207) ;;
    change) options=(complexity) ;;
    tags)
      python3 "$here/all_systems.py" tagger "$folder"
      options=(ast_tags --set "checkpoint=$folder/tagger-random")
      ;;
    patches) options=(vggish --dtype float16) ;;
    logmel) options=(logmel --set n_mels=64 --set hop_length=1024 --dtype float16) ;;
    hsp) options=(logmel --set n_fft=4096 --set hop_length=2048 --dtype float16) ;;
    fbank) options=(fbank --set window=none --dtype float16) ;;
    wave) options=(waveform --set sample_rate=16000 --dtype float16) ;;
    grey) options=(spectrogram_image) ;;
    rgb) options=(spectrogram_image --set colour=rgb) ;;
    vggish)
      python3 "$here/all_systems.py" vggish "$folder"
      options=(vggish --set "weights=$folder/vggish-random.safetensors" --set pool=none)
      ;;
  esac
  [ -s "$folder/$1.parquet" ] || hitpredict featurize -q --kind "${options[@]}" -o "$folder/$1.parquet" "$manifest"
}

# system RECIPE FEATURES[,FEATURES] TARGET [KEY=VALUE...]: train, evaluate, export, score
system() {
  local name=$1 tables=$2 target=$3 model=$folder/models/$1
  shift 3
  if [ "$wanted" != "  " ] && [ "${wanted#* "$name" }" = "$wanted" ]; then return; fi
  if [ -s "$model.row.json" ]; then return; fi
  local options=() sets=() labels=$manifest
  for each in ${tables//,/ }; do
    table "$each"
    options+=(--features "$folder/$each.parquet")
  done
  for setting in "$@"; do sets+=(--set "$setting"); done
  [ "$target" = popularity ] || labels=$folder/curves.jsonl
  options+=(--labels "$labels")
  echo "== $name" >&2
  mkdir -p "$folder/models"
  # A system that fails is said to fail, and the others go on; the table will lack it.
  hitpredict train --recipe "$name" "${options[@]}" --target "$target" "${sets[@]}" -o "$model" --force -q || return 0
  hitpredict evaluate "$model" "${options[@]}" -f json -q > "$model.evaluation.json"
  if hitpredict export-onnx "$model" -o "$model.onnx" --force 2> "$model.export.txt"; then
    # The first eight songs, from their audio.
    hitpredict score -m "$model.onnx" -q "$songs_folder"/audio/synth_0000[0-7].* > "$model.scores.jsonl"
  fi
  python3 "$here/all_systems.py" row "$folder" "$name" "${options[@]}" > "$model.row.json.part"
  mv "$model.row.json.part" "$model.row.json"
}

system constant mfcc popularity
system majority mfcc popularity
system random-normal mfcc popularity
system linear-ols mfcc popularity
system linear fma popularity
system boosted-trees fma popularity
system mlp fma popularity
hmn_small=(network.compression=2 network.alpha=2.0 network.beta=1.0 network.gamma=0.5 training.batch_size=32 training.patience=15)
system hmn hmn popularity training.batch_size=32 training.patience=15
system hmn-a hmn popularity training.batch_size=32 training.patience=15
system hmn-c hmn popularity training.batch_size=32 training.patience=15
system hmn-d hmn popularity training.batch_size=32 training.patience=15
system hmn-classify hmn popularity "target.thresholds=[35, 65]" "${hmn_small[@]}"
system wide-deep hmn popularity training.batch_size=32
system ordinal-pairwise fma popularity training.batch_size=32 training.learning_rate=0.001
chorder=(training.batch_size=32 training.patience=15 training.epochs=80 training.learning_rate=0.003 network.layers=3 network.autoencoder_epochs=15 "scaling.windows=[{}, {length = 12, pad = 'zero'}]" loss.m=0.5)
for each in autoen-chorder single-autoencoder rnn lossnet; do
  system "$each" hmn,vggish popularity "${chorder[@]}"
done
# This one has no stack of layers of its own to shorten.
system hmn-vggish hmn,vggish popularity "${chorder[@]/network.layers=3/network.compression=4}"
system complexity change popularity
system tags-linear tags popularity
system vggish-finetuned patches popularity "scaling.windows=[{length = 6, pad = 'zero'}]" loss.m=0.5 \
  "network.channels=[4, 8, 8, 8, 16, 16]" network.dense=64 training.learning_rate=0.003 training.epochs=12
cs230=(network.width=0.25 network.hidden=64 training.batch_size=16 training.epochs=20)
system cs230-2conv grey popularity "${cs230[@]}"
system cs230-4conv grey popularity "${cs230[@]}"
system cs230-4conv-rgb rgb popularity "${cs230[@]}"
system cs230-6conv-rgb rgb popularity "${cs230[@]}"
window="scaling.windows=[{length = 256, pad = 'least'}]" halves="target.quantiles=[0.512]"
system mlp-hiphop logmel popularity "$window" "$halves" training.batch_size=30 training.learning_rate=0.0003
system hiphop-cnn logmel popularity "$window" "$halves" "network.filters=[8, 16, 16, 32]" training.batch_size=20
system hiphop-cnn2 logmel popularity "$window" "$halves" "network.filters=[8, 16, 16, 32]" training.batch_size=20
system hiphop-crnn logmel popularity "$window" "$halves" "network.filters=[8, 16, 16, 16]" \
  "network.pools=[[2, 2], [4, 2], [4, 2], [2, 2]]" training.batch_size=20
kkbox=("scaling.windows=[{length = 128, pad = 'least'}]" training.epochs=20)
system hsp-cnn hsp popularity "${kkbox[@]}"
system hsp-inception hsp popularity "${kkbox[@]}"
system hsp-siamese hsp popularity "${kkbox[@]}"
system hsp-tags hsp,tags popularity "scaling.windows=[{length = 128, pad = 'least'}, {}]" training.epochs=20
system fcn logmel popularity "scaling.windows=[{length = 256, pad = 'least'}]" "network.filters=[8, 16, 16, 16, 8]" \
  "network.pools=[[2, 4], [2, 4], [2, 4], [2, 2], [2, 2]]" training.batch_size=20 training.epochs=30 \
  training.learning_rate=0.003
small_ast=("scaling.windows=[{length = 512, pad = 'zero'}]" network.size=tiny network.strides='[16, 16]'
  "network.config={hidden_size = 64, num_hidden_layers = 2, num_attention_heads = 4, intermediate_size = 128}")
system ast fbank popularity "${small_ast[@]}" training.learning_rate=0.001 training.epochs=15 training.patience=8
system ast-probe fbank popularity "${small_ast[@]}"
small_w2v=("scaling.windows=[{length = 48000, pad = 'zero'}]" training.batch_size=8
  "network.config={hidden_size = 48, num_hidden_layers = 2, num_attention_heads = 4, intermediate_size = 96, conv_dim = [32, 32, 32, 32, 32], conv_kernel = [10, 8, 4, 4, 4], conv_stride = [5, 4, 4, 2, 2], num_feat_extract_layers = 5, num_conv_pos_embeddings = 16, num_conv_pos_embedding_groups = 4}")
system wav2vec2 wave popularity "${small_w2v[@]}" network.freeze_encoder=false training.learning_rate=0.001 \
  training.epochs=15 training.patience=8
system wav2vec2-classes wave popularity "${small_w2v[@]}" network.freeze_encoder=false training.learning_rate=0.001 \
  training.epochs=15 training.patience=8
system wav2vec2-probe wave popularity "${small_w2v[@]}"
mp=("scaling.windows=[{length = 1024, pad = 'zero'}]" network.dim=64 network.depth=2 network.heads=4 training.epochs=20 training.batch_size=16 training.learning_rate=0.001)
system mp2 fbank log_sum,log_debut "${mp[@]}"
system mp3 fbank curve "${mp[@]}"

python3 "$here/all_systems.py" table "$folder"
