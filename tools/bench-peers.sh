#!/bin/sh
# bench-peers.sh FOLDER [PEER] - pawl's figures beside another queue's, as ratios.
#
# FOLDER holds the other queues' own benchmark: `./run PEER SCENARIO --runs 1`
# there prints "rate=N/s", for the scenarios S1 (enqueue, one at a time), S3
# (bulk), S4 (drain) and S5 (producer and worker process), and "'bytes_per_job':
# N" for S7. PEER is plainjob if not named. Where FOLDER has limits/l2.c, the
# raw limits of SQLite and of this disk are measured, too.
#
# Both sides run in turn, on the same disk, three rounds (ROUNDS=n); each figure
# is a median. Nothing else should use the machine meanwhile.
set -u
if [ $# -lt 1 ] || [ ! -x "$1/run" ]; then
    echo "usage: tools/bench-peers.sh FOLDER [PEER]   (FOLDER/run must exist)" >&2
    exit 2
fi
peers=$(cd "$1" && pwd) peer=${2:-plainjob} rounds=${ROUNDS:-3}
cd "$(dirname "$0")/.." || exit 1
. tools/bench-lib.sh
pawl=$(bench_build) || exit 1
# Both sides on the disk that FOLDER is on.
export TMPDIR="$peers/tmp"
mkdir -p "$TMPDIR"
results=$(mktemp -d) || exit 1
trap 'rm -rf "$results"' EXIT
trap 'exit 130' INT TERM

normal='--durability normal'
round=0
while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    echo "round $round of $rounds" >&2
    # shellcheck disable=SC2086 # $normal is two words
    {
        theirs peer-enqueue "$peer" S1
        ours enqueue jobs_per_s enqueue --jobs 250000 $normal
        theirs peer-bulk "$peer" S3
        ours bulk jobs_per_s bulk --jobs 1000000 $normal
        theirs peer-work "$peer" S4
        ours work jobs_per_s work --jobs 500000 $normal
        theirs peer-cycle "$peer" S5
        # As the peers run it: 50 in flight where the queue can do that.
        ours cycle jobs_per_s cycle --jobs 300000 --in-flight 50 $normal
        ours cycle-awaited jobs_per_s cycle --jobs 100000 $normal
        # A million, so that the log beside the file does not count; and the
        # peers' payload is 91 bytes.
        theirs peer-memory "$peer" S7 --backlog 1000000
        ours memory bytes_per_job memory --jobs 1000000 --payload 91 $normal
        ours enqueue-small jobs_per_s enqueue --jobs 100000 --backlog 1000 $normal
        ours enqueue-large jobs_per_s enqueue --jobs 100000 --backlog 1000000 $normal
        ours work-small jobs_per_s work --jobs 300000 --backlog 1000 $normal
        ours work-large jobs_per_s work --jobs 300000 --backlog 1000000 $normal
    }
    ours one jobs_per_s enqueue --jobs 20000
    ours flight jobs_per_s enqueue --jobs 200000 --in-flight 50
    ours p50 p50_us latency --jobs 400
    ours side-producer producer_keeps_percent side
    ours side-worker worker_keeps_percent side
done

head_line "durability=normal" pawl "$peer"
row "enqueue, one at a time, jobs/s" enqueue peer-enqueue ">= 1.0"
row "bulk by 1000, jobs/s" bulk peer-bulk ">= 1.0"
row "work, one process, jobs/s" work peer-work ">= 8"
row "cycle, two processes, 50 in flight, jobs/s" cycle peer-cycle ">= 5"
row "cycle, each enqueue awaited, jobs/s" cycle-awaited peer-cycle "-"
row "bytes per waiting job of a million" memory peer-memory-bytes "<= 1.3"
head_line "pawl with itself" this that
row "full: 50 in flight : one at a time" flight one ">= 8"
row "enqueue with 1M waiting : with 1k" enqueue-large enqueue-small ">= 0.8"
row "work with 1M waiting : with 1k" work-large work-small ">= 0.8"
one "full, side by side: producer keeps" side-producer ">= 30 %"
one "full, side by side: worker keeps" side-worker ">= 30 %"
one "full, latency p50, us" p50 "< 1000"

if [ -f "$peers/limits/l2.c" ]; then
    echo
    echo "raw limits of SQLite here, jobs/s (durability normal, 100 bytes)"
    gcc -O2 -w -o "$results/l2" "$peers/limits/l2.c" -lsqlite3 || exit 1
    mkdir -p "$TMPDIR/l2-pawl"
    for test in insert work2; do
        "$results/l2" "$test" "$TMPDIR/l2-pawl" 1 1
    done | python3 -c '
import json, sys
for line in sys.stdin:
    row = json.loads(line)
    if row["sync"] == "NORMAL" and ("select" in row["how"] or not row["how"]):
        print("%-8s %5d a transaction  %-50s %9.0f" % (
            row["test"], row["per_tx"], row["how"], row["rate"]))'
    rm -rf "$TMPDIR/l2-pawl"
fi
