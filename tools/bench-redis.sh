#!/bin/sh
# bench-redis.sh FOLDER - pawl on Redis beside other queues on Redis, and
# beanstalkd, as ratios.
#
# FOLDER holds the other queues' own benchmark: `./run PEER SCENARIO --runs 1`
# there prints "rate=N/s", for bee, bullmq and beanstalkd, and the scenarios S1
# (enqueue, one at a time), S2 (50 in flight), S3 (bulk), S4 (drain), S5 (producer
# and worker process), S6 (latency) and S7 (bytes per waiting job). FOLDER/limits
# has l1.c, the least that a queue on Redis can do.
#
# Every Redis here runs as the peers': TCP on the loopback, no persistence. Both
# sides in turn, three rounds (ROUNDS=n); each figure is a median. Nothing else
# should use the machine meanwhile.
set -u
if [ $# -ne 1 ] || [ ! -x "$1/run" ]; then
    echo "usage: tools/bench-redis.sh FOLDER   (FOLDER/run must exist)" >&2
    exit 2
fi
peers=$(cd "$1" && pwd) rounds=${ROUNDS:-3}
cd "$(dirname "$0")/.." || exit 1
. tools/bench-lib.sh
pawl=$(bench_build) || exit 1
port=${BENCH_PORT:-16398} server=
results=$(mktemp -d) || exit 1
mkdir "$results/redis"
trap 'server_stop; rm -rf "$results"' EXIT
trap 'exit 130' INT TERM
bench_url="--url redis://127.0.0.1:$port/0"

server_start() {
    redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no \
        --dir "$results/redis" >/dev/null &
    server=$!
    until redis-cli -p "$port" ping >/dev/null 2>&1; do
        kill -0 "$server" || exit 1
    done
}
server_stop() {
    [ -n "$server" ] || return 0
    kill "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    server=
}
# Like ours(), on a server of its own.
fresh() {
    server_start
    ours "$@"
    server_stop
}
# all_peers FIGURE SCENARIO
all_peers() {
    for peer in bee bullmq beanstalkd; do
        theirs "$peer-$1" "$peer" "$2"
    done
}
# limit NAME TEST LAYOUT BATCH DEPTH: one figure of the raw limits' output.
limit() {
    name=$1
    shift
    python3 -c '
import json, sys
test, layout, batch, depth = sys.argv[2:]
for line in open(sys.argv[1]):
    row = json.loads(line)
    if [row["test"], row["layout"], row["batch"], row["depth"]] == [
            test, layout, int(batch), int(depth)]:
        print(round(row["rate"]))' "$results/l1" "$@" >>"$results/$name"
}
limits() {
    echo "  raw limits" >&2
    gcc -O2 -w -o "$results/l1-bin" "$peers/limits/l1.c" -lhiredis || exit 1
    server_start
    "$results/l1-bin" "127.0.0.1:$port" 1 1 3 >"$results/l1"
    server_stop
    limit l1-enqueue enqueue L 1 1
    limit l1-work work-fused L 50 10
}

round=0
while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    echo "round $round of $rounds" >&2
    # What is compared runs one after the other: the machine changes with the hour.
    limits
    fresh enqueue jobs_per_s enqueue --jobs 100000
    all_peers enqueue S1
    fresh flight jobs_per_s enqueue --jobs 1000000 --in-flight 50
    all_peers flight S2
    fresh bulk jobs_per_s bulk --jobs 1500000
    theirs bee-bulk bee S3
    theirs bullmq-bulk bullmq S3
    fresh work jobs_per_s work --jobs 1000000
    all_peers work S4
    fresh cycle jobs_per_s cycle --jobs 600000 --in-flight 50
    all_peers cycle S5
    fresh p50 p50_us latency --jobs 2000
    all_peers latency S6
    fresh memory bytes_per_job memory --jobs 1000000
    fresh enqueue-small jobs_per_s enqueue --jobs 60000 --backlog 1000
    fresh enqueue-large jobs_per_s enqueue --jobs 60000 --backlog 1000000
    fresh flight-small jobs_per_s enqueue --jobs 500000 --in-flight 50 --backlog 1000
    fresh flight-large jobs_per_s enqueue --jobs 500000 --in-flight 50 --backlog 1000000
    fresh work-small jobs_per_s work --jobs 500000 --backlog 1000
    fresh work-large jobs_per_s work --jobs 500000 --backlog 1000000
done
for peer in bee bullmq; do
    theirs "$peer-memory" "$peer" S7 --backlog 100000
done

echo "Redis without persistence, TCP on the loopback, 100-byte payloads"
head_line "jobs/s" pawl limit
row "enqueue, one at a time : minimal put script" enqueue l1-enqueue ">= 0.9"
row "work : minimal script, 50 x 10" work l1-work "-"
head_line "jobs/s" pawl bee
row "enqueue, one at a time" enqueue bee-enqueue "-"
row "50 enqueues in flight, one thread" flight bee-flight ">= 1.2"
row "bulk by 1000" bulk bee-bulk ">= 1.8"
row "work, one process" work bee-work ">= 3.5"
row "cycle, two processes, 50 in flight" cycle bee-cycle ">= 2.4"
row "bytes per waiting job" memory bee-memory-bytes "<= 270"
row "latency p50, us" p50 bee-latency-p50 "<= 300"
head_line "jobs/s" pawl bullmq
row "enqueue, one at a time" enqueue bullmq-enqueue "-"
row "50 enqueues in flight, one thread" flight bullmq-flight ">= 3.5"
row "bulk by 1000" bulk bullmq-bulk ">= 7"
row "work, one process" work bullmq-work ">= 5"
row "cycle, two processes, 50 in flight" cycle bullmq-cycle "-"
row "bytes per waiting job" memory bullmq-memory-bytes "-"
row "latency p50, us" p50 bullmq-latency-p50 "-"
head_line "jobs/s" pawl beanstalkd
row "enqueue, one at a time" enqueue beanstalkd-enqueue "-"
row "50 enqueues in flight" flight beanstalkd-flight "-"
row "work, one process" work beanstalkd-work "> 1"
row "cycle, two processes, 50 in flight" cycle beanstalkd-cycle "> 1"
row "latency p50, us" p50 beanstalkd-latency-p50 "-"
head_line "pawl with itself" "1M waiting" "1k waiting"
row "enqueue, one at a time" enqueue-large enqueue-small ">= 0.8"
row "50 in flight" flight-large flight-small ">= 0.8"
row "work" work-large work-small ">= 0.8"
