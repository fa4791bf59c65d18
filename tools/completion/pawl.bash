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
    migrate) echo "--from --to --queue --state --move --copy --finalize --rollback
        --leave-processing --verify --dry-run" ;;
    export) echo "--queue --state" ;;
    doctor) echo "--acl" ;;
    drain) echo "--wait" ;;
    show | queues | import | health | help | version) ;;
    esac
}

_pawl_values() {
    case $1 in
    --state)
        case $2 in
        retry) echo "failed dead cancelled" ;;
        cancel) echo "waiting scheduled pending processing failed" ;;
        remove) echo "waiting scheduled pending failed completed dead
            cancelled" ;;
        promote) echo "scheduled failed" ;;
        clean) echo "completed dead cancelled" ;;
        migrate) echo "scheduled pending processing failed completed dead
            cancelled" ;;
        *) echo "waiting scheduled pending processing failed completed dead
            cancelled held" ;;
        esac ;;
    --key-mode) echo "reject throttle" ;;
    --backoff) echo "exponential: fixed: linear: poly4 list:" ;;
    --durability) echo "full normal" ;;
    --grace) echo "forever" ;;
    -p | --priority) echo "1 2 3 4 5 6 7 8 9 10" ;;
    --url | --from | --to) echo "sqlite: memory: redis:// rediss:// redis+unix:// redis-sentinel://
        redis-cluster://" ;;
    *) return 1 ;;
    esac
}

# The queues that begin with $1, of the store that --url $2 names. The name of a
# queue is anyone's text: compgen -W would run a $(command) in it, so it is
# compared here and quoted for the command line.
_pawl_queues() {
    local name
    COMPREPLY=()
    while IFS= read -r name; do
        [[ $name == "$1"* ]] && COMPREPLY+=("$(printf %q "$name")")
    done < <(pawl ${2:+--url "$2"} queues 2>/dev/null)
}

_pawl() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local verbs="enqueue work list show stats queues health doctor retry cancel
        remove promote pause resume clean drain migrate export import
        bench help version"
    local globals="--url --json --help"
    local verb="" url="" i words
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --url)
            # bash takes "sqlite:PATH" apart at the colon.
            url=${COMP_WORDS[++i]}
            while [[ ${COMP_WORDS[i + 1]} == : ]] && ((i + 2 < COMP_CWORD)); do
                url+=:${COMP_WORDS[i + 2]}
                ((i += 2))
            done ;;
        -*) ;;
        *) verb=${verb:-${COMP_WORDS[i]}} ;;
        esac
    done
    COMPREPLY=()
    if [[ $before == -q || $before == --queue ]]; then
        _pawl_queues "$word" "$url"
        return
    elif words=$(_pawl_values "$before" "$verb"); then
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
