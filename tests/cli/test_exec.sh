#!/bin/sh
# test_exec.sh - what a command gets, and what becomes of its answer.
. "${0%/*}/lib.sh"

# attempt SCRIPT [ENQUEUE-OPTION...] : one job, run once by `sh -c SCRIPT`. Leaves
# the job as JSON in $work/job, its id in $out.
attempt() {
    script=$1
    shift
    fresh
    "$PAWL" enqueue --attempts 1 "$@" >"$work/id" || return
    "$PAWL" work --drain -c 1 -- sh -c "$script" 2>"$work/.err" </dev/null
    code=$?
    err=$(cat "$work/.err")
    "$PAWL" --json show "$(cat "$work/id")" >"$work/job"
    out=$(cat "$work/job")
}

# ended NAME WANTED [EXPRESSION] : the state, and what the expression says
ended() {
    is "$1" "$(field "${3-"j['state']"}" <"$work/job")" "$2"
}

result="'%s %s' % (j['state'], j.get('result'))"
error="'%s %s' % (j['state'], j.get('error'))"

# --- answers ----------------------------------------------------------------------

attempt 'printf done' x
ended "exit 0 completes, standard output is the result" "completed done" "$result"
attempt 'exit 0' x
ended "no output is an empty result" "completed " "$result"
attempt 'echo "no such user" >&2; exit 1' x
ended "exit 1 fails with the error" "dead no such user (exit status 1)" "$error"
attempt 'exit 3' x
ended "without words the exit code is the error" "dead exit status 3" "$error"
attempt 'kill -9 $$' x
ended "a signal is named" "dead killed by signal 9 (Killed)" "$error"
attempt 'echo "bad address" >&2; exit 65' x --attempts 5
ended "exit 65 is dead at once" "dead 1 bad address" \
    "'%s %d %s' % (j['state'], j['attempt'], j['error'])"
attempt 'exit 75' x --backoff fixed:1h
ended "exit 75 waits for its backoff and uses no attempt up" "scheduled 0 0" \
    "'%s %d %d' % (j['state'], j['attempt'], len(j['errors']))"
"$PAWL" promote "$(cat id)" >/dev/null
run work --drain -- true
is "and comes again" "$(job "$(cat id)" '"%s %d" % (j["state"], j["attempt"])')" "completed 1"
attempt 'echo half done >&2; sleep 30' x --timeout 200ms
ended "what it said before its timeout is kept" "True True" \
    "'%s %s' % (j['error'].startswith('timed out after 200 ms'), 'half done' in j['error'])"
attempt 'test -e again && exit 0; touch again; echo first >&2; exit 1' x --attempts 2 --backoff fixed:1ms
ended "a failed attempt comes again" "completed 2 1 first (exit status 1)" \
    "'%s %d %d %s' % (j['state'], j['attempt'], len(j['errors']), j['errors'][0]['message'])"
like "and is told on standard error" "$err" "*job $(cat id) in 'default' failed (attempt 1 of 2): first (exit status 1)*"
rm -f again

# --- sizes and bytes ------------------------------------------------------------------

attempt 'head -c 65536 /dev/zero | tr "\0" x' x
ended "64 KiB of output are a result" "completed 65536" "'%s %d' % (j['state'], len(j['result']))"
attempt 'head -c 65537 /dev/zero | tr "\0" x' x
ended "one byte more is not" "dead output is larger than 65536 bytes" "$error"
attempt 'head -c 20000000 /dev/zero' x
ended "much more does not block the command" "dead output is larger than 65536 bytes" "$error"
attempt 'head -c 1000000 /dev/zero | tr "\0" e >&2; echo end >&2; exit 1' x
ended "of a long error the end is kept" "True end (exit status 1)" \
    "'%s %s' % (3500 < len(j['error']) <= 4096, j['error'][-21:].strip('e') and 'end' + j['error'].split('end')[1])"
attempt 'printf "\377\303\251\0"; printf "\377\303\251" >&2' x
ended "a result of any bytes" "/8OpAA==" "j['result_base64']"
attempt 'printf "\377\303\251" >&2; exit 1' x
ended "an error is made UTF-8" "?é (exit status 1)" "j['error']"

printf 'a\0b\377\n' >payload
fresh
run_in payload enqueue -
"$PAWL" work --drain -- tee got >/dev/null 2>&1
ok "the payload arrives as it is, and ends" cmp -s payload got
head -c 1048576 /dev/urandom >payload
fresh
run_in payload enqueue -
run work --drain -- sh -c 'cat >got'
ok "so does 1 MiB of it" cmp -s payload got
fresh
run_in payload enqueue -
big=$out
run work --drain -- true
is "a command need not read it" "$(job "$big" 'j["state"]')" completed

# --- what the command gets --------------------------------------------------------------

attempt 'env | grep ^PAWL_ | sort | cut -d= -f1 | xargs' x
ended "six variables" "completed PAWL_ATTEMPT PAWL_EPOCH PAWL_ID PAWL_MAX_ATTEMPTS PAWL_QUEUE PAWL_TYPE" \
    "'%s %s' % (j['state'], j['result'].strip())"
PAWL_ID=stale PAWL_TYPE=stale attempt 'echo $PAWL_ID,$PAWL_QUEUE,$PAWL_TYPE,$PAWL_ATTEMPT,$PAWL_MAX_ATTEMPTS,$PAWL_EPOCH' \
    -t 'a type' --attempts 4 x
ended "with the job's values" "$(cat id),default,a type,1,4,1" "j['result'].strip()"
OTHER=kept attempt 'echo $OTHER' x
ended "and the worker's own" kept "j['result'].strip()"
attempt 'ls /proc/self/fd | xargs' x
ended "no descriptors but its own three (and that of ls)" "0 1 2 3" "j['result'].strip()"
attempt 'exec cat /proc/self/status' x
ended "no signal is blocked or ignored" "['0000000000000000', '0000000000000000']" \
    "str([line.split()[1] for line in j['result'].split('\n') if line.startswith(('SigBlk', 'SigIgn'))])"
attempt 'ps -o pgid= -p $$ | tr -d " "; echo $$' x
ended "a process group of its own" true "len(set(j['result'].split())) == 1"
fresh
mkdir -p 'bin dir' && printf '#!/bin/sh\nprintf "%%s|" "$@"\n' >'bin dir/args' && chmod +x 'bin dir/args'
run enqueue x
plain=$out
PATH="$work/bin dir:$PATH" "$PAWL" work --drain -- args 'a b' '*' '' '$HOME' 2>/dev/null
is "found by PATH, its arguments untouched by a shell" "$(job "$plain" 'j["result"]')" 'a b|*||$HOME|'
printf 'echo hi\n' >script && chmod +x script
fresh
run enqueue --attempts 1 x
plain=$out
run work --drain -- ./script
like "a script without #! is told" "$(job "$plain" 'j["error"]')" "cannot run './script': *#! line*"

# --- stopping it ---------------------------------------------------------------------------

gone() {
    ! pgrep -f "$1" >/dev/null
}

begin=$(date +%s)
attempt 'sleep 31.41 & sleep 31.42' x --timeout 300ms
ended "the timeout ends it" "dead timed out after 300 ms" "$error"
ok "in time" test $(($(date +%s) - begin)) -lt 5
ok "with its whole group" gone 'sleep 31.4[12]'
attempt 'sleep 31.43 >/dev/null 2>&1 & printf early' x
ended "a grandchild does not hold up the end" "completed early" "$result"
ok "nor does it stay" gone 'sleep 31.43'
attempt 'sleep 31.44 & printf early' x
ended "even one that holds the output open" "completed early" "$result"
attempt 'yes' x --timeout 300ms
ended "endless output is ended by the timeout" "dead timed out after 300 ms" "$error"
attempt 'trap "" TERM; sleep 31.45; sleep 31.46' x --timeout 200ms
ended "a command that ignores TERM is killed" "dead timed out after 200 ms" "$error"
fresh
run enqueue x
"$PAWL" work -- sh -c 'sleep 31.47; :' 2>/dev/null &
worker=$!
ok "a command runs" until_ok pgrep -f 'sh -c sleep 31.47'
kill -9 "$worker"
wait "$worker" 2>/dev/null
ok "and dies with its worker" until_ok gone 'sh -c sleep 31.47'
pkill -9 -f 'sleep 31.47'

finish
