# lib_redis.sh - a Redis of the test's own. Sourced behind lib.sh.
#
# redis_up starts it on a free port and a unix socket in the test's folder, redis_down
# stops it; the end of the test does that too, however it ends.
#
# shellcheck shell=sh disable=SC2034,SC2154

socket=$work/redis.sock
redis_pid=
server=${PAWL_TEST_REDIS_SERVER:-redis-server}

redis_down() {
    test -z "$redis_pid" || kill -9 "$redis_pid" 2>/dev/null
    test -z "$redis_pid" || wait "$redis_pid" 2>/dev/null
    redis_pid=
}

export PAWL_FALLBACK=off # a Redis alone, where a test does not ask for more
trap 'redis_down; chmod -R u+rwx "$work" 2>/dev/null; rm -rf "$work"' EXIT

ask() {
    redis-cli -s "$socket" "$@"
}

free_port() {
    "$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# redis_up WORD... : more words for redis-server. $port, $socket, $redis_pid
redis_up() {
    redis_down
    mkdir -p "$work/redis"
    # Somebody else may take the port before the server does: then another one.
    for _ in 1 2 3 4 5; do
        port=$(free_port)
        rm -f "$socket"
        setpriv --pdeathsig KILL "$server" --port "$port" --bind 127.0.0.1 \
            --unixsocket "$socket" --dir "$work/redis" --save '' "$@" >"$work/redis/log" 2>&1 &
        redis_pid=$!
        until_ok redis_answers && return
        redis_down
    done
    echo "Bail out! no redis-server: $(tail -n 3 "$work/redis/log")"
    exit 99
}

# Also where only known users may ask.
redis_answers() {
    kill -0 "$redis_pid" || return 0
    case $(ask PING 2>&1) in
    PONG | *NOAUTH*) return 0 ;;
    esac
    return 1
}
