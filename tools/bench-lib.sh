# bench-lib.sh - what the comparisons with other queues share; to be sourced by
# them, with $peers (the folder of the others' own benchmark), $pawl (our command)
# and $results (a folder for samples) set.
#
# A figure has a name; each run adds one sample to it, and rows show medians.

# median NAME
median() {
    sort -n "$results/$1" 2>/dev/null |
        awk '{v[NR] = $1} END {if (NR) print v[int((NR + 1) / 2)]; else print 0}'
}

# ours NAME FIGURE ARGUMENTS...: one `pawl bench` run.
ours() {
    name=$1 figure=$2
    shift 2
    echo "  pawl bench $*" >&2
    # shellcheck disable=SC2086 # $bench_url is nothing or two words
    "$pawl" ${bench_url-} bench "$@" --json | python3 -c '
import json, sys
print(json.load(sys.stdin)[sys.argv[1]])' "$figure" >>"$results/$name" ||
        echo "pawl bench $* failed" >&2
}

# theirs NAME PEER SCENARIO OPTIONS...: one run of another queue's scenario.
theirs() {
    name=$1 peer_name=$2 scenario=$3
    shift 3
    echo "  $peer_name $scenario" >&2
    (cd "$peers" && ./run "$peer_name" "$scenario" --runs 1 "$@") \
        >"$results/out" 2>&1 || cat "$results/out" >&2
    sed -n 's/.* rate=\([0-9]*\)\/s.*/\1/p' "$results/out" | tail -n 1 \
        >>"$results/$name"
    sed -n "s/.*'bytes_per_job': \([0-9]*\).*/\1/p" "$results/out" \
        >>"$results/$name-bytes"
    sed -n "s/.*'p50us': \([0-9]*\).*/\1/p" "$results/out" >>"$results/$name-p50"
}

# row WHAT OURS THEIRS WANTED: two figures and their ratio.
row() {
    a=$(median "$2") b=$(median "$3")
    echo "$1|$a|$b|$4" | awk -F'|' '{
        printf "%-48s %12.0f %12.0f %8.2f   %s\n", $1, $2, $3, $3 ? $2 / $3 : 0, $4 }'
}

# one WHAT NAME WANTED: a figure by itself.
one() {
    printf '%-48s %12s   %s\n' "$1" "$(median "$2")" "$3"
}

# head WHAT THIS THAT: the line above rows.
head_line() {
    echo
    printf '%-48s %12s %12s %8s   %s\n' "$1" "$2" "$3" ratio wanted
}

# A release build of ours, unless $PAWL says where one is. Prints its path.
bench_build() {
    if [ -n "${PAWL-}" ]; then
        echo "$PAWL"
        return
    fi
    tools/setup.sh --demo >&2 || exit 1
    { [ -f build-bench/build.ninja ] ||
        meson setup build-bench --buildtype=release -Dtests=false \
            -Dexamples=false; } >/dev/null || exit 1
    ninja -C build-bench >/dev/null || exit 1
    echo build-bench/tools/pawl/pawl
}
