#!/bin/sh
# test_admin.sh - looking at jobs and queues, and moving them by hand.
. "${0%/*}/lib.sh"

state() {
    job "$1" 'j["state"]'
}

# --- nothing yet --------------------------------------------------------------------

run list
is "an empty list says where it looked" "$code $out $err" "0  pawl list: no such jobs in queue 'default' (see 'pawl stats')"
run --json list
done_with "an empty list as JSON" ""
run queues
done_with "no queues" ""
run --json stats
is "stats of nothing" "$(echo "$out" | field '"%s %s %s %s" % (j["storage"], j["where"], j["mode"], j["queues"])')" \
    "sqlite $XDG_STATE_HOME/pawl/pawl.db primary []"
run doctor
is "the doctor finds nothing" "$code" 0
like "and says so" "$out" "*all is well in $XDG_STATE_HOME/pawl/pawl.db"
run --json doctor
is "the doctor finds nothing, as JSON" \
    "$(echo "$out" | field '"%s %s" % (j["ok"], [f for f in j["findings"] if f["kind"] != "note"])')" "True []"

# --- list, show ---------------------------------------------------------------------

"$PAWL" enqueue -q mail -t send -p 5 five >five
"$PAWL" enqueue -q mail -t send -p 1 one >one
"$PAWL" enqueue -q mail -t other -p 9 nine >nine
"$PAWL" enqueue -q mail --delay 2h late >late
"$PAWL" enqueue -q mail --delay 1h soon >soon
"$PAWL" enqueue -q web page >page

run --json list -q mail --state pending
is "pending in the order of their run" "$(echo "$out" | field '" ".join(x["payload"] for x in all)')" "one five nine"
run --json list -q mail --state scheduled
is "scheduled by time" "$(echo "$out" | field '" ".join(x["payload"] for x in all)')" "soon late"
run --json list -q mail --type send
is "by type" "$(echo "$out" | field '" ".join(x["payload"] for x in all)')" "one five"
run --json list -q mail
is "every state" "$(echo "$out" | field 'len(all)')" 5
run --json list -q web -q mail
is "several queues, one after the other" "$(echo "$out" | field 'all[0]["payload"] + str(len(all))')" page6
run list -q mail
like "as a table" "$out" "ID * QUEUE * STATE *$(cat one) * mail * send * pending *"

run --json list -q mail --state pending --limit 2
cursor=$(echo "$out" | field 'all[-1]["next"]')
is "a limit ends with a cursor" "$(echo "$out" | field 'len(all)')" 3
run --json list -q mail --state pending --limit 2 --after "$cursor"
is "which goes on from there" "$(echo "$out" | field '" ".join(x.get("payload", "next") for x in all)')" nine
run list -q mail --state pending --limit 2
like "and is told in text, too" "$err" "pawl list: more follow: --after $cursor"
seen=
cursor=
for page in 1 2 3 4 5 6 7 8; do
    run --json list -q web -q mail --limit 1 ${cursor:+--after "$cursor"}
    seen="$seen $(echo "$out" | field '" ".join(x["payload"] for x in all if "payload" in x)')"
    cursor=$(echo "$out" | field 'all[-1].get("next", "") if all else ""')
    test -n "$cursor" || break
done
is "one by one through two queues" "$(echo $seen)" "page soon late one five nine"

run show "$(cat one)"
like "show" "$out" "job $(cat one)*state * pending*queue * mail*priority * 1*enqueued * 20??-*T*Z (*)*payload * one"
run show 01J00000000000000000000000 "$(cat one)"
is "of several ids, those that are there are shown" "$code $(echo "$out" | head -1)" "3 job $(cat one)"
run show "$(tr 'A-Z' 'a-z' <one)"
is "an id in small letters" "$code" 0

# --- stats, queues --------------------------------------------------------------------

run --json stats
is "stats: every key, in order" "$(echo "$out" | field '" ".join(list(j) + list(j["queues"][0]))')" \
    "storage where mode queues name paused waiting scheduled pending processing failed completed dead cancelled held completed_total failed_total dead_total oldest_pending_ms"
is "stats: one line" "$(echo "$out" | wc -l)" 1
is "stats: counts" "$(echo "$out" | field '" ".join("%s %d %d" % (q["name"], q["pending"], q["scheduled"]) for q in j["queues"])')" "mail 3 2 web 1 0"
is "stats: an age" "$(echo "$out" | field '0 <= j["queues"][0]["oldest_pending_ms"] < 60000')" true
run --json stats -q web
is "stats of one queue" "$(echo "$out" | field '[q["name"] for q in j["queues"]]')" '["web"]'
run --json stats -q web -q nosuch
is "stats of a queue that is there and one that is not" "$code $(echo "$out" | field 'len(j["queues"])') $err" "3 1 pawl stats: no queue 'nosuch'"
run stats
like "stats as a table" "$out" "sqlite $XDG_STATE_HOME/pawl/pawl.db*QUEUE *mail * 3 *web *"
run queues
is "queues" "$(echo "$out" | xargs)" "mail web"
run --json queues
is "queues as JSON" "$(echo "$out" | field '" ".join("%s %s %d" % (q["name"], q["paused"], q["jobs"]) for q in all)')" "mail False 5 web False 1"

run health
like "health" "$out" "storage * sqlite*where */pawl.db*engine * sqlite 3.*durability * full*round trip * us*"
run --json health
is "health as JSON" "$(echo "$out" | field '" ".join(sorted(j))')" \
    "details durability engine free_bytes mode round_trip_us size_bytes storage warnings where"

# --- moving jobs ----------------------------------------------------------------------

run promote "$(cat soon)"
done_with "promote" "$(cat soon)"
is "makes it pending" "$(state "$(cat soon)")" pending
run promote "$(cat soon)"
ok "promote again" refused_as 1 "pawl promote: job $(cat soon): only a job that is scheduled or failed can be promoted"
run cancel "$(cat five)" "$(cat nine)"
done_with "cancel two" "$(cat five)
$(cat nine)"
is "makes them cancelled" "$(state "$(cat five)")" cancelled
run retry "$(cat five)"
done_with "retry" "$(cat five)"
is "makes it pending again" "$(state "$(cat five)")" pending
run remove "$(cat five)"
done_with "remove" "$(cat five)"
run show "$(cat five)"
refused "takes it away" 3 "pawl show: no job $(cat five)"
run --json remove "$(cat five)" "$(cat one)"
is "of several ids all are tried" "$code $(echo "$out" | field '" ".join(x["status"] for x in all)')" "3 NOT_FOUND OK"
run --json cancel --state scheduled -q mail
is "by state" "$(echo "$out" | field 'j["changed"]')" 1
run cancel --state scheduled -q mail
is "by state, again" "$code $out" "0 0 jobs cancelled"

fresh
for queue in a b; do seq 30 | "$PAWL" enqueue --attempts 1 -q "$queue" --lines - >>ids; done
"$PAWL" work --drain -q a -- false 2>/dev/null
"$PAWL" work --drain -q b -- true 2>/dev/null
run retry --state dead -q a -q b
is "retry what is dead in two queues" "$code $out" "0 30 jobs retried"
is "makes it pending with all its attempts" "$("$PAWL" --json list -q a | field 'str({(x["state"], x["attempt"]) for x in all})')" "{('pending', 0)}"
run clean -q b --state completed --older 1h
is "clean what is older than an hour" "$code $out" "0 0 jobs removed"
run --json clean -q b --state completed
is "clean" "$code $(echo "$out" | field 'j["changed"]')" "0 30"
run clean -q typo --state completed
is "clean a queue that is not there" "$code $err" "3 pawl clean: no queue 'typo'"
run retry -q typo --state dead
is "retry in one" "$code $err" "3 pawl retry: no queue 'typo'"
run queues
made=$(echo "$out" | grep -c typo)
is "and neither makes it" "$made" 0
is "totals are since ever" "$("$PAWL" --json stats -q b | field '"%d %d" % (j["queues"][0]["completed"], j["queues"][0]["completed_total"])')" "0 30"
is "failures are counted" "$("$PAWL" --json stats -q a | field '"%d %d" % (j["queues"][0]["failed_total"], j["queues"][0]["dead_total"])')" "30 30"

fresh
"$PAWL" enqueue --key k --attempts 1 first >first
"$PAWL" work --drain -- false 2>/dev/null
"$PAWL" enqueue --key k second >second
run retry "$(cat first)"
ok "retry where the key is taken" refused_as 1 "pawl retry: job $(cat first): its unique key is held by another job"

# --- pause, doctor --------------------------------------------------------------------

run pause -q a -q b
done_with "pause says nothing" ""
is "paused shows in stats" "$("$PAWL" --json stats -q a | field 'j["queues"][0]["paused"]')" true
run --json resume -q a
is "resume as JSON" "$(echo "$out" | field '"%s %s" % (j["queue"], j["paused"])')" "a False"
is "resumed shows in stats" "$("$PAWL" --json stats -q a | field 'j["queues"][0]["paused"]')" false
run doctor
is "the doctor finds dead jobs and a paused queue" "$code" 1
like "and says what to do" "$out" "*attention queue 'b' is paused*pawl resume -q b*attention queue 'default' has 1 dead*retry*"
run --json doctor
is "as JSON" "$code $(echo "$out" | field '"%s %s" % (j["ok"], sorted({f["kind"] for f in j["findings"]} - {"note"}))')" "1 False ['dead', 'paused']"

finish
