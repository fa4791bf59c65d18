#!/bin/sh
# test_usage.sh - every wrong input has a message of its own, one line long, and
# the exit code that the manual tells.
. "${0%/*}/lib.sh"

see="see 'pawl enqueue --help'"

run
refused "no verb" 2 "pawl: no verb (see 'pawl --help')"
run frobnicate
refused "an unknown verb" 2 "pawl: unknown verb 'frobnicate' (see 'pawl --help')"
run --frobnicate
refused "an unknown option before the verb" 2 "pawl: unknown option '--frobnicate' (see 'pawl --help')"
run enqueue --foo x
refused "an unknown option" 2 "pawl enqueue: unknown option '--foo' ($see)"
run enqueue -x x
refused "an unknown letter" 2 "pawl enqueue: unknown option '-x' ($see)"
run enqueue --prio 3 x
refused "an abbreviated option" 2 "pawl enqueue: unknown option '--prio' ($see)"
run enqueue x -q
refused "an option without its value" 2 "pawl enqueue: option '--queue' needs a value: QUEUE"
run enqueue --lines=yes x
refused "a value for an option that takes none" 2 "pawl enqueue: no value belongs to option '--lines' *"
run help frobnicate
refused "help for an unknown verb" 2 "pawl: unknown verb 'frobnicate'*"

for priority in 0 11 abc -1 1.5 '' 99999999999999999999; do
    run enqueue -p "$priority" x
    refused "priority '$priority'" 2 "pawl enqueue: priority '$priority' is not a number of 1 to 10"
done
for attempts in 0 1001 many; do
    run enqueue --attempts "$attempts" x
    refused "attempts '$attempts'" 2 "pawl enqueue: attempts '$attempts' is not a number of 1 to 1000"
done

for time in soon 2026-13-01T00:00:00Z 2026-02-30T00:00:00Z 2026-11-21 2026-11-21T10:00:00; do
    run enqueue --at "$time" x
    refused "time '$time'" 2 "pawl enqueue: time '$time' is not a time like 2026-11-21T10:00:00Z or @*"
done
run enqueue --at @x x
refused "seconds that are none" 2 "pawl enqueue: time '@x' is not @SECONDS since 1970"
run enqueue --delay 10 x
refused "a delay without a unit" 2 "pawl enqueue: delay '10' has no unit: write 10s, 5m or 500ms"
run enqueue --delay -5s x
refused "a negative delay" 2 "pawl enqueue: delay '-5s' is not a length of time like *"
run enqueue --timeout 11y x
refused "an unknown unit" 2 "pawl enqueue: timeout '11y' is not a length of time like *"
run enqueue --delay 600w x
refused "a delay of more than ten years" 2 "pawl enqueue: delay '600w' is longer than ten years"
run enqueue --delay 1s --at @1795255200 x
refused "delay and time" 2 "pawl enqueue: --delay and --at exclude each other"
run enqueue --backoff sometimes x
refused "an unknown backoff" 2 "pawl enqueue: backoff 'sometimes' is not exponential, *"
run enqueue --backoff list x
refused "a list without delays" 2 "pawl enqueue: backoff 'list' needs delays: *"
run enqueue --backoff fixed:1s,jitter=101 x
refused "a jitter above 100" 2 "pawl enqueue: backoff 'fixed:1s,jitter=101' has a jitter *"
run enqueue --backoff fixed:1s,cap=x x
refused "a cap that is none" 2 "pawl enqueue: backoff 'fixed:1s,cap=x' has a cap that is not a length of time *"
run enqueue --backoff fixed:5 x
refused "a delay of a backoff without a unit" 2 "pawl enqueue: backoff 'fixed:5' has a part that is not a delay like 10s, *"
run enqueue --key-mode never --key k x
refused "an unknown key mode" 2 "pawl enqueue: key mode 'never' is not reject, *"
run enqueue --key-ttl 1s x
refused "a key's option without a key" 2 "pawl enqueue: --key-ttl and --key-mode need --key"

run enqueue
refused "no payload" 2 "pawl enqueue: no payload (give one, '' for an empty one, or '-' for standard input)"
run enqueue one two
refused "two payloads" 2 "pawl enqueue: more than one payload; the second is 'two'"
run enqueue --lines payload
refused "lines and a payload" 2 "pawl enqueue: --lines takes its payloads from standard input*"
head -c 1048577 /dev/zero >large
run_in large enqueue -
refused "a payload of 1 MiB and a byte" 2 "pawl enqueue: payload is larger than 1048576 bytes"
run_in large enqueue --lines -
refused "a line of 1 MiB and a byte" 2 "pawl enqueue: line 1: payload is larger than 1048576 bytes"

name=$(printf '%0129d' 0)
run enqueue -q "$name" x
refused "a queue's name of 129 bytes" 2 "pawl enqueue: *queue*128*"
run enqueue -q 'a
b' x
refused "a queue's name with a newline" 2 "pawl enqueue: *queue*control*"
run enqueue -q '' x
refused "an empty queue's name" 2 "pawl enqueue: *queue*"
run enqueue -q "$(printf 'a\377')" x
refused "a queue's name that is not UTF-8" 2 "pawl enqueue: *queue*UTF-8*"
run enqueue -q a -q b x
refused "two queues for a job" 2 "pawl enqueue: a job goes to one queue, not to several"
run enqueue --key k --key-mode throttle x
refused "throttle without a time" 2 "pawl enqueue: *key*"

run show
refused "show without an id" 2 "pawl show: no job id"
run show nonsense
refused "an id that is none" 2 "pawl show: 'nonsense' is not a job id"
run retry nonsense
refused "an id to retry that is none" 2 "pawl retry: 'nonsense' is not a job id"
run show 01J00000000000000000000000
refused "an id that is not found" 3 "pawl show: no job 01J00000000000000000000000"
for verb in retry cancel remove promote; do
    run "$verb" 01J00000000000000000000000
    refused "an id to $verb that is not found" 3 "pawl $verb: no job 01J00000000000000000000000"
    run "$verb"
    refused "$verb without an id" 2 "pawl $verb: no job id, and no --state"
    run "$verb" --state held
    refused "$verb of what is held" 2 "pawl $verb: only a job that is * can be *, not one that is held"
    run "$verb" --state failed 01J00000000000000000000000
    refused "$verb of a state and an id" 2 "pawl $verb: give ids, or --state and -q, not both"
done
run list --state lost
refused "an unknown state" 2 "pawl list: state 'lost' is not waiting, *"
run list --limit 0
refused "a limit of 0" 2 "pawl list: limit '0' is not a number of 1 to 1000000000"
run list --limit 1000000001
refused "a limit that is too high" 2 "pawl list: limit '1000000001' is not a number of 1 to *"
run list --after '???'
refused "a cursor that is none" 2 "pawl list: *cursor*"
run stats -q nosuch
refused "a queue that is not there" 3 "pawl stats: no queue 'nosuch'"
run clean
refused "clean without a state" 2 "pawl clean: no state (give --state completed, dead or cancelled)"
run clean --state pending
refused "clean of what is not finished" 2 "pawl clean: pending jobs are not finished *"
run clean --state dead --older x
refused "clean with a bad age" 2 "pawl clean: older 'x' is not a length of time *"
for verb in stats queues health doctor pause resume clean list version; do
    run "$verb" surplus
    ok "$verb with an operand" matches "$code $err" "2 pawl $verb: unexpected 'surplus'*"
done

run bench nosuch
refused "an unknown mode" 2 "pawl bench: unknown mode 'nosuch' (see 'pawl bench --help')"

run work
refused "work without a command" 2 "pawl work: no command (pawl work -- CMD *ARG*...)"
run work -- ./nope
refused "a command that is not there" 2 "pawl work: command './nope' not found"
run work -- no-such-command
refused "a command that is not in PATH" 2 "pawl work: command 'no-such-command' not found"
: >plain
run work -- ./plain
refused "a command that is not executable" 2 "pawl work: command './plain' is not executable"
run work -- "$HOME"
refused "a command that is a folder" 2 "pawl work: command '*' is not executable"
run work -c 0 -- true
refused "no concurrency" 2 "pawl work: concurrency '0' is not a number of 1 to 1024"
run work --lease 1ms -- true
refused "a lease that is too short" 2 "pawl work: lease '1ms' is not of 1s to 1h"

finish
