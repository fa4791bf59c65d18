#!/bin/sh
# test_outage.sh - a Redis that is away, from the shell: what each command says and
# answers, and that everything is there when it is back.
. "${0%/*}/lib.sh"
. "$root/tests/cli/lib_redis.sh"
unset PAWL_FALLBACK

back() {
    redis_up --appendonly yes --appendfsync always
}
times='dwell=200ms&trial=100ms'
url=redis+unix://$socket
export PAWL_URL="$url?$times"
falling="*Redis configured but not available, falling back to SQLite at $XDG_STATE_HOME/pawl/pawl-spool-*.db ($url: *"

# warned NAME CODE OUT : one warning, and this
warned_as() {
    test "$code" -eq "$1" && matches "$err" "$3$falling" && matches "$out" "$2"
}
warned() {
    ok "$1" warned_as "$2" "$3" "${4-}"
}
stat() {
    "$PAWL" --json stats "$@" 2>/dev/null | field "${expression}"
}
mode() {
    expression='j["mode"]' stat
}
is_primary() {
    test "$(mode)" = primary
}

# --- away at the start ---------------------------------------------------------------

run enqueue first
warned "enqueue is spooled" 0 "$id" "pawl enqueue: "
first=$out
run --json enqueue second
warned "and says so" 0 '*"status":"SPOOLED"*'
second=$(printf %s "$out" | field 'j["id"]')
printf 'a\nb\nc\n' >.lines
run_in .lines enqueue -q lines --lines
warned "lines" 0 "$id
$id
$id"

is "the mode" "$(mode)" spooling
is "how many" "$(expression='j["spooled"]' stat)" 5
is "counts" "$(expression='[q["pending"] for q in j["queues"]]' stat)" "[2, 3]"
is "where is the primary" "$(expression='j["storage"] + " " + j["where"]' stat)" "redis $url"
run stats
warned "stats for a person" 0 "redis $url
spooling: it is away; these are the jobs of this host's spool
QUEUE*default*lines*"
run stats -q nosuch
warned "a queue that may be there" 0 "*nosuch*"
run queues
warned "queues are this host's alone" 69 "default
lines"

run --json list
warned "list shows the spool, and is no success" 69 '*"payload":"first"*"payload":"second"*'
like "and says why" "$err" "*pawl list: $url is away: this is about what is spooled on this host, and nothing else"
run show "$first"
warned "show a spooled job" 0 "*$first*first*"
other=00000000000000000000000000
run show $other
warned "show another" 69 ""
like "which may be there" "$err" "*pawl show: $url has been away for * s: *"
run cancel $second $other
warned "cancel what is here" 69 "$second"
like "and not what is not" "$err" "*pawl cancel: job $other: storage cannot be reached*"
run clean --state cancelled
warned "clean what is here" 69 "1 job removed"
run pause -q lines
warned "pause, on this host" 69 ""
run health
warned "health" 0 "*mode*spooling*spool*$XDG_STATE_HOME/pawl/pawl-spool-*.db*warning*away since 20*, jobs are spooled: *"
run --json health
warned "its mode" 0 '*"mode":"spooling"*'
run doctor
warned "doctor wants attention" 1 "*attention*away since 20*"
run health
like "when it is looked for next" "$out" "*next look*in * s; 'pawl drain' looks at once*"
is "the mode is told once" "$(echo "$out" | grep -c '^mode ')" 1
run export
warned "an export is not whole" 69 '*"payload":"first"*'
like "and says so" "$err" "*pawl export: $url is away: this is about what is spooled on this host, and nothing else"
run --url "redis+unix://$socket?fallback=sqlite:$work/empty.db" export
ok "nor is an export of an empty spool" test "$code" -eq 69

run --url "$PAWL_URL" bench enqueue --jobs 10
warned "bench does not measure a spool" 69 ""
like "and says so" "$err" "*pawl bench: $url is away, or not yet done with a spool: that would be measured instead"

# --- working meanwhile ------------------------------------------------------------------

timeout 60 "$PAWL" work --drain -- cat >.work.out 2>.work.err &
worker=$!
is_done() {
    test "$("$PAWL" --json show "$first" 2>/dev/null | field 'j["state"]')" = completed
}
ok "a worker runs what is spooled" until_ok is_done
like "it says where it works" "$(cat .work.err)" "$falling*"
expression='[q["pending"] for q in j["queues"] if q["name"] == "lines"]'
is "what is paused waits" "$(stat)" "[3]"
ok "and the worker waits for the primary" kill -0 $worker

# --- back ---------------------------------------------------------------------------------

back
ok "the worker ends by itself" wait $worker
ok "all is as before" until_ok is_primary
is "nothing is in the spool" "$(expression='j["spooled"]' stat)" 0
is "the job that ran here is done there" "$(job "$first" 'j["state"]')" completed
export PAWL_URL="$url?fallback=off"
is "really there" "$(job "$first" 'j["state"]')" completed
is "and the others" "$("$PAWL" --json list -q lines | field '[x["payload"] for x in all]')" '["a", "b", "c"]'
is "the pause was this host's" "$(expression='[q["paused"] for q in j["queues"]]' stat)" "[false, false]"
export PAWL_URL="$url?$times"
run enqueue direct
done_with "enqueue goes there again" "$id"
run doctor
done_with "doctor has nothing to say of it" "*mode*primary*spool*pawl-spool-*.db*all is well in $url"

# --- pawl drain -----------------------------------------------------------------------------

export PAWL_URL="$url?dwell=1h&trial=1h"
run drain
is "nothing to drain" "$code $err" "0 pawl drain: the spool is empty: 0 drained"
redis_down
"$PAWL" enqueue -q lines late >/dev/null 2>&1
run drain
ok "drain, and it is away" test "$code" -eq 69
like "a job stays" "$err" "*pawl drain: waiting for $url
pawl drain: $url is away; 1 job stays in the spool"
back
run --json drain
ok "drain does not wait for the hour" test "$code" -eq 0
like "its last line" "$out" '*{"mode":"primary","spooled":0,"drained":1}'
is "the job is there" "$("$PAWL" --json list -q lines | field 'all[-1]["payload"]')" late
run drain extra
refused "drain takes no word" 2 "pawl drain: unexpected 'extra'"
PAWL_URL=sqlite:$work/own.db run drain
is "no spool at all" "$code $err" "0 pawl drain: $work/own.db has no spool"
mkdir unusable.db
PAWL_URL="$url?fallback=sqlite:$work/unusable.db" run drain
like "a spool that cannot be used is not an empty one" "$code $err" \
    "1 pawl drain: $url is used without a fallback: *
pawl drain: the spool of $url cannot be used: what it holds stays there"
PAWL_URL="$url?fallback=sqlite:$work/unusable.db" run --json drain
is "nor is it in JSON" "$code $out" "1 "

redis_down
"$PAWL" enqueue -q full late >/dev/null 2>&1
back
busy=$("$PAWL" --url "$url?fallback=off" enqueue -q busy x)
"$PAWL" --url "$url?fallback=off" work -q busy --drain -- \
    sh -c "until test -e $work/enough; do sleep 0.1; done" >/dev/null 2>&1 &
worker=$!
runs() {
    test "$("$PAWL" --url "$url?fallback=off" --json show "$busy" | field 'j["state"]')" = processing
}
ok "a job runs there" until_ok runs
early=$("$PAWL" --url "$url?fallback=off" enqueue -q full early)
ask CONFIG SET maxmemory 1 >/dev/null
run drain
like "one that is full takes nothing" "$code $err" "1 *
pawl drain: 1 job stays in the spool: nothing went over for 10 s"
is "the mode is draining" "$(mode)" draining
# What is just tried again is held for a moment: then it may be on no page.
lists_both() {
    run --json list -q full --limit 1
    test "$code $(printf %s "$out" | field 'all[0]["id"]')" = "0 $early" || return 1
    run --json list -q full --after "$(printf %s "$out" | field 'all[-1]["next"]')"
    test "$code $(printf %s "$out" | field 'all[0]["payload"]')" = "0 late"
}
ok "a list begins with what is there, and goes on with what is here" until_ok lists_both
ask CONFIG SET maxmemory 0 >/dev/null
run drain
ok "and then it does" test "$code" -eq 0
touch enough
ok "the job ends" wait $worker

redis_down
for queue in a b c; do
    "$PAWL" enqueue -q $queue late >/dev/null 2>&1
done
back
ask SET 'pawl:{b}:pending:5' x >/dev/null
run drain
like "one damaged queue keeps no other waiting, and is named" "$code $err" "1 *what is \
spooled at */pawl-spool-*.db cannot go to $url: queue 'b': *overwritten by somebody else*
pawl drain: 1 job stays in the spool: nothing went over for 10 s"
there() {
    "$PAWL" --url "$url?fallback=off" --json stats | field "[q['name'] for q in j['queues'] if q['pending'] and q['name'] in 'abc']"
}
is "what is whole went over" "$(there)" '["a", "c"]'
ask DEL 'pawl:{b}:pending:5' >/dev/null
run drain
is "and then the rest" "$code $(there)" '0 ["a", "b", "c"]'
# A program that drains and is stopped blocks every other drain: that is said of it.
redis_down
yes stopped | head -n 300 | "$PAWL" enqueue -q stopped --lines >/dev/null 2>&1
mkfifo open
PAWL_URL="$url?dwell=50ms&trial=50ms&drain-rate=1" "$PAWL" enqueue -q stopped --lines <open >/dev/null 2>&1 &
drainer=$!
exec 9>open
back 9>&- # the server must not hold it
drains() {
    test "$("$PAWL" --url "$url?fallback=off" --json stats -q stopped | field 'j["queues"][0]["pending"]')" -gt 0
}
ok "a program drains" until_ok drains
kill -STOP $drainer
run drain
like "one that is stopped is named" "$code $err" "1 *process $drainer drains the spool, and has not moved for [0-9]* s: let it go on, or end it
*pawl drain: 2[0-9][0-9] jobs stay in the spool: nothing went over for 10 s"
run doctor
like "by doctor as well" "$code $out" "1 *attention*process $drainer drains the spool, and has not moved*"
exec 9>&-
kill -CONT $drainer
wait $drainer
run drain
ok "when it has ended all goes on" test "$code" -eq 0

# A Redis that comes back with another password: no command forgets the spool.
redis_down
"$PAWL" enqueue -q lines refused >/dev/null 2>&1
redis_up --appendonly yes --appendfsync always --requirepass other
for verb in drain stats doctor list queues; do
    run $verb
    like "$verb says what waits" "$code $err" "1 *pawl $verb: *; 1 job waits in the spool at *"
done
back
run drain
ok "and all goes on" test "$code" -eq 0

# A call that was kept and is damaged: it never goes over, and never goes unsaid.
export PAWL_URL="$url?dwell=1h&trial=1h&fallback=sqlite:$work/aside.db"
redis_down
"$PAWL" enqueue -q aside kept >/dev/null 2>&1
"$PYTHON" -c '
import sqlite3
db = sqlite3.connect("aside.db")
db.execute("UPDATE queue SET name = ?", ("\1sent",))
db.execute("UPDATE job SET payload = ?", (b"\1what",))
db.commit()'
back
run drain
like "a damaged call is set aside" "$code $err" "1 *a call that was kept is damaged; it is set aside there, as job *
pawl drain: calls that cannot be made are set aside in the spool, 1 of them: see 'pawl doctor'"
run drain
like "and is told of as long as it is there" "$code $err" "1 pawl drain: calls that cannot be made are set aside in the spool, 1 of*"
run doctor
like "doctor says where" "$code $out" "1 *calls that cannot be made are set aside in $work/aside.db: 1, the first as job *"
aside=$(echo "$out" | sed -n 's/.*the first as job //p')
run --url "sqlite:$work/aside.db" show "$aside"
like "it can be looked at" "$code $out" "0 *what*"
run --url "sqlite:$work/aside.db" remove "$aside"
ok "and removed" test "$code" -eq 0
run drain
is "then all is well" "$code $err" "0 pawl drain: the spool is empty: 0 drained"
export PAWL_URL="$url?dwell=1h&trial=1h"

ask RENAME pawl:queues elsewhere >/dev/null
ask SET pawl:queues x >/dev/null
run drain
like "what cannot be counted" "$code $err" "1 pawl drain: *"
ok "is not called stuck" test "${err#*stay in the spool}" = "$err"
ask RENAME elsewhere pawl:queues >/dev/null

# --- the environment that installations have --------------------------------------------------

unset PAWL_URL
redis_down
JOB_QUEUE_STORAGE=redis REDIS_HOST=127.0.0.1 REDIS_PORT=$port
export JOB_QUEUE_STORAGE REDIS_HOST REDIS_PORT
run enqueue by-environment
like "falls back as well" "$code $err" "0 *Redis configured but not available, falling back to SQLite at *(redis://127.0.0.1:$port/0: *"
PAWL_FALLBACK=off run enqueue refused
refused "off for a host" 69 "pawl enqueue: redis at 127.0.0.1:$port: connection refused*"
PAWL_FALLBACK=sqlite:$work/elsewhere.db run enqueue elsewhere
like "or elsewhere" "$code $err" "0 *falling back to SQLite at $work/elsewhere.db (*"
PAWL_FALLBACK=maybe run enqueue x
refused "or wrong" 2 "pawl enqueue: PAWL_FALLBACK: fallback is 'off', or a URL like sqlite:PATH"
unset JOB_QUEUE_STORAGE REDIS_HOST REDIS_PORT

# Two pawls in one database never share a spool.
spools() {
    ls "$XDG_STATE_HOME/pawl" | grep -c 'pawl-spool-.*\.db$'
}
before=$(spools)
PAWL_URL="redis://127.0.0.1:$port?prefix=one%3A" "$PAWL" enqueue x >/dev/null 2>&1
PAWL_URL="redis://127.0.0.1:$port?prefix=two%3A" "$PAWL" enqueue x >/dev/null 2>&1
is "each prefix has a spool" "$(spools)" $((before + 2))

# A spool for a Redis that nobody names any more is found by doctor, from beside it.
back
PAWL_URL="$url" run doctor
like "a spool left behind" "$out" "*a spool for redis://127.0.0.1:*/0 is left at $XDG_STATE_HOME/pawl/pawl-spool-*.db since 20*"
finish
