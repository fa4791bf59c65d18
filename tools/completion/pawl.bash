# Completion of the pawl command for bash. tests/cli/test_help.sh checks that
# every verb and option of --help is here.

_pawl_options() {
    case $1 in
    enqueue) echo "--queue --type --priority --delay --at --attempts --backoff
        --timeout --key --key-ttl --key-mode --group --lines" ;;
    work) echo "--queue --concurrency --drain --timeout --lease --grace --verbose" ;;
    list) echo "--queue --state --type --limit --after" ;;
    stats | pause | resume) echo "--queue" ;;
    retry | cancel | remove | promote) echo "--state --queue" ;;
    clean) echo "--queue --state --older" ;;
    bench) echo "--jobs --payload --producers --in-flight --batch --concurrency
        --backlog --pace --seconds --durability" ;;
    show | queues | health | doctor | help | version) ;;
    esac
}

_pawl_values() {
    case $1 in
    -q | --queue) pawl queues 2>/dev/null ;;
    --state) echo "waiting scheduled pending processing failed completed dead
        cancelled held" ;;
    --key-mode) echo "reject throttle" ;;
    --backoff) echo "exponential: fixed: linear: poly4 list:" ;;
    --durability) echo "full normal" ;;
    --grace) echo "forever" ;;
    -p | --priority) echo "1 2 3 4 5 6 7 8 9 10" ;;
    --url) echo "sqlite: memory:" ;;
    *) return 1 ;;
    esac
}

_pawl() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local verbs="enqueue work list show stats queues health doctor retry cancel
        remove promote pause resume clean bench help version"
    local globals="--url --json --help"
    local verb="" i words
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --url) ((i++)) ;;
        -*) ;;
        *) verb=${COMP_WORDS[i]}; break ;;
        esac
    done
    COMPREPLY=()
    if words=$(_pawl_values "$before"); then
        :
    elif [[ -z $verb ]]; then
        words="$verbs $globals --version"
    elif [[ $verb == help ]]; then
        words=$verbs
    elif [[ $verb == bench && $word != -* ]]; then
        words="enqueue bulk work cycle latency side memory"
    elif [[ $word == -* ]]; then
        words="$(_pawl_options "$verb") $globals"
    else
        compopt -o default 2>/dev/null
        return
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _pawl pawl
