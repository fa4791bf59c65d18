#!/bin/sh
# test_spool.sh - which file may be the spool of which Redis, and what is said of one that
# may not, or cannot be used. Names of files may be long, and a message cuts them.
. "${0%/*}/lib.sh"
. "$root/tests/cli/lib_redis.sh"
unset PAWL_FALLBACK

back() {
    redis_up --appendonly yes --appendfsync always
}
quick='dwell=20ms&trial=20ms'
base=redis+unix://$socket
one="$base?prefix=one%3A&$quick" two="$base?prefix=two%3A&$quick"
payloads() { # URL : what lies there, past any spool
    "$PAWL" --url "$1&fallback=off" --json list 2>/dev/null | field '[x["payload"] for x in all]'
}

# --- one file, two primaries -----------------------------------------------------------

# Two prefixes of one server, and a file that a whole host names for all of them.
back
export PAWL_FALLBACK="sqlite:$work/fb.db"
redis_down
PAWL_URL=$one run enqueue for-one
like "a job for one is spooled" "$code $out" "0 $id"
back
PAWL_URL=$two run drain
refused "two may not drain it" 2 "pawl drain: PAWL_URL: fallback: it holds jobs for redis+unix://*, not redis+unix://*: give each a file of its own, or 'pawl drain' with the old URL first"
PAWL_URL=$two run enqueue for-two
refused "nor use it" 2 "pawl enqueue: PAWL_URL: fallback: it holds jobs for *"
is "nothing went there" "$(payloads "$two")" "[]"
PAWL_URL=$one run drain
is "one drains it" "$code $(payloads "$one")" '0 ["for-one"]'

# An empty one is taken over, unless a program has it open.
PAWL_URL=$two run stats
is "an empty one is taken over" "$code $err" "0 "
PAWL_URL=$two "$PAWL" work -q idle -- true >/dev/null 2>&1 &
worker=$!
is_taken() {
    PAWL_URL=$one run stats
    test "$code" -eq 2
}
ok "but not from a worker" until_ok is_taken
refused "and it says whose it is" 2 "pawl stats: PAWL_URL: fallback: it is in use by redis+unix://*, and cannot be that of redis+unix://*: give each a file of its own"
kill -TERM $worker
wait $worker
PAWL_URL=$one run stats
is "when that is gone it is" "$code $err" "0 "

# The same store by another name is known again when it answers, and not before.
redis_down
PAWL_URL=$one run enqueue renamed
is "spooled by the old name" "$code" 0
ln -s redis.sock "$work/other.sock"
other="redis+unix://$work/other.sock?prefix=one%3A&$quick"
PAWL_URL=$other run stats
refused "nobody answers: it may be any" 2 "*it holds jobs for redis+unix://*, not redis+unix://*: *"
back
PAWL_URL=$other run drain
like "the same store by a new name" "$code $err" "0 *1 drained"
is "has it all" "$(payloads "$one")" '["for-one", "renamed"]'

# Who moves away from a Redis, or has moved, hears of what waits for it here.
redis_down
unset PAWL_FALLBACK
PAWL_URL=$base run enqueue for-another
PAWL_URL=$one run enqueue spooled
is "spooled for the old store" "$code" 0
PAWL_URL=sqlite:$work/new.db run doctor
like "who has other jobs open is told" "$code $out" "1 *attention a spool for redis+unix://* is left at *"
back
run migrate --dry-run --from "$two" --to "sqlite:$work/new.db"
is "which is none of another prefix" "$code" 0
run migrate --dry-run --from "$one" --to "sqlite:$work/new.db"
like "a move would leave it behind" "$code $out" "1 *jobs for the source wait at $XDG_STATE_HOME/pawl/pawl-spool-*.db since it was away: 'pawl drain' first, with the source's URL*"
run migrate --from "$one" --to "sqlite:$work/new.db"
is "and is refused" "$code" 1
PAWL_URL=$one run drain
is "what was spooled goes over" "$code" 0
run migrate --from "$one" --to "sqlite:$work/new.db" # that of $base stays out of it
is "and moves with the others" "$code $(PAWL_URL=sqlite:$work/new.db "$PAWL" --json list | field '[x["payload"] for x in all]')" '0 ["for-one", "renamed", "spooled"]'
PAWL_URL=$base run drain
PAWL_URL=sqlite:$work/new.db run doctor
like "nothing is left" "$code $out" "0 *all is well in $work/new.db"

# Databases and kinds of a server are primaries of their own, and so have usual spools.
unset PAWL_FALLBACK
redis_down
spools() {
    ls "$XDG_STATE_HOME/pawl" | grep -c 'pawl-spool-.*\.db$'
}
for url in "$one" "$two" "$base?db=1" "$base" "redis+unix://:secret@$socket"; do
    PAWL_URL=$url "$PAWL" enqueue x >/dev/null 2>&1
done
is "each has a spool, with a password or without" "$(spools)" 4

# --- a file with jobs of its own ---------------------------------------------------------

# Jobs that were enqueued to a file stay there, whatever it is named for.
unset PAWL_URL
back
run --url "sqlite:$work/local.db" enqueue -q local at-home
is "a job in a file" "$code" 0
PAWL_URL="$base?fallback=sqlite:$work/local.db" run stats
refused "that file is no spool" 2 "pawl stats: PAWL_URL: fallback: it holds jobs and is not known as a spool: all would go to redis+unix://*. Use another file, or 'pawl migrate --from sqlite:FILE --to URL'"
PAWL_FALLBACK="sqlite:$work/local.db" PAWL_URL=$base run drain
refused "by the environment neither" 2 "pawl drain: PAWL_URL: fallback: it holds jobs *"
is "the job is at home" "$("$PAWL" --url "sqlite:$work/local.db" --json list -q local | field '[x["payload"] for x in all]')" '["at-home"]'
run migrate --from "sqlite:$work/local.db" --to "$base?fallback=off"
is "it goes there if that is wanted" "$code" 0
PAWL_URL="$base?fallback=sqlite:$work/local.db" run stats
is "and then the file may be a spool" "$code $err" "0 "

# The usual file is a spool by its name, also when what lies beside it was lost.
redis_down
PAWL_URL=$base run enqueue -q usual kept
rm "$XDG_STATE_HOME"/pawl/pawl-spool-*.breaker
back
PAWL_URL=$base run drain
is "the usual one is never refused" "$code" 0
is "and is drained" "$("$PAWL" --url "$base?fallback=off" --json list -q usual | field '[x["payload"] for x in all]')" '["kept"]'

# --- not in memory ------------------------------------------------------------------------

# What was accepted must outlive the process that accepted it.
redis_down
PAWL_URL="$base?fallback=memory:x" run enqueue lost
refused "memory is no spool" 2 "pawl enqueue: PAWL_URL: fallback: 'memory:' loses its jobs with the process: name a file"
PAWL_FALLBACK=memory:x PAWL_URL=$base run enqueue lost
refused "nor for a whole host" 2 "pawl enqueue: PAWL_URL: fallback: 'memory:' loses its jobs *"

# --- no place for one ------------------------------------------------------------------

# Nobody named the usual place: that there is none is no reason not to use a Redis.
no_home() {
    run_alone PATH="$PATH" PAWL_URL="$base" "$@"
}
run_alone() {
    env -i "$@" >"$work/.out" 2>"$work/.err" </dev/null
    code=$?
    out=$(cat "$work/.out")
    err=$(cat "$work/.err")
}
back
no_home "$PAWL" enqueue -q homeless x
like "without a home it is used" "$code $out" "0 $id"
ok "which is one line" one_line
like "and warned of" "$err" "pawl enqueue: $base is used without a fallback: neither XDG_STATE_HOME nor HOME is set*"
no_home XDG_STATE_HOME=/proc/none "$PAWL" stats -q homeless
like "nor where none can be made" "$code $err" "0 *cannot make folder '/proc/none*"
long=/$(printf %5000s | tr ' ' x)
no_home XDG_STATE_HOME="$long" "$PAWL" stats -q homeless
like "nor where its name is too long" "$code $err" "0 *the path of the default file is too long*"
no_home "$PAWL" doctor
like "doctor finds it" "$code $out" "1 *attention *$base is used without a fallback: neither XDG_STATE_HOME nor HOME is set*"
ok "and does not say that all is well" test "${out#*all is well}" = "$out"
no_home "$PAWL" --json doctor
is "nor in JSON" "$code $(printf %s "$out" | field '[j["ok"]] + [f["kind"] for f in j["findings"] if f["kind"] == "spool"]')" '1 [false, "spool"]'
redis_down
no_home "$PAWL" enqueue x
refused "and if it is away both are told" 69 "pawl enqueue: redis at *; and the fallback cannot be used: neither XDG_STATE_HOME nor HOME is set: *"
PAWL_URL="$base?fallback=sqlite:$work/none/spool.db" run stats
refused "one that is named must be right" 2 "pawl stats: PAWL_URL: fallback: folder '$work/none' does not exist: make it first"
finish
