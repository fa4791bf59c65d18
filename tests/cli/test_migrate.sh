#!/bin/sh
# test_migrate.sh - moving jobs to another storage, as a person does it.
. "${0%/*}/lib.sh"
. "${0%/*}/lib_redis.sh"

redis_up
a=sqlite:$work/a.db
r=redis+unix://$socket

# count URL QUEUE STATE
count() {
    "$PAWL" --url "$1" --json stats -q "$2" | field "j['queues'][0]['$3']"
}

# --- wrong input: one line, an exit code, and nothing is changed -----------------

"$PAWL" --url "$a" enqueue -q mail one >/dev/null
run migrate
refused "no storages" 2 "pawl migrate: no --from"
run migrate --from "$a"
refused "no target" 2 "pawl migrate: no --to"
run migrate --from "$a" --to "$r" x
refused "an operand" 2 "pawl migrate: unexpected 'x' (storages are named by --from and --to)"
run --url "$a" migrate --from "$a" --to "$r"
refused "--url" 2 "pawl migrate: --url has no meaning here: give --from and --to"
run migrate --from "$a" --to "$r" --copy --finalize
refused "two modes" 2 "pawl migrate: only one of --copy, --move, --finalize and --rollback"
run migrate --from "$a" --to "$r" --rollback -q mail
refused "a part of a copy" 2 "pawl migrate: --rollback takes no --queue: a copy is taken back whole"
run migrate --from "$a" --to "$r" --rollback --verify
refused "what rollback does not take" 2 "pawl migrate: --rollback takes no --state, *"
run migrate --from "$a" --to "$r" --state waiting
refused "a state that cannot move" 2 "pawl migrate: waiting and held jobs cannot be migrated"
run migrate --from "$a" --to "$a"
refused "the same URL twice" 2 "pawl migrate: source and target are the same storage"
run migrate --from "$a" --to "sqlite:$work/./a.db?durability=normal"
refused "the same storage, spelled differently" 2 "pawl migrate: source and target are the same storage"
run migrate --from "$a" --to mysql:x
refused "an unknown scheme" 2 "pawl migrate: target: 'mysql' is not a storage; *"
run migrate --from mysql:x --to "$r"
refused "an unknown scheme at the source" 2 "pawl migrate: source: 'mysql' is not a storage; *"
run migrate --from "sqlite:$work/none.db" --to "$r"
refused "a source that does not exist" 3 "pawl migrate: source: *none.db*"
ok "which is not made" test ! -e none.db
for more in "" --dry-run; do
    run migrate --from "$a" --to "sqlite:$work/no/where.db" $more
    refused "a target that cannot be made${more:+, not moved to}" 2 "pawl migrate: target: folder '$work/no' does not exist: make it first"
done
run migrate --from "$a" --to "sqlite:$work/yet.db" --dry-run
ok "a target that can be made" test "$code" -eq 0
ok "which is not made either, by a plan" test ! -e yet.db
run migrate --from "$a" --to redis://127.0.0.1:1/
refused "an unreachable target" 69 "pawl migrate: target: *127.0.0.1:1*"
run migrate --from redis://127.0.0.1:1/ --to "$a"
refused "an unreachable source" 69 "pawl migrate: source: *127.0.0.1:1*"
run migrate --from "$a" --to "$r" -q nothing
refused "an unknown queue" 3 "pawl migrate: there is no queue 'nothing' at the source"
"$PYTHON" - <<'END'
import sqlite3
db = sqlite3.connect('theirs.db')
db.execute('create table mine (x)')
db.commit()
db = sqlite3.connect('newer.db')
db.execute('create table job (x)')
db.execute('pragma application_id = 1885435756')
db.execute('pragma user_version = 999')
db.commit()
END
for which in theirs newer; do
    cp $which.db was.db
    run migrate --from "$a" --to "sqlite:$work/$which.db"
    refused "a target that is $which" 1 "pawl migrate: target: *$which.db*"
    run migrate --from "sqlite:$work/$which.db" --to "$r"
    refused "a source that is $which" 1 "pawl migrate: source: *$which.db*"
    ok "stays as it was" cmp -s $which.db was.db
done
is "nothing was moved" "$(count "$a" mail pending)" 1
is "nor made at the target" "$(ask dbsize)" 0

# --- the plan ---------------------------------------------------------------------

seq 1 300 | "$PAWL" --url "$a" enqueue -q mail --lines - >/dev/null
"$PAWL" --url "$a" enqueue -q later --delay 1h soon >/dev/null
"$PAWL" --url "$a" enqueue -q bad --attempts 1 x >/dev/null
"$PAWL" --url "$a" work -q bad --drain -- false 2>/dev/null
"$PAWL" --url "$a" pause -q later
run migrate --from "$a" --to "$r" --dry-run
ok "the plan" done_as "from *a.db*to *(new)*QUEUE*mail *301*"
run migrate --from "$a" --to "$r" --dry-run --json
is "in JSON" "$(printf %s "$out" | field '[(q["name"], q["moves"], q["source"]) for q in j["plan"]["queues"]]')" \
    '[["bad", 0, {"dead": 1}], ["later", 1, {"scheduled": 1}], ["mail", 301, {"pending": 301}]]'
is "the plan makes nothing" "$(ask dbsize)" 0

# --- move there and back -----------------------------------------------------------

run migrate --from "$a" --to "$r"
ok "moved" done_as "*'mail': 301 moved*proof: 301 left with the sum *, 301 arrived with *: equal*next: set PAWL_URL=$r*JOB_QUEUE_STORAGE=redis*"
is "all are there" "$(count "$r" mail pending)" 301
is "none is left" "$(count "$a" mail pending)" 0
is "dead ones stay" "$(count "$a" bad dead)" 1
is "the pause went over" "$("$PAWL" --url "$r" --json stats -q later | field 'j["queues"][0]["paused"]')" true
run migrate --from "$a" --to "$r" --state dead
is "dead ones on request" "$code $(count "$r" bad dead) $(count "$a" bad dead)" "0 1 0"
run migrate --from "$a" --to "$r"
ok "again, with nothing to do" done_as "*'mail': 0 moved*"
run migrate --from "$r" --to "$a" -q mail --json
is "back, in JSON" "$code $(printf %s "$out" | field '[(q["moved"], q["left_sum"] == q["arrived_sum"], q["left"]) for q in all[1]["report"]["queues"]]')" \
    '0 [[301, true, 301]]'
is "only this queue" "$(count "$r" later scheduled) $(count "$a" mail pending)" "1 301"

# --- keys and ids on both sides ------------------------------------------------------

"$PAWL" --url "$a" enqueue -q keys --key order-7 ours >ours
"$PAWL" --url "$r" enqueue -q keys --key order-7 theirs >theirs
run migrate --from "$a" --to "$r" -q keys --dry-run
like "the plan names the key" "$out" "*1 unique keys of 'keys' are held on both sides, as 'order-7': *"
run migrate --from "$a" --to "$r" -q keys
like "it is listed" "$out" "*key   $(cat ours) is cancelled there: its key 'order-7' is held by $(cat theirs)*1 of them are cancelled*"
is "the holder stays" "$("$PAWL" --url "$r" --json show "$(cat theirs)" | field 'j["state"]')" pending
is "the other says why" "$("$PAWL" --url "$r" --json show "$(cat ours)" | field 'j["state"] + ": " + j["error"]')" \
    "cancelled: unique key is held by job $(cat theirs)"

# --- copies ---------------------------------------------------------------------------

run migrate --from "$a" --to "$r" --finalize
ok "no copy to finalize" test "$code" = 3
like "is said" "$err" "pawl migrate: there is no copy to '*' to settle"
run migrate --from "$a" --to "sqlite:$work/yet.db" --rollback
is "nor to roll back, and nothing is made" "$code $(ls yet.db 2>/dev/null)" "3 "
run migrate --from "$a" --to "$r" -q mail --copy --verify
ok "a copy" done_as "*301 copied, and held at the source*301 are what they were*next: set PAWL_URL=$r*then: the same with --finalize *with --rollback takes them back"
is "is there, and held here" "$(count "$r" mail pending) $(count "$a" mail held)" "301 301"
run migrate --from "$a" --to "$r"
is "a move is refused" "$code" 1
like "until the copy is settled" "$err" "pawl migrate: a copy to '*' is not settled: finalize it or roll it back first"
run migrate --from "$a" --to "sqlite:$work/b.db" --copy
like "so is one to elsewhere" "$err" "pawl migrate: a migration to '*' is not finished, and the target given has no store: *"
seq 1 3 | "$PAWL" --url "$a" enqueue -q mail --lines - >/dev/null
"$PAWL" --url "$r" work -q mail --drain -- true 2>/dev/null &
worker=$!
until_ok test "$(count "$r" mail completed)" -gt 0
wait $worker
run migrate --from "$a" --to "$r" --rollback
is "rolled back after they ran" "$code $(count "$a" mail pending) $(count "$a" mail held)" "0 3 0"
run migrate --from "$a" --to "$r" -q mail --copy
run migrate --from "$a" --to "$r" --rollback
ok "rolled back before" done_as "*3 taken back*next: set PAWL_URL=$a*at the target these queues are paused, until 'pawl resume'"
is "they are here again, and not there" "$(count "$a" mail pending) $(count "$r" mail pending)" "3 0"
run migrate --from "$a" --to "$r" -q mail --copy
run migrate --from "$a" --to "$r" --finalize
is "finalized" "$code $(count "$a" mail held) $(count "$a" mail pending) $(count "$r" mail pending)" "0 0 0 3"

# --- when a file has too much to do ----------------------------------------------------

"$PAWL" enqueue x >/dev/null
"$PYTHON" - "$XDG_STATE_HOME/pawl/pawl.db" <<'END'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute('update queue set completed_total = 10000')
db.commit()
END
run stats
is "10,000 jobs a day are nothing to speak of" "$err" ""
"$PYTHON" - "$XDG_STATE_HOME/pawl/pawl.db" <<'END'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute('update queue set completed_total = 10001')
db.commit()
END
run stats
is "more of them are told of" "$code $err" "0 pawl stats: about 10001 jobs a day finish in this file; Redis carries more, on many hosts: 'pawl migrate --from sqlite:$XDG_STATE_HOME/pawl/pawl.db --to redis://HOST/0 --dry-run' shows the way"
run stats
is "once" "$code $err" "0 "
run doctor
like "and by doctor, as a note" "$code $out" "0 *note about 10001 jobs a day*pawl migrate --from*all is well*"
finish
