#!/bin/sh
# test_redis_env.sh - which Redis is used: the flag, PAWL_URL, the variables of existing
# installations, in this order.
. "${0%/*}/lib.sh"
. "$root/tests/cli/lib_redis.sh"

redis_up
where() {
    "$PAWL" --json stats | field 'j["storage"] + " " + j["where"]'
}

# --- the variables alone ------------------------------------------------------------

export JOB_QUEUE_STORAGE=redis REDIS_PORT="$port"
run enqueue -q mail hello
done_with "JOB_QUEUE_STORAGE and REDIS_PORT are enough to enqueue" "$id"
is "it is in the server" "$(ask hlen 'pawl:{mail}:jobs')" 1
run work -q mail --drain -- cat
is "to work" "$code" 0
run stats
ok "to count" done_as "redis redis://127.0.0.1:$port/0*mail*"
is "which tells that it was done" "$("$PAWL" --json stats | field 'j["queues"][0]["completed"]')" 1
run health
ok "and for health" done_as "storage*redis*where*redis://127.0.0.1:$port/0*"

is "REDIS_DB" "$(REDIS_DB=2 where)" "redis redis://127.0.0.1:$port/2"
is "REDIS_QUEUE_DB wins over REDIS_DB" "$(REDIS_DB=2 REDIS_QUEUE_DB=3 where)" \
    "redis redis://127.0.0.1:$port/3"
REDIS_QUEUE_DB=3 "$PAWL" enqueue x >/dev/null
is "jobs are there and nowhere else" \
    "$(ask -n 3 hlen 'pawl:{default}:jobs') $(ask -n 0 exists 'pawl:{default}:jobs')" "1 0"
is "REDIS_HOST" "$(REDIS_HOST=localhost where)" "redis redis://localhost:$port/0"
is "an empty variable is as good as none" "$(REDIS_HOST='' REDIS_DB='' REDIS_TLS='' where)" \
    "redis redis://127.0.0.1:$port/0"

# --- two prefixes in one database ------------------------------------------------------

REDIS_KEY_PREFIX=one: "$PAWL" enqueue -q q --key k first >/dev/null
REDIS_KEY_PREFIX=two: "$PAWL" enqueue -q q --key k second >/dev/null
is "one prefix sees its own job" "$(REDIS_KEY_PREFIX=one: "$PAWL" --json list -q q | field 'j["payload"]')" first
is "and the other the other" "$(REDIS_KEY_PREFIX=two: "$PAWL" --json list -q q | field 'j["payload"]')" second
is "and no queue but that" "$(REDIS_KEY_PREFIX=two: "$PAWL" queues)" q
is "nothing was written outside the prefixes" \
    "$(ask --scan | grep -v -e '^one:' -e '^two:' -e '^pawl:')" ""
is "the prefix may stand in the URL" \
    "$("$PAWL" --url "redis://127.0.0.1:$port?prefix=one%3A" --json list -q q | field 'j["payload"]')" first

# --- what wins --------------------------------------------------------------------------

is "PAWL_URL wins over the variables" "$(PAWL_URL=sqlite:$work/a.db where)" "sqlite $work/a.db"
is "--url over PAWL_URL" \
    "$(PAWL_URL=sqlite:$work/a.db "$PAWL" --url "redis+unix://$socket" --json stats | field 'j["where"]')" \
    "redis+unix://$socket"
is "a URL is taken whole: no variable is mixed into it" \
    "$(REDIS_DB=5 REDIS_PASSWORD=secret REDIS_KEY_PREFIX=three: PAWL_URL=redis+unix://$socket where)" \
    "redis redis+unix://$socket"
is "and nothing was written for it" "$(ask -n 5 dbsize) $(ask --scan --pattern 'three:*')" "0 "
is "an empty PAWL_URL is none" "$(PAWL_URL='' where)" "redis redis://127.0.0.1:$port/0"
is "without JOB_QUEUE_STORAGE the others do nothing" "$(unset JOB_QUEUE_STORAGE; where)" \
    "sqlite $XDG_STATE_HOME/pawl/pawl.db"
is "JOB_QUEUE_STORAGE=sqlite is the file" "$(JOB_QUEUE_STORAGE=sqlite where)" \
    "sqlite $XDG_STATE_HOME/pawl/pawl.db"

# --- what makes no sense -------------------------------------------------------------------

bad() {
    (
        export "$2"
        run stats
        refused_as 2 "$3"
    )
    ok "$1" test $? -eq 0
}
bad "another storage" JOB_QUEUE_STORAGE=mysql "pawl stats: JOB_QUEUE_STORAGE is 'mysql': it may be 'sqlite' or 'redis'"
bad "a port that is none" REDIS_PORT=abc "pawl stats: REDIS_PORT is 'abc', which is no port 1..65535"
bad "a database that is none" REDIS_DB=x "pawl stats: REDIS_DB is 'x', which is no number 0..*"
bad "neither true nor false" REDIS_TLS=perhaps "pawl stats: REDIS_TLS is 'perhaps', which is neither true nor false"
bad "a list of hosts" REDIS_HOST=a,b "pawl stats: REDIS_HOST is a list, *REDIS_ENABLE_CLUSTER=true"
bad "a prefix with braces" 'REDIS_KEY_PREFIX={x}' "pawl stats: REDIS_KEY_PREFIX: a prefix has no braces"
bad "a URL as host" REDIS_HOST=redis://h "pawl stats: REDIS_HOST is a name or an address, no URL*"
unset JOB_QUEUE_STORAGE REDIS_PORT

# --- passwords --------------------------------------------------------------------------------

redis_up --requirepass 's3cret/&?@'
export JOB_QUEUE_STORAGE=redis REDIS_PORT="$port" REDIS_PASSWORD='s3cret/&?@'
run enqueue x
done_with "REDIS_PASSWORD" "$id"
ask -a 's3cret/&?@' --no-auth-warning ACL SETUSER me on '>other' '~*' '&*' +@all >/dev/null
is "REDIS_USERNAME" "$(REDIS_USERNAME=me REDIS_PASSWORD=other where)" "redis redis://127.0.0.1:$port/0"
unset JOB_QUEUE_STORAGE REDIS_PORT REDIS_PASSWORD

encoded='s3cret%2F%26%3F%40'
run --url "redis://:$encoded@127.0.0.1:$port" health
ok "a password on the command line is warned of, once" test "$code $(grep -c 'visible to other users' .err)" = "0 1"
ok "and not shown" test -z "$(cat .out .err | grep -e s3cret)"
PAWL_URL=redis://:$encoded@127.0.0.1:$port "$PAWL" health >.out 2>.err
is "in PAWL_URL it is fine" "$? $(cat .err)" "0 "
ok "and not shown" test -z "$(cat .out .err | grep -e s3cret)"
printf 's3cret/&?@\n' >secret && chmod 600 secret
run --url "redis://127.0.0.1:$port?password-file=$work/secret" health
ok "in a file, too" done_as "*"
chmod 640 secret
run --url "redis://127.0.0.1:$port?password-file=$work/secret" health
refused "unless others can read it" 2 "pawl health: password-file: '$work/secret' is open to other users: use chmod 600"
PAWL_URL=trace+redis://:$encoded@127.0.0.1:$port "$PAWL" health >.out 2>.err
ok "tracing shows no password" test -z "$(cat .out .err | grep -e s3cret)"

finish
