# lib.sh - TAP for tests of the command. Sourced by every test_*.sh here.
#
# $PAWL is the command under test. Each test has a home folder of its own, which
# goes at the end. `run` runs the command and leaves $code, $out and $err behind;
# every other function prints one line of TAP.
#
# shellcheck shell=sh disable=SC2034

: "${PAWL:?path of the pawl command}" "${PYTHON:=python3}"
case $PAWL in
/*) ;;
*) PAWL=$PWD/$PAWL ;;
esac
root=$(cd "${0%/*}/../.." && pwd) || exit 99
tests=0
failures=0
work=$(mktemp -d "${TMPDIR:-/tmp}/pawl-cli.XXXXXX") || exit 99
chmod 700 "$work"
HOME=$work/home XDG_STATE_HOME=$work/state
mkdir -p "$HOME"
export HOME XDG_STATE_HOME
unset PAWL_URL NO_COLOR JOB_QUEUE_STORAGE REDIS_HOST REDIS_PORT REDIS_USERNAME REDIS_PASSWORD
unset REDIS_DB REDIS_QUEUE_DB REDIS_KEY_PREFIX REDIS_TLS REDIS_CONNECTION_POOL_SIZE
unset REDIS_MAX_RETRIES REDIS_ENABLE_CLUSTER PAWL_FALLBACK
cd "$work" || exit 99
trap 'chmod -R u+rwx "$work" 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 99' INT TERM

# An empty store for what follows.
fresh() {
    rm -rf "$XDG_STATE_HOME"
}

# run ARG... : $code, $out (standard output), $err (standard error)
run() {
    "$PAWL" "$@" >"$work/.out" 2>"$work/.err" </dev/null
    code=$?
    out=$(cat "$work/.out")
    err=$(cat "$work/.err")
}

# run_in FILE ARG... : the same with FILE as standard input
run_in() {
    input=$1
    shift
    "$PAWL" "$@" >"$work/.out" 2>"$work/.err" <"$input"
    code=$?
    out=$(cat "$work/.out")
    err=$(cat "$work/.err")
}

# ok NAME CONDITION... : the condition is a command
ok() {
    name=$1
    shift
    tests=$((tests + 1))
    if "$@"; then
        echo "ok $tests - $name"
        return
    fi
    failures=$((failures + 1))
    echo "not ok $tests - $name"
    printf '%s\n' "failed: $*" "code: ${code-}" "out: ${out-}" "err: ${err-}" |
        cut -c 1-500 | sed 's/^/# /'
}

# is NAME GOT WANTED
is() {
    ok "$1" test "$2" = "$3"
}

matches() {
    case $1 in
    $2) return 0 ;;
    esac
    return 1
}

# like NAME GOT PATTERN : a shell pattern
like() {
    ok "$1" matches "$2" "$3"
}

one_line() {
    test "$(wc -l <"$work/.err")" -eq 1
}

refused_as() {
    test "$code" -eq "$1" && test -z "$out" && one_line && matches "$err" "$2"
}

# refused NAME CODE PATTERN : the last run said so in one line and did nothing
refused() {
    ok "$1" refused_as "$2" "$3"
}

done_as() {
    test "$code" -eq 0 && test -z "$err" && matches "$out" "$1"
}

# done_with NAME PATTERN : the last run answered 0 and printed this
done_with() {
    ok "$1" done_as "$2"
}

# field EXPRESSION : of the JSON lines on standard input; `j` is the first one,
# `all` the list of them
field() {
    "$PYTHON" -c '
import json, sys
all = [json.loads(line) for line in sys.stdin if line.strip()]
j = all[0] if all else None
value = eval(sys.argv[1])
print(json.dumps(value) if isinstance(value, (bool, dict, list)) else value)' "$1"
}

# job ID EXPRESSION : of one job
job() {
    "$PAWL" --json show "$1" | field "$2"
}

# A pattern for exactly one id.
id=[0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z]
id=$id[0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z]
id=$id[0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z]

# Wait, up to 10 s, until a command succeeds.
until_ok() {
    tries=0
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        test "$tries" -lt 200 || return 1
        sleep 0.05
    done
}

finish() {
    echo "1..$tests"
    test "$failures" -eq 0
    exit
}
