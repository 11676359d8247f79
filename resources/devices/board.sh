#!/bin/sh
# Time an ONNX file on a board over ssh: board.sh HOST MODEL
# The board needs Python with numpy and onnxruntime, and onnx_benchmark.py in the home folder of its user.
set -eu
host=$1
model=$2
remote=/tmp/$(basename "$model")
scp -q "$model" "$host:$remote"
trap 'ssh "$host" rm -f "$remote"' EXIT
ssh "$host" python3 onnx_benchmark.py "$remote"
