#!/bin/sh
# test_output.sh - what comes from outside cannot drive the terminal, and colours
# go to terminals only.
. "${0%/*}/lib.sh"

# on_terminal COMMAND : its output on a terminal, as bytes
on_terminal() {
    TERM=xterm script -qec "$1" /dev/null </dev/null
}
escapes() {
    grep -c "$(printf '\033')" || :
}

printf '\033]0;owned\007 a\nb\r\302\233 31m \342\200\256 \177' >hostile
run_in hostile enqueue -t 'plain' -
hostile=$out
"$PAWL" enqueue --attempts 1 -q errors x >ids
"$PAWL" work --drain -q errors -- sh -c 'printf "\033[2J" >&2; exit 1' 2>log
dead=$(cat ids)

is "show escapes a payload" "$("$PAWL" show "$hostile" | escapes)" 0
like "and tells what was there" "$("$PAWL" show "$hostile")" \
    '*payload *?x1b?0;owned?x07 a?nb?r?u009b 31m ?u202e ?x7f*'
is "list escapes it" "$("$PAWL" list | escapes)" 0
is "a job stays one line of a list" "$("$PAWL" list | wc -l)" 2
is "JSON escapes it" "$("$PAWL" --json show "$hostile" | escapes)" 0
is "JSON is whole" "$(job "$hostile" 'j["payload"].encode().hex()')" "$(od -An -tx1 hostile | tr -d ' \n')"
is "show escapes an error" "$("$PAWL" show "$dead" | escapes)" 0
is "so does the worker's log" "$(escapes <log)" 0
run enqueue -p "$(printf '\033[31m')" x
is "so does a message about an option" "$(echo "$err" | escapes)" 0
like "which is still readable" "$err" "pawl enqueue: priority '?x1b*31m' is not *"
run show "$(printf '\033[31m')"
is "so does one about an id" "$(echo "$err" | escapes)" 0

is "no colours in a pipe" "$("$PAWL" stats | escapes)" 0
if command -v script >/dev/null; then
    ok "colours on a terminal" test "$(on_terminal "$PAWL stats" | escapes)" -gt 0
    is "no colours with NO_COLOR" "$(NO_COLOR=1 on_terminal "$PAWL stats" | escapes)" 0
    ok "an empty NO_COLOR does not count" test "$(NO_COLOR='' on_terminal "$PAWL stats" | escapes)" -gt 0
    is "a payload on a terminal, as JSON, is pure ASCII" \
        "$(on_terminal "$PAWL --json show $hostile" | LC_ALL=C tr -d '\r\n\040-\177' | wc -c)" 0
fi

"$PAWL" queues >/dev/full 2>err
is "output that cannot be written is a failure" "$? $(cat err)" \
    "1 pawl queues: cannot write to standard output: No space left on device"
"$PAWL" queues <&- >/dev/null 2>&1
is "closed standard input" "$?" 0
"$PAWL" enqueue - <&- >out 2>err
is "closed standard input is no empty payload" "$? $(cat out err)" \
    "1 pawl enqueue: cannot read standard input: Bad file descriptor"
"$PAWL" enqueue x >&- 2>/dev/null
is "closed standard output" "$?" 0

finish
