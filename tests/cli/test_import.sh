#!/bin/sh
# test_import.sh - jobs as JSON lines, out and in again.
. "${0%/*}/lib.sh"

a=sqlite:$work/a.db
b=sqlite:$work/b.db

"$PAWL" --url "$a" enqueue -q mail -t send -p 3 --key k --group g --timeout 5s \
    --backoff list:1s,2s,jitter=7 --attempts 9 hello >id
printf 'a\0b\377' | "$PAWL" --url "$a" enqueue -q mail - >/dev/null
"$PAWL" --url "$a" enqueue -q mail --delay 1h later >/dev/null
"$PAWL" --url "$a" enqueue -q mail --key t --key-mode throttle --key-ttl 1h x >/dev/null
"$PAWL" --url "$a" enqueue -q bad --attempts 1 x >/dev/null
"$PAWL" --url "$a" work -q bad --drain -- sh -c 'echo broke >&2; exit 65' 2>/dev/null

run --url "$a" export
ok "export" test "$code" = 0
printf '%s\n' "$out" >all.jsonl
is "has every job" "$(wc -l <all.jsonl)" 5
run --url "$b" import all.jsonl
done_with "import" "5 jobs imported, 0 were there already, 0 cancelled because their keys are held"
run --url "$b" export
printf '%s\n' "$out" >again.jsonl
ok "gives the very same" cmp -s all.jsonl again.jsonl
run --url "$b" --json import all.jsonl
done_with "importing again adds nothing" '{"imported":0,"duplicates":5,"cancelled":0,"queues":0}'
run_in all.jsonl --url "sqlite:$work/c.db" import -
done_with "from standard input" "5 jobs imported*"
"$PAWL" --url "sqlite:$work/d.db" enqueue -q mail --key k theirs >/dev/null
cat all.jsonl | "$PAWL" --url "sqlite:$work/d.db" import - >.out
like "a key that is held" "$(cat .out)" "4 jobs imported, 0 were there already, 1 cancelled *"
like "is told in the job" "$("$PAWL" --url "sqlite:$work/d.db" show "$(cat id)")" "*cancelled*unique key is held by job*"
run --url "$a" export -q mail --state scheduled
is "one state of a queue" "$(printf %s "$out" | field '[j["payload"] for j in all]')" '["later"]'
run --url "$a" export -q nothing
refused "an unknown queue" 3 "pawl export: no queue 'nothing'"
run --url "$a" export x
refused "an operand" 2 "pawl export: unexpected 'x' (a queue is named by -q)"
run import a b
refused "two files" 2 "pawl import: give one file, or - for standard input"
python3 -c '
import os, pty, sys
pty.spawn([os.environ["PAWL"], "import"], lambda fd: os.read(fd, 1000))' >.out </dev/null
like "no file, at a terminal" "$(cat .out)" "pawl import: give one file, or - for standard input*"
run_in all.jsonl --url "sqlite:$work/f.db" import
done_with "no file, but a redirection" "5 jobs imported*"
run import none.jsonl
refused "a file that is not there" 1 "pawl import: cannot read 'none.jsonl': No such file or directory"

# --- order, and what queues were told -------------------------------------------

seq 1 9 | "$PAWL" --url "$a" enqueue -q done --lines - >/dev/null
"$PAWL" --url "$a" work -q done --drain --concurrency 1 -- true 2>/dev/null
"$PAWL" --url "$a" pause -q mail
"$PAWL" --url "$a" pause -q idle
keep='"keep":{"completed_age":-1,"completed_count":7,"dead_age":5000,"dead_count":-1,"cancelled_age":0,"cancelled_count":0}'
printf '{"kind":"queue","queue":"done","paused":false,%s}\n' "$keep" >keep.jsonl
run --url "$a" import keep.jsonl
done_with "a queue is told" "0 jobs imported*1 queues told again what they had been told"
"$PAWL" --url "$a" export >told.jsonl
is "an export has what queues were told" "$(grep '^{"kind"' told.jsonl)" \
    '{"kind":"queue","queue":"done","paused":false,'"$keep"'}
{"kind":"queue","queue":"idle","paused":true}
{"kind":"queue","queue":"mail","paused":true}'
is "finished jobs are exported oldest first" \
    "$("$PAWL" --url "$a" export -q done --state completed | field '[j["payload"] for j in all]')" \
    '["1", "2", "3", "4", "5", "6", "7", "8", "9"]'
run --url "sqlite:$work/g.db" import told.jsonl
done_with "all is imported" "14 jobs imported*3 queues told*"
"$PAWL" --url "sqlite:$work/g.db" export >again.jsonl
ok "and exported the very same" cmp -s told.jsonl again.jsonl
is "in the same order as it is listed" \
    "$("$PAWL" --url "sqlite:$work/g.db" --json list -q done | field '[j["payload"] for j in all]')" \
    "$("$PAWL" --url "$a" --json list -q done | field '[j["payload"] for j in all]')"
"$PAWL" --url "$b" resume -q mail
run --url "$b" import told.jsonl
is "a queue that is there stays as it is" \
    "$code $("$PAWL" --url "$b" --json stats -q mail | field 'j["queues"][0]["paused"]')" "0 false"

# --- wrong lines ------------------------------------------------------------------

# spoil SCRIPT : line 3 of what was exported, changed by Python; the rest is right
spoil() {
    "$PYTHON" -c '
import json, sys
lines = open("all.jsonl").read().split("\n")
j = json.loads(lines[2])
exec(sys.argv[1])
lines[2] = j if isinstance(j, str) else json.dumps(j)
open("bad.jsonl", "w").write("\n".join(lines))' "$1"
    run --url "sqlite:$work/e.db" import bad.jsonl
}
# wrong NAME SCRIPT MESSAGE
wrong() {
    spoil "$2"
    refused "$1" 1 "pawl import: 'bad.jsonl' line 3: $3; nothing was imported"
}
wrong "no JSON" 'j = "{"' "is not JSON: *"
wrong "no object" 'j = "[]"' "is not a JSON object"
wrong "a field twice" 'j = "{\"id\":1,\"id\":2}"' "is not JSON: *"
wrong "an unknown field" 'j["colour"] = 1' "field 'colour' is unknown"
wrong "no id" 'del j["id"]' "field 'id' '' is not a job id"
wrong "a wrong id" 'j["id"] = "x"' "field 'id' 'x' is not a job id"
wrong "an id of another queue" 'j["queue"] = "else"' "field id belongs to another queue"
wrong "no queue" 'j["queue"] = ""' "field queue is empty"
wrong "a long queue" 'j["queue"] = "x" * 129' "field queue is too long"
wrong "an unknown state" 'j["state"] = "lost"' "field 'state' 'lost' is unknown"
wrong "a state that cannot be" 'j["state"] = "waiting"' "field state is none that can be imported"
wrong "a number that is text" 'j["priority"] = "1"' "field 'priority' is not a whole number"
wrong "a priority" 'j["priority"] = 11' "field priority 11 is not between 1 and 10"
wrong "an epoch" 'j["epoch"] = -1' "field 'epoch' is out of range"
wrong "a time" 'j["enqueued_at"] = 0' "field enqueued_at 0 is not between 1 and 253402300799999"
wrong "text that is a number" 'j["type"] = 5' "field 'type' is not text"
wrong "two payloads" 'j["payload"] = ""; j["payload_base64"] = ""' "fields 'payload' and 'payload_base64' exclude each other"
wrong "base64" 'del j["payload"]; j["payload_base64"] = "a*=="' "field 'payload_base64' is not base64"
wrong "a backoff" 'j["backoff"] = {"kind": "never"}' "field 'backoff.kind' 'never' is unknown"
wrong "a list without delays" 'j["backoff"] = {"kind": "list"}' "field backoff.delays 0 is not between 1 and 16"
wrong "errors" 'j["errors"] = [{}] * 11' "field 'errors' is not a list of at most 10"
wrong "an error" 'j["errors"] = [{"at": "now"}]' "field 'at' is not a whole number"
wrong "a throttle without an end" 'j.update(key="x", key_mode="throttle"); j.pop("key_ttl", 0)' "field key_ttl is missing, which a throttle needs"
queue='{"kind": "queue", "queue": "mail"}'
wrong "an unknown kind" 'j = "{\"kind\":\"wish\"}"' "field 'kind' 'wish' is unknown"
wrong "a queue without a name" 'j = "{\"kind\":\"queue\"}"' "field queue is empty"
wrong "a queue's unknown field" "j = $queue; j['id'] = 1" "field 'id' is unknown"
wrong "a pause" "j = $queue; j['paused'] = 1" "field 'paused' is not true or false"
wrong "a retention" "j = $queue; j['keep'] = 7" "field 'keep' is not an object"
wrong "a part of it" "j = $queue; j['keep'] = {'dead': 1}" "field 'dead' is unknown"
wrong "a number of it" "j = $queue; j['keep'] = {'dead_count': -2}" "field keep.dead_count -2 is not between -1 and *"
ok "none of that made a store" test ! -e e.db
finish
