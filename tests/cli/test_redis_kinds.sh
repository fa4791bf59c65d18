#!/bin/sh
# test_redis_kinds.sh - the command on each kind of Redis: TLS, ACL, Sentinel, Cluster.
# $REDIS_STAGE starts them: tests/support/redis_stage.c.
. "${0%/*}/lib.sh"

: "${REDIS_STAGE:?path of redis_stage}"
stage_pid=
patience='timeout=9s&connect-timeout=9s' # the machine may be busy

stage_end() {
    exec 3>&- 4<&-
    test -z "$stage_pid" || wait "$stage_pid"
    stage_pid=
    rm -f in out
}
trap 'exec 3>&-; chmod -R u+rwx "$work" 2>/dev/null; rm -rf "$work"' EXIT

# stage KIND WORD... : $PAWL_URL, $socket
stage() {
    mkfifo in out
    "$REDIS_STAGE" "$@" <in >out &
    stage_pid=$!
    exec 3>in 4<out
    read -r PAWL_URL <&4
    read -r socket <&4
    case $PAWL_URL in
    *\?*) PAWL_URL="$PAWL_URL&$patience" ;;
    *) PAWL_URL="$PAWL_URL?$patience" ;;
    esac
    export PAWL_URL
}

# What every kind must do.
works() {
    for queue in a b c; do
        "$PAWL" enqueue -q $queue "for $queue" >/dev/null
    done
    run stats
    ok "$1: jobs are counted" done_as "redis*a *b *c *"
    run work -q a -q b -q c --drain -- cat
    is "$1: work" "$code" 0
    is "$1: all is done" "$("$PAWL" --json stats | field 'sum(q["completed"] for q in j["queues"])')" 3
    run doctor
    is "$1: doctor has nothing to say" "$code $(echo "$out" | grep -c '^all is well')" "0 1"
    like "$1: self-test" "$out" "*self-test*passed*"
    ok "$1: no password is shown" test -z "$(cat .out .err | grep -e -secret -e '://[^ ]*@')"
}
detail() {
    "$PAWL" --json health | field "j['details']['$1']"
}
warning() {
    "$PAWL" --json health | field "any('$1' in w for w in j['warnings'])"
}

stage tls
works TLS
is "TLS is told" "$(detail tls)" yes
url=$PAWL_URL
PAWL_URL=${url%%\?*}?$patience
run health
refused "a certificate that nobody vouches for" 1 "pawl health: *certificate*"
PAWL_URL=$url
is "insecure takes it" "$(PAWL_URL="${url%%\?*}?insecure=yes&$patience" detail tls)" "yes, unverified"
is "and is warned of" "$(PAWL_URL="${url%%\?*}?insecure=yes&$patience" warning insecure)" true
stage_end

stage acl
works ACL
stage_end

stage sentinel
works Sentinel
like "the master is told" "$(detail master)" "* at 127.0.0.1:*"
is "there is one" "$(detail role)" master
stage_end

stage cluster
works Cluster
is "the nodes are counted" "$(detail role)" "3 masters"
is "and told" "$(detail nodes | wc -w)" 3
run doctor --acl
like "rights are those of a Cluster" "$out" "* +cluster|slots +asking"
stage_end

finish
