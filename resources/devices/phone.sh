#!/bin/sh
# Time an ONNX file on a phone over adb: phone.sh MODEL
# The phone needs onnxruntime_perf_test and libonnxruntime.so, built for Android, in /data/local/tmp/nagevo.
set -eu
folder=/data/local/tmp/nagevo
adb push "$1" "$folder/network.onnx" >/dev/null
output=$(adb shell "cd $folder && LD_LIBRARY_PATH=. ./onnxruntime_perf_test -I -m times -r 50 -x 1 network.onnx times.csv")
echo "$output" | sed -n 's/.*[Aa]verage inference time cost[^:]*: *\([0-9.]*\) *ms.*/\1 ms/p'
