#!/bin/sh
# test_work.sh - the worker: draining, queues, stopping, messages.
. "${0%/*}/lib.sh"

run work --drain -- true
is "draining nothing ends at once" "$code" 0
like "where, queue and concurrency are told" "$err" \
    "pawl work: jobs in $XDG_STATE_HOME/pawl/pawl.db, queue 'default', * at once*"

seq 200 | "$PAWL" enqueue --lines - >ids
run work --drain -c 4 -- sh -c 'echo "$(cat)" >>seen'
is "draining ends when all are done" "$code" 0
is "every job ran, once" "$(sort -n seen | grep . | tr '\n' ' ')" "$(seq 200 | tr '\n' ' ')"
is "and is completed" "$("$PAWL" --json stats | field '"%d %d" % (j["queues"][0]["completed"], j["queues"][0]["pending"])')" "200 0"
ok "what a good job does is not told" test "$(wc -l <.err)" -eq 2
rm -f seen

fresh
for queue in a b c; do "$PAWL" enqueue -q "$queue" "$queue" >>ids; done
run work --drain -q a -q b -- sh -c 'cat >>seen'
is "only the queues named" "$(fold -w1 seen | sort | xargs)" "a b"
like "all are told" "$err" "*queues 'a', 'b', *"
is "the other one's job is still there" "$("$PAWL" --json stats -q c | field 'j["queues"][0]["pending"]')" 1

fresh
"$PAWL" enqueue -p 9 last >>ids
"$PAWL" enqueue -p 1 first >>ids
"$PAWL" enqueue middle >>ids
rm -f seen
run work --drain -c 1 -- sh -c 'cat >>seen; echo >>seen'
is "by priority" "$(xargs <seen)" "first middle last"

fresh
"$PAWL" enqueue --attempts 3 --backoff fixed:50ms x >>ids
run work --drain -- sh -c 'echo no >&2; exit 1'
is "draining waits for further attempts" "$("$PAWL" --json list | field '"%s %d" % (j["state"], j["attempt"])')" "dead 3"
like "the last one is told as such" "$err" "*failed for the last time (attempt 3 of 3): no (exit status 1)*"

fresh
"$PAWL" enqueue --delay 1h x >>ids
run work --drain -- true
is "draining does not wait for what is scheduled" "$("$PAWL" --json list | field 'j["state"]')" scheduled

fresh
"$PAWL" enqueue x >>ids
run work --drain -v -- sh -c 'echo words >&2'
like "with -v every job is told" "$err" "*job * in 'default' completed (attempt 1 of 3)*"
like "and the command's own words are passed on" "$err" "*words*"

fresh
"$PAWL" enqueue x >>ids
"$PAWL" pause
"$PAWL" work -- sh -c 'touch ran' 2>/dev/null &
worker=$!
sleep 0.5
ok "a paused queue is left alone" test ! -e ran
"$PAWL" resume
ok "and goes on when resumed" until_ok test -e ran
kill -TERM "$worker"
wait "$worker"
is "TERM ends a worker that is idle" "$?" 0

# --- stopping while a job runs -----------------------------------------------------

fresh
run enqueue x
slow=$out
"$PAWL" work -- sh -c 'touch started; sleep 1; printf finished' 2>log &
worker=$!
ok "a job runs" until_ok test -e started
run enqueue y
next=$out
kill -INT "$worker"
wait "$worker"
is "INT lets it finish" "$? $(job "$slow" '"%s %s" % (j["state"], j["result"])')" "0 completed finished"
ok "and claims no more" test "$(job "$next" 'j["state"]')" = pending -o "$(nproc)" -gt 1
ok "which is told" grep -q 'stopping when the running jobs are done' log

fresh
rm -f started
run enqueue x
slow=$out
"$PAWL" work -- sh -c 'touch started; sleep 32.1' 2>log &
worker=$!
ok "another one runs" until_ok test -e started
kill -TERM "$worker"
sleep 0.2
kill -TERM "$worker"
wait "$worker"
is "a second signal gives it back" "$? $(job "$slow" '"%s %d %d" % (j["state"], j["attempt"], j["crashes"])')" "0 pending 0 0"
ok "and ends its command" test -z "$(pgrep -f 'sleep 32.1')"

fresh
rm -f started
run enqueue x
slow=$out
"$PAWL" work --grace 300ms -- sh -c 'touch started; sleep 32.2' 2>log &
worker=$!
ok "a third one runs" until_ok test -e started
kill -TERM "$worker"
wait "$worker"
is "the end of the grace gives it back" "$? $(job "$slow" 'j["state"]')" "0 pending"

fresh
rm -f started
run enqueue x
slow=$out
"$PAWL" work --grace 300ms -- sh -c 'trap "sleep 1; echo all of it; exit 0" TERM; touch started; sleep 32.4 & wait' 2>log &
worker=$!
ok "one that minds its end runs" until_ok test -e started
kill -TERM "$worker"
wait "$worker"
is "what it ends with counts" "$? $(job "$slow" 'j["state"] + " " + j["result"]')" "0 completed all of it"

fresh
rm -f started
run enqueue x
slow=$out
"$PAWL" work -- sh -c 'touch started; sleep 32.3' 2>log &
worker=$!
ok "a fourth one runs" until_ok test -e started
run cancel "$slow"
is "a running job can be cancelled" "$code $out" "0 $slow"
state_is() { test "$(job "$1" 'j["state"]')" = "$2"; }
ok "its command is ended and it is cancelled" until_ok state_is "$slow" cancelled
kill -TERM "$worker"
wait "$worker"

# --- a machine in need ---------------------------------------------------------------

fresh
seq 100 | "$PAWL" enqueue --lines - >ids
(ulimit -n 128 && exec "$PAWL" work --drain -c 64 -- sh -c 'ulimit -n') 2>log
like "fewer open files, fewer commands at once" "$(cat log)" "*only 128 open files are allowed: no more than 5 *"
is "which all run" "$("$PAWL" --json stats | field 'j["queues"][0]["completed"]')" 100
fresh
seq 3 | "$PAWL" enqueue --lines - >ids
# A limit that leaves the worker its own descriptors and a command none.
(ulimit -n 18 && exec "$PAWL" work --grace 100ms -- true) 2>log &
worker=$!
if until_ok grep -q 'cannot start a command, waiting: Too many open files' log; then
    ok "without descriptors the worker waits" test "$(wc -l <log)" -le 3
fi
kill "$worker" 2>/dev/null
wait "$worker"
is "and no attempt is used up" "$("$PAWL" --json list --state pending | field 'sum(x["attempt"] for x in all)')" 0

fresh
run enqueue --timeout 100ms --attempts 1 x
slow=$out
run enqueue --attempts 1 x
other=$out
run work --drain --timeout 200ms -- sleep 32.4
is "a job's own timeout" "$(job "$slow" 'j["error"]')" "timed out after 100 ms"
is "the worker's for those that have none" "$(job "$other" 'j["error"]')" "timed out after 200 ms"

finish
