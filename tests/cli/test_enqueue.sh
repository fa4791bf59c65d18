#!/bin/sh
# test_enqueue.sh - adding jobs.
. "${0%/*}/lib.sh"

run enqueue hello
done_with "prints one id" "$id"
is "payload" "$(job "$out" 'j["payload"]')" hello
is "queue, state, priority, attempts" \
    "$(job "$out" '"%s %s %d %d %d" % (j["queue"], j["state"], j["priority"], j["attempt"], j["max_attempts"])')" \
    "default pending 5 0 3"
is "keys of a plain job" \
    "$(job "$out" '" ".join(sorted(set(j) - {"run_at"}))')" \
    "attempt crashes enqueued_at epoch errors id max_attempts payload priority queue state type"

run enqueue -q flrts:tasks:create -t send -p 1 --attempts 7 --backoff list:1s,5s \
    --timeout 30s --key k1 --group acme -- '--payload'
first=$out
is "every option" \
    "$(job "$out" '"%s %s %d %d %s %s %s" % (j["queue"], j["type"], j["priority"], j["max_attempts"], j["key"], j["group"], j["payload"])')" \
    "flrts:tasks:create send 1 7 k1 acme --payload"
run show "$first"
like "backoff and timeout are shown" "$out" "*timeout * 30s*backoff * list* 1s, 5s*"

run enqueue -q flrts:tasks:create --key k1 other
is "a key that is taken: the holder's id" "$out" "$first"
is "a key that is taken: exit code" "$code" 0
like "a key that is taken: a note" "$err" "pawl enqueue: key 'k1' is held by job $first, nothing was added"
run --json enqueue -q flrts:tasks:create --key k1 other
is "a key that is taken, as JSON" "$(echo "$out" | field '"%s %s" % (j["id"], j["status"])')" "$first KEY_TAKEN"
run enqueue -q elsewhere --key k1 other
done_with "the same key in another queue" "$id"

run enqueue --delay 1h later
is "a delay" "$(job "$out" '"%s %s" % (j["state"], 3590000 < j["run_at"] - j["enqueued_at"] < 3610000)')" "scheduled True"
run enqueue --at 2126-11-21T12:00:00.5+02:00 then
is "a time" "$(job "$out" '"%s %d" % (j["state"], j["run_at"])')" "scheduled 4950928800500"
run enqueue --at @1 past
is "a time that is past" "$(job "$out" 'j["state"]')" pending

run enqueue ''
done_with "an empty payload" "$id"
is "is empty" "$(job "$out" 'j["payload"]')" ""
printf 'a\0b\nc\n' >text
run_in text enqueue -
is "standard input, with NUL and newlines" "$(job "$out" 'j["payload"].encode().hex()')" 6100620a630a
printf '\377\0\376' >bytes
run_in bytes enqueue -
is "bytes that are not UTF-8" "$(job "$out" '"%s %s" % (j["payload_base64"], "payload" in j)')" "/wD+ False"
printf 'häh 日本\n' >utf8
run_in utf8 enqueue -
is "UTF-8 stays text" "$(job "$out" 'j["payload"]')" "häh 日本"
head -c 1048576 /dev/zero >full
run_in full enqueue -
done_with "a payload of exactly 1 MiB" "$id"
is "is whole" "$(job "$out" 'len(j["payload"])')" 1048576
run_in /dev/null enqueue -
is "standard input that is empty" "$(job "$out" 'j["payload"]')" ""

fresh
printf 'one\n\nthree\nfour' >lines
run_in lines enqueue -q lines --lines -
is "lines: one id each" "$(echo "$out" | wc -l)" 4
printed=$(echo "$out" | xargs)
is "lines: in order, empty and unended ones too" \
    "$("$PAWL" --json list -q lines | field '"|".join(x["payload"] for x in all)')" "one||three|four"
is "lines: the ids are those" "$("$PAWL" --json list -q lines | field '" ".join(x["id"] for x in all)')" "$printed"
seq 2500 >many
run_in many enqueue -q many --lines -
is "lines: more than a batch" "$(echo "$out" | sort -u | wc -l)" 2500
is "lines: all there, in order" \
    "$("$PAWL" --json list -q many --limit 3000 | field '[x["payload"] for x in all] == [str(n) for n in range(1, 2501)]')" true
{ echo good; head -c 1048577 /dev/zero; echo; echo never; } >mixed
run_in mixed enqueue -q mixed --lines -
ok "lines: one that is too large is told by its number" matches "$err" \
    "pawl enqueue: line 2: payload is larger than 1048576 bytes"
is "lines: those before it are in, and their ids out" "$code $(echo "$out" | wc -l)" "2 1"
run_in /dev/null enqueue -q none --lines -
done_with "lines: none at all" ""
mkfifo pipe
"$PAWL" enqueue -q slow --lines - <pipe >slow.out &
exec 3>pipe
echo first >&3
ok "lines: a slow writer's line is in at once" until_ok grep -q . slow.out
exec 3>&-
wait

run --json enqueue x
is "as JSON" "$(echo "$out" | field '"%s %d" % (j["status"], len(j["id"]))')" "OK 26"
"$PAWL" enqueue x >/dev/full 2>full.err
is "an id that cannot be printed is a failure" "$? $(cut -d: -f 2 full.err)" "1  cannot write to standard output"

finish
