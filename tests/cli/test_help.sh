#!/bin/sh
# test_help.sh - the help, the manual and the completion tell of the same verbs
# and options.
. "${0%/*}/lib.sh"

man=$root/docs/man/pawl.1
completion=$root/tools/completion/pawl.bash

# The options of `pawl VERB --help`, but for those that every verb has.
help_options() {
    "$PAWL" "$1" --help | sed -n 's/^  [- ].[, ] \(--[a-z-]*\).*/\1/p' |
        grep -v -x -e --url -e --json -e --help | sort
}
# The options that the manual describes in the verb's section.
man_options() {
    sed 's/\\-/-/g' "$man" |
        awk -v verb="$1" '/^\.S[SH]/ { on = $2 == "\"pawl" && ($3 == verb || $3 == verb "\"") }
                          on && /^\\fB-/' |
        grep -o -e '--[a-z-]*' | sort
}
completion_options() {
    bash -c '. "$1"; _pawl_options "$2"' - "$completion" "$1" | xargs -n 1 | grep . | sort
}

run --help
is "--help is an answer" "$code $err" "0 "
verbs=$(sed -n '/^verbs:/,/^options:/s/^  \([a-z]*\) .*/\1/p' .out)
is "the verbs" "$(echo $verbs)" \
    "enqueue work list show stats queues health doctor retry cancel remove promote pause resume clean drain migrate export import bench help version"
for same in -h help 'help help'; do
    cp .out wanted
    run $same
    ok "'pawl $same' is the same" cmp -s .out wanted
done

for verb in $verbs; do
    test "$verb" = help && continue
    run "$verb" --help
    ok "$verb --help" done_as "usage: pawl $verb*"
    ok "$verb --help fits on a screen" test "$(wc -l <.out)" -le 40
    ok "$verb --help is narrow" test "$(wc -L <.out)" -le 80
    cp .out wanted
    run help "$verb"
    ok "help $verb is the same" cmp -s .out wanted
    ok "$verb is in the manual" grep -q -E "^\.SS \"pawl $verb[ \"]" "$man"
    is "$verb's options in the manual" "$(man_options "$verb" | xargs)" "$(help_options "$verb" | xargs)"
    is "$verb's options in the completion" "$(completion_options "$verb" | xargs)" "$(help_options "$verb" | xargs)"
done

ok "the completion is bash" bash -n "$completion"
is "and completes verbs" "$(bash -c '. "$1"; COMP_WORDS=(pawl ""); COMP_CWORD=1; _pawl; echo "${COMPREPLY[@]}"' - "$completion")" \
    "$(echo $verbs) --url --json --help --version"
is "and options" "$(bash -c '. "$1"; COMP_WORDS=(pawl clean --o); COMP_CWORD=2; _pawl; echo "${COMPREPLY[@]}"' - "$completion")" --older
is "states that the verb can take" "$(bash -c '. "$1"; COMP_WORDS=(pawl clean --state ""); COMP_CWORD=3; _pawl; echo "${COMPREPLY[@]}"' - "$completion")" "completed dead cancelled"
"$PAWL" --url "sqlite:$work/q.db" enqueue -q 'ab $(touch ran)' x >/dev/null
is "queues of the store that --url names, as text" \
    "$(PATH=${PAWL%/*}:$PATH bash -c '. "$1"; COMP_WORDS=(pawl --url sqlite : "$2/q.db" list -q a); COMP_CWORD=7; _pawl; echo "${COMPREPLY[@]}"' - "$completion" "$work" | tr -d '\\\\')" 'ab $(touch ran)'
ok "and what they say is not run" test ! -e ran
if command -v groff >/dev/null; then
    for page in "$man" "$root/docs/man/pawl.3"; do
        is "${page##*/} has no roff mistakes" "$(groff -man -Tascii -ww "$page" 2>&1 >/dev/null)" ""
    done
fi
for function in $(grep -ho 'PAWL_API [^(]*(' "$root/include/pawl.h" "$root"/include/pawl/worker.h \
    "$root"/include/pawl/admin.h "$root"/include/pawl/migrate.h | grep -o 'pawl_[a-z_]*($' | tr -d '('); do
    ok "$function is in pawl.3" grep -q -w "$function" "$root/docs/man/pawl.3"
done

run version
done_with "version" "pawl [0-9]*.[0-9]*.[0-9]*"
like "the manual is of this version" "$(sed -n 's/^\.TH.*"\(pawl [0-9.]*\)".*/\1/p' "$man")" "$out"
run --version
done_with "--version" "pawl [0-9]*"
run --json version
is "version as JSON" "$(echo "$out" | field 'len(j["version"].split("."))')" 3

finish
