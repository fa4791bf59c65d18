#!/bin/sh
# test.sh [--long] [NAME...] - install what is missing, build, run every test.
#
#   --long   the full counts: 1,000 kills instead of 50, and so on
#   NAME     only these: a leg (gcc, clang, tsan, valgrind) or a suite of the gcc leg
#            (style, unit, conformance, model, cli, fault, docs)
#
# The legs:
#   gcc       warnings as errors; every suite
#   clang     the same with another compiler, AddressSanitizer and UBSan; unit,
#             conformance (not the suite "routes"), model
#   tsan      ThreadSanitizer: unit (but for the suite "single"), conformance; not model,
#             which is one thread
#             (both legs without the suite "ways", so each storage by one way only, and
#             with a tenth of the model's steps)
#   valgrind  the unit tests of the gcc leg (but for "large"), for leaks and unset
#             memory
#
# The last line is "N passed, N failed". A skipped test is a failed one.
set -u
cd "$(dirname "$0")/.." || exit 1

legs='' suites='' long=
for word; do
    case $word in
    --long) long=1 ;;
    gcc | clang | tsan | valgrind) legs="$legs $word" ;;
    style | unit | conformance | model | cli | fault | docs)
        suites="$suites $word" ;;
    -*)
        echo "usage: tools/test.sh [--long] [NAME...]" >&2
        exit 2 ;;
    *)
        echo "tools/test.sh: no leg or suite is called '$word'" >&2
        exit 2 ;;
    esac
done
[ -z "$legs$suites" ] && legs='gcc clang tsan valgrind'

# Stores lie in memory where there is room for them: what is tested here does not hang
# on the disk, and every commit would wait for it (the model takes four times as long).
# Power cuts and broken disks are made by a file system of SQLite's, wherever it is.
if [ -z "${TMPDIR-}" ] && [ -w /dev/shm ] &&
    [ "$(df -Pm /dev/shm | awk 'NR == 2 { print $4 }')" -ge 6000 ]; then
    TMPDIR=/dev/shm
fi
scratch=$(mktemp -d "${TMPDIR:-/tmp}/pawl-tests-XXXXXX") || exit 1
export TMPDIR="$scratch"
passed=0 failed=0
started=$(date +%s)

# Tests leave their stores behind when they fail: all below one folder of this
# run, which goes away when there is nothing in it worth a look.
verdict() {
    echo
    if [ "$failed" -eq 0 ]; then
        rm -rf "$scratch"
    else
        echo "What failing tests left is in $scratch"
    fi
    echo "Took $(($(date +%s) - started)) s."
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit
}

# One failure that is not a test's: says what, and goes on.
fail() {
    echo "$1"
    failed=$((failed + 1))
}

# configure LEG CC OPTIONS...: build-test/LEG.
configure() {
    leg=$1 cc=$2
    shift 2
    echo
    echo "== $leg: build"
    if [ ! -f "build-test/$leg/build.ninja" ]; then
        rm -rf "build-test/$leg"
        CC=$cc meson setup "build-test/$leg" --fatal-meson-warnings \
            "$@" >"$log" 2>&1 || { cat "$log"; return 1; }
    fi
}

# build LEG CC OPTIONS...: all of it, into build-test/LEG.
build() {
    configure "$@" || return 1
    ninja -k 0 -C "build-test/$leg" >"$log" 2>&1 ||
        { grep -v '^\[' "$log" | head -n 60; return 1; }
}

# run LEG SUITES... [-- OPTIONS of meson test...]: build what they need and is not
# there, run and count.
run() {
    leg=$1 dir=build-test/${1%%-*}
    [ "$leg" = valgrind ] && dir=build-test/gcc
    shift
    chosen=''
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        # Only suites that exist: meson takes an unknown name for a mistake.
        grep -q "\"pawl:$1\"" "$dir/meson-info/intro-tests.json" &&
            chosen="$chosen --suite $1"
        shift
    done
    [ $# -gt 0 ] && shift
    echo "== $leg: run${chosen:- nothing}"
    [ -n "$chosen" ] || { fail "no such tests"; return; }
    name=log-$leg
    rm -f "$dir/meson-logs/$name.json" "$dir/meson-logs/testlog-$leg.json"
    # shellcheck disable=SC2086 # a list of words
    $unrandom meson test -C "$dir" --logbase "$name" \
        --num-processes "$processes" $chosen "$@" >"$log" 2>&1
    json=$(ls "$dir/meson-logs/$name"*.json 2>/dev/null | head -n 1)
    if [ -z "$json" ]; then
        tail -n 40 "$log"
        fail "$leg: meson test did not run"
        return
    fi
    python3 tests/count.py "$leg" "$json" >"$log" || {
        cat "$log"
        fail "$leg: the results cannot be read"
        return
    }
    sed '$d' "$log"
    counts=$(tail -n 1 "$log")
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
}

gcc_leg() {
    build gcc gcc -Dwerror=true || { fail "gcc: does not build"; return; }
    run gcc "$@"
}
# run_sanitized LEG FACTOR [OPTIONS of meson test...]: what takes FACTOR times as long
# there.
run_sanitized() {
    [ -n "$long" ] || export PAWL_MODEL_OPS=10000
    leg=$1
    shift
    run "$leg" unit conformance model -- --no-suite ways --timeout-multiplier "$@"
    unset PAWL_MODEL_OPS
}
clang_leg() {
    # Its sanitizers are linked into programs alone, so a library lacks them.
    build clang clang -Dwerror=true -Db_sanitize=address,undefined \
        -Db_lundef=false -Doptimization=1 || { fail "clang: does not build"; return; }
    run_sanitized clang 4 --no-suite routes
}
tsan_leg() {
    configure tsan gcc -Db_sanitize=thread -Doptimization=1 ||
        { fail "tsan: cannot be configured"; return; }
    # ThreadSanitizer's map of memory does not fit every kernel's randomness.
    setarch -R true 2>/dev/null && unrandom='setarch -R'
    run_sanitized tsan 6 --no-suite single --no-suite model
    unrandom=
}
valgrind_leg() {
    build gcc gcc -Dwerror=true ||
        { fail "valgrind: does not build"; return; }
    run valgrind unit -- --no-suite large --timeout-multiplier 10 --wrap \
        'valgrind -q --fair-sched=yes --leak-check=full --errors-for-leak-kinds=definite --error-exitcode=99'
}

echo "== setup"
tools/setup.sh --test || {
    fail "setup: tools are missing"
    verdict
}
mkdir -p build-test
log=build-test/log
unrandom=
# Many tests wait for what takes its time: more of them than there are cores.
processes=$(($(nproc) * 2))
[ -n "$long" ] && export PAWL_TEST_LONG=1
# A name of the caller's must not lead the tests to his jobs.
# shellcheck disable=SC2046 # a list of names
unset PAWL_URL PAWL_FALLBACK JOB_QUEUE_STORAGE $(env | sed -n 's/^\(REDIS_[A-Z_]*\)=.*/\1/p')

[ -n "$suites" ] && gcc_leg $suites
for leg in $legs; do
    case $leg in
    gcc) gcc_leg style unit conformance model cli fault docs ;;
    *) "${leg}_leg" ;;
    esac
done
verdict
