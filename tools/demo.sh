#!/bin/sh
# demo.sh [FOLDER] - install what is missing, build, and put pawl to real work.
#
# One job per file of FOLDER (default /usr/share/doc; at most 400 files): two
# worker processes share them, hash each file and measure how small gzip makes
# it. Three of the jobs fail twice and then succeed, one always fails. In the
# end every result is checked against the files themselves.
#
# The jobs are in the default SQLite file, below a folder of the demo's own.
set -u
cd "$(dirname "$0")/.." || exit 1
top=$PWD
folder=${1:-/usr/share/doc}
most=400

if [ $# -gt 1 ] || [ ! -d "$folder" ]; then
    echo "usage: tools/demo.sh [FOLDER]   (FOLDER must exist)" >&2
    exit 2
fi

say() { printf '\n== %s\n' "$*"; }
give_up() {
    printf '\nDEMO FAILED: %s\n' "$*"
    exit 1
}

# --- build ---------------------------------------------------------------------

say "Setting up and building"
tools/setup.sh --demo || give_up "tools are missing"
log=$(mktemp) || exit 1
{ [ -f build/build.ninja ] ||
    meson setup build -Dtests=false -Dexamples=false; } >"$log" 2>&1 &&
    ninja -C build >>"$log" 2>&1 || {
    tail -n 40 "$log"
    rm -f "$log"
    give_up "it does not build"
}
rm -f "$log"
PATH=$top/build/tools/pawl:$PATH
echo "build/tools/pawl/pawl is there"

# --- a place of its own ----------------------------------------------------------

tmp=$(mktemp -d "${TMPDIR:-/var/tmp}/pawl-demo-XXXXXX") || exit 1
workers=
clean_up() {
    # shellcheck disable=SC2086 # a list
    [ -n "$workers" ] && kill $workers 2>/dev/null
    rm -rf "$tmp"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
unset PAWL_URL
export XDG_STATE_HOME="$tmp/state" DEMO_LOG="$tmp/handled"
: >"$DEMO_LOG"

# --- the jobs ----------------------------------------------------------------------

find "$folder" -type f -readable ! -name '*
*' 2>/dev/null | sort | head -n "$most" >"$tmp/files"
count=$(wc -l <"$tmp/files")
[ "$count" -ge 10 ] || give_up "'$folder' has fewer than 10 readable files"

say "Enqueueing one job for each of $count files of $folder"
sed -n '1,3p' "$tmp/files" >"$tmp/flaky"
sed -n '4,$p' "$tmp/files" >"$tmp/plain"
missing=$folder/a-file-that-was-deleted
{
    pawl enqueue -q files -t hash --lines - <"$tmp/plain" &&
        pawl enqueue -q files -t flaky --backoff fixed:300ms --lines - <"$tmp/flaky"
} >"$tmp/ids" || give_up "enqueue failed"
bad=$(pawl enqueue -q files -t hash --backoff fixed:300ms "$missing") ||
    give_up "enqueue failed"
echo "$(wc -l <"$tmp/ids") jobs, the first is $(head -n 1 "$tmp/ids")"
echo "3 of them will fail twice; one more, $bad, always"

# --- the work ----------------------------------------------------------------------

say "Two workers, four handlers each, until nothing is left"
for name in A B; do
    DEMO_WORKER=$name pawl work -q files -c 4 --drain -- \
        "$top/tools/demo-handler.sh" >"$tmp/worker-$name" 2>&1 &
    workers="$workers $!"
done

progress() {
    pawl stats -q files --json | python3 -c '
import json, sys
q = json.load(sys.stdin)["queues"][0]
words = ["pending", "processing", "failed", "completed", "dead"]
print("  ".join("%s %d" % (word, q[word]) for word in words))'
}
alive() {
    for pid in $workers; do
        kill -0 "$pid" 2>/dev/null && return 0
    done
    return 1
}
while alive; do
    progress
    sleep 0.5
done
for pid in $workers; do
    wait "$pid" || { cat "$tmp"/worker-*; give_up "a worker ended with an error"; }
done
workers=
progress

# --- what came of it -----------------------------------------------------------------

say "pawl stats"
pawl stats || give_up "stats failed"
say "The job that always fails, with its history: pawl show $bad"
pawl show "$bad" || give_up "show failed"
say "Proof"
python3 tools/demo-proof.py files "$tmp/files" "$tmp/ids" "$DEMO_LOG" "$bad" ||
    give_up "the proof does not hold"
printf '\nDEMO OK: %s files, each handled exactly once\n' "$count"
