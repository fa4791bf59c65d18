#!/bin/sh
# test_migrate_plan.sh - what a plan finds in the way, and that looking changes nothing.
. "${0%/*}/lib.sh"
. "${0%/*}/lib_redis.sh"

redis_up
a=sqlite:$work/a.db
r=redis+unix://$socket

# plan WORD... : the plan of a migration from $a to $r
plan() {
    run migrate --from "$a" --to "$r" --dry-run "$@"
}

# notes NAME PATTERN : the last plan would work, and says so
notes() {
    ok "$1" done_as "*
note  $2*"
}

# forbids NAME PATTERN : the last plan would be refused, for this
forbids() {
    ok "$1" test "$code" = 1
    like "... and why" "$out" "*
problem  $2*"
}

# --- the server ------------------------------------------------------------------

seq 1 20 | "$PAWL" --url "$a" enqueue -q mail --lines - >/dev/null
ask CONFIG SET maxmemory 100mb >/dev/null
ask CONFIG SET maxmemory-policy allkeys-lru >/dev/null
plan
notes "an eviction policy, where there is no store yet" \
    "target: eviction policy allkeys-lru: a full server deletes jobs; set maxmemory-policy noeviction"
notes "no persistence" "target: persistence: none, so jobs are lost when the server dies; appendonly yes keeps them"
is "and no store is made" "$(ask DBSIZE)" 0
ask CONFIG SET maxmemory-policy noeviction >/dev/null
"$PAWL" --url "$r" enqueue -q other x >/dev/null
ask CONFIG SET maxmemory "$(($(ask INFO memory | sed -n 's/^used_memory:\([0-9]*\).*/\1/p') + 30000))" >/dev/null
plan
notes "a server that is nearly full" "target: * of * of memory are used: at the limit no new jobs are accepted"
ask CONFIG SET maxmemory 0 >/dev/null
ask REPLICAOF 127.0.0.1 1 >/dev/null
run migrate --from "$a" --to "$r"
ok "a replica is not moved to" test "$code" != 0
like "... and why" "$err" "pawl migrate: *replica*"
ask REPLICAOF NO ONE >/dev/null
is "nothing was moved to it" "$("$PAWL" --url "$a" --json stats -q mail | field 'j["queues"][0]["pending"]')" 20

# --- formats ------------------------------------------------------------------------

ask HSET pawl:store format 99 >/dev/null
plan
refused "a newer store" 1 "pawl migrate: target: the store at * has format 99, and this pawl knows only *; use a newer pawl"
ask HSET pawl:store format 1 >/dev/null
python3 - "${0%/*}/../unit/data/format-1.sql" <<'END'
import sqlite3, sys
db = sqlite3.connect('old.db')
db.executescript(open(sys.argv[1]).read())
END
run migrate --from "$a" --to "sqlite:$work/old.db" -q mail --dry-run
ok "an older file will do" test "$code" = 0
run migrate --from "$a" --to "sqlite:$work/old.db" -q mail
ok "and gets the jobs" done_as "*'mail': 20 moved*"
run migrate --from "sqlite:$work/old.db" --to "$a" -q mail
ok "and gives them back" done_as "*'mail': 2* moved*"

# --- queues ---------------------------------------------------------------------------

"$PAWL" --url "$a" enqueue -q there x >/dev/null
"$PAWL" --url "$r" pause -q there
"$PAWL" --url "$a" enqueue -q here x >/dev/null
"$PAWL" --url "$a" pause -q here
"$PAWL" --url "$r" enqueue -q here x >/dev/null
printf '{"kind":"queue","queue":"kept","keep":{"dead_count":5}}' | "$PAWL" --url "$a" import >/dev/null
printf '{"kind":"queue","queue":"kept","keep":{"dead_count":6}}' | "$PAWL" --url "$r" import >/dev/null
plan
notes "a queue that is paused there" "queue 'there' is paused at the target: its jobs will wait there"
notes "one that is paused here only" "queue 'here' is paused at the source and not at the target: it stays so there, and its jobs run"
notes "another retention" "queue 'kept' has another retention at the target, which stays"

# --- ids and keys -----------------------------------------------------------------------

seq 1 3 | "$PAWL" --url "$a" enqueue -q twice --lines - >/dev/null
"$PAWL" --url "$a" export -q twice | "$PAWL" --url "$r" import >/dev/null
"$PAWL" --url "$a" enqueue -q keys --key k x >/dev/null
"$PAWL" --url "$r" enqueue -q keys --key k x >/dev/null
plan
notes "ids on both sides" "3 jobs of 'twice' are at the target already: theirs stay, ours are dropped"
notes "keys on both sides" "1 unique keys of 'keys' are held on both sides, as 'k': their holders stay, our jobs arrive as cancelled"
run migrate --from "$a" --to "$r" -q twice
ok "they are dropped" done_as "*'twice': 0 moved*3 more were at the target already*"
is "and theirs stay" "$("$PAWL" --url "$r" --json stats -q twice | field 'j["queues"][0]["pending"]')" 3

# --- other migrations ---------------------------------------------------------------------

run migrate --from "$a" --to "sqlite:$work/c.db" -q mail --copy
plan
forbids "one to elsewhere" "a migration to '*c.db' is not finished: run that again first"
run migrate --from "$a" --to "sqlite:$work/c.db" --dry-run
forbids "a copy to there" "a copy to '*c.db' is not settled: finalize it or roll it back first"
lost="a migration to '*c.db' is not finished, and the target given has no store: name that one, or put its store back"
run migrate --from "$a" --to "sqlite:$work/d.db" -q mail --dry-run
forbids "one to a store that is not there" "$lost"
run migrate --from "$a" --to "sqlite:$work/d.db" -q mail
like "as the run does" "$code $err" "1 pawl migrate: $lost"
ok "and neither makes it" test ! -e d.db
held=$("$PAWL" --url "$a" --json stats -q mail | field 'j["queues"][0]["held"]')
mkdir away
mv c.db* away
for act in --copy --finalize --rollback; do
    run migrate --from "$a" --to "sqlite:$work/c.db" $act --dry-run
    forbids "the target's own store is lost: the plan of $act" "$lost"
    run migrate --from "$a" --to "sqlite:$work/c.db" $act
    like "and $act" "$code $err" "1 pawl migrate: $lost"
done
is "nothing is let go of for that" "$("$PAWL" --url "$a" --json stats -q mail | field 'j["queues"][0]["held"]')" "$held"
ok "nor a new one made" test ! -e c.db
mv away/* .
run migrate --from "$r" --to "$a"
ok "a target that is being migrated" test "$code" = 1
like "... and why" "$err" "pawl migrate: the target is being migrated itself, to '*c.db': finish that first"
# The mark of a mover who left no note.
python3 - <<'END'
import sqlite3
with sqlite3.connect('a.db') as db:
    db.execute("DELETE FROM job WHERE key = 'note'")
END
plan -q mail
notes "jobs that somebody else holds" "[0-9]* jobs of 'mail' are held by somebody else and stay"
finish
