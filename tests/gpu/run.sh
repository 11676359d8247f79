#!/usr/bin/env bash
# run.sh DATA OUT [tiny]: measure what needs a GPU, part after part, in at most 9 minutes (see README.md beside this).
# A part that finished, in OUT, DATA or on this machine, is not run again. PYTHON names the interpreter, WORK the folder
# of what is too large for OUT.
set -uo pipefail

refuse() {
    echo "run.sh: $1" >&2
    exit 2
}

[ $# -eq 2 ] || [ "$#:${3:-}" = 3:tiny ] || refuse "expected DATA OUT [tiny], got ${*:-nothing}"
here=$(cd "$(dirname "$0")" && pwd)
work=${WORK:-/tmp/nagevo-gpu}
size=${3:-full}
[ -d "$1" ] || refuse "DATA: expected a folder, got $1"
command -v "${PYTHON:-python3}" >/dev/null || refuse "PYTHON: there is no program ${PYTHON:-python3}"
writable() { # NAME FOLDER
    { mkdir -p "$2" && touch "$2/log.txt"; } 2>/dev/null || refuse "$1: expected a folder that can be written to, got $2"
}
writable OUT "$2"
writable WORK "$work"
data=$(cd "$1" && pwd) && out=$(cd "$2" && pwd) && work=$(cd "$work" && pwd)
export PYTHONPATH=$(dirname "$(dirname "$here")")${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1

part() { # NUMBER SECONDS
    local file=part$1.json code=0
    for place in "$work" "$data"; do
        [ -e "$out/$file" ] || cp "$place/$file" "$out/" 2>/dev/null
    done
    timeout -k 5 "$2" "${PYTHON:-python3}" "$here/gpu_run.py" "$1" "$data" "$work" "$out" "$2" "$size" || code=$?
    [ $code -lt 124 ] || echo "part $1: unfinished after $2 s"
    cp "$out/$file" "$work/" 2>/dev/null
    [ $code -eq 0 ] || unfinished="$unfinished $1"
}

all_parts() {
    unfinished=
    part 3 85
    part 2 140
    part 1 205
    part 5 45
    part 4 60
    [ -n "$unfinished" ] || { echo "all parts are finished"; return 0; }
    echo "unfinished parts:$unfinished"
    return 1
}

all_parts 2>&1 | tee -a "$out/log.txt"
exit "${PIPESTATUS[0]}"
