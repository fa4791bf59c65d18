#!/bin/sh
# test_openssl.sh - a machine whose OpenSSL cannot be loaded: what does not need it
# works, and what does says why and leaves the jobs where they are.
. "${0%/*}/lib.sh"
. "$root/tests/cli/lib_redis.sh"

redis_up
at=127.0.0.1:$port
path=${LD_LIBRARY_PATH-}
mkdir "$work/broken"
echo "no library" >"$work/broken/libssl.so.3"
why="cannot load OpenSSL: $work/broken/libssl.so.3: *"

# without ARG... : as run(); servers of the test need their own OpenSSL
without() {
    LD_LIBRARY_PATH=$work/broken:$path
    export LD_LIBRARY_PATH
    run "$@"
    LD_LIBRARY_PATH=$path
}

without version
ok "pawl starts" test "$code" -eq 0
without --url "sqlite:$work/a.db" enqueue here
ok "a file needs none" test "$code" -eq 0
without --url "redis://$at" enqueue there
ok "nor does Redis" test "$code" -eq 0

without --url "rediss://$at" enqueue safe
refused "TLS needs it" 1 "pawl enqueue: redis at $at: $why"
without migrate --from "sqlite:$work/a.db" --to "redis://$at"
ok "moving jobs needs it" test "$code" -eq 1
like "moving jobs needs it, and says so" "$err" "*pawl migrate: $why"
run --url "sqlite:$work/a.db" list --state pending
like "the job stays where it was, free to run: it is listed" "$out" "*here*"

# --- an outage: the spool is filled, and emptied when OpenSSL is there again ------------

unset PAWL_FALLBACK
export PAWL_URL="redis+unix://$socket?dwell=200ms&trial=100ms"
redis_down
run enqueue spooled
ok "a job is spooled" test "$code" -eq 0
redis_up
without drain
ok "draining needs it" test "$code" -eq 1
like "draining needs it, and says so" "$err" "*pawl drain: *$why"
run drain
ok "the spool is drained" test "$code" -eq 0
run list --state pending
like "the spooled job is in Redis" "$out" "*spooled*"

finish
