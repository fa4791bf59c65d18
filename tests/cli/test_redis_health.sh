#!/bin/sh
# test_redis_health.sh - what health and doctor tell of a Redis, and the rights that a
# user needs there.
. "${0%/*}/lib.sh"
. "$root/tests/cli/lib_redis.sh"

redis_up
url=redis+unix://$socket
export PAWL_URL="$url"

# --- health ----------------------------------------------------------------------------

run health
ok "health" done_as "storage*redis*where*$url*engine*durability*memory*role*master*persistence*none*"
"$PAWL" --json health >.json
h() {
    field "$1" <.json
}
is "the engine is what the server says" "$(h 'j["engine"].split()[0] in ("redis", "valkey") and j["engine"].split()[1].split(".")[0].isdigit()')" true
is "its details" "$(h 'sorted(j["details"])')" \
    '["clients", "eviction", "latency", "memory", "persistence", "prefix", "role", "run id", "self-test", "tls", "uptime"]'
is "the self-test" "$(h 'j["details"]["self-test"]')" passed
is "leaves nothing behind" "$(ask --scan --pattern 'pawl:{pawl-probe}*')" ""
is "run id" "$(h 'j["details"]["run id"]')" "$(ask info server | tr -d '\r' | sed -n 's/^run_id://p')"
is "size and round trip" "$(h 'j["size_bytes"] > 100000 and j["round_trip_us"] > 0')" true
is "one standing warning" "$(h 'len(j["warnings"])') $(h 'j["warnings"][0].split(",")[0]')" \
    "1 persistence: none"

ask config set appendonly yes >/dev/null
for level in everysec always; do
    ask config set appendfsync $level >/dev/null
    is "durability $level" "$("$PAWL" --json health | field 'j["durability"] + str(len(j["warnings"]))')" "${level}0"
done
ask config set appendfsync no >/dev/null
is "durability aof" "$("$PAWL" --json health | field 'j["durability"]')" aof
ask config set appendonly no save '3600 1' >/dev/null
is "snapshots are no durability" "$("$PAWL" --json health | field 'j["durability"] + ": " + j["details"]["persistence"]')" \
    "memory: snapshots"
ask config set save '' >/dev/null

# --- doctor ------------------------------------------------------------------------------

run doctor
ok "doctor" test "$code" -eq 0
like "prints the details" "$out" "role*master*self-test*passed*"
like "what is as true tomorrow is a note" "$out" "*note persistence: none*"
like "and all is well" "$out" "*all is well in $url"
ask config set maxmemory 100mb maxmemory-policy allkeys-lru >/dev/null
run doctor
like "an eviction policy" "$out" "*note eviction policy allkeys-lru: a full server deletes jobs*noeviction*"
is "is no reason to fail" "$code" 0
ask config set maxmemory-policy noeviction maxmemory "$(ask info memory | tr -d '\r' | sed -n 's/^used_memory://p')" >/dev/null
run doctor
like "memory that is nearly full" "$out" "*attention*of memory are used*"
is "is a reason to fail" "$code" 1
ask config set maxmemory 0 >/dev/null
rm -rf redis
ask bgsave >/dev/null 2>&1
failed() {
    ask info persistence | grep -q 'rdb_last_bgsave_status:err'
}
until_ok failed
run doctor
like "a snapshot that failed" "$out" "*attention*last write*failed*"
redis_up
run --json doctor
is "as JSON" "$(echo "$out" | field '[j["ok"], j["details"]["role"], j["findings"][0]["kind"]]')" '[true, "master", "note"]'

# --- rights ----------------------------------------------------------------------------------

run doctor --acl
done_with "doctor --acl" "ACL SETUSER pawl reset on >PASSWORD resetchannels ~pawl:\* -@all +*"
line=$(echo "$out" | sed 's/>PASSWORD/>s3cret/')
is "as JSON" "$("$PAWL" --json doctor --acl | field 'j["acl"]')" "$out"
# The line has no blanks or stars that the shell would see, but for ~pawl:*.
set -f
is "the server takes it" "$(ask $line)" OK
set +f
user=redis+unix://pawl:s3cret@$socket
export PAWL_URL="$user"
is "it names the user of the URL" "$(PAWL_URL=$user "$PAWL" doctor --acl)" "$out"
run health
like "health as that user" "$code $out" "0 *self-test*passed*"
like "who cannot see how often the server syncs" "$("$PAWL" --json health | field 'j["durability"]')" memory
run enqueue -q mail x
done_with "enqueue as that user" "$id"
run work -q mail --drain -- cat
is "work as that user" "$code" 0
run doctor
is "doctor as that user" "$code" 0
is "nothing outside of the prefix" "$(ask --user pawl --pass s3cret --no-auth-warning get other 2>&1 | cut -c1-6)" NOPERM
is "and nothing that it does not use" "$(ask --user pawl --pass s3cret --no-auth-warning flushall 2>&1 | cut -c1-6)" NOPERM

ask ACL SETUSER pawl -zadd -xadd >/dev/null
run doctor
is "a user who lacks rights" "$code" 1
like "is told which" "$out" "*attention*ACL rights missing: xadd, zadd; see pawl doctor --acl*"
ask ACL SETUSER pawl +zadd +xadd -hset >/dev/null
run doctor
like "one who may not write at all" "$out" "*ACL rights missing: hset;*"
is "has left nothing behind" "$(ask --scan --pattern 'pawl:{pawl-probe}*')" ""
ask ACL SETUSER pawl +hset -evalsha >/dev/null
run doctor
ok "one who may run no scripts" refused_as 1 "pawl doctor: *"
like "is sent to doctor --acl" "$err" "*doctor --acl*"
ask ACL SETUSER pawl +evalsha -role >/dev/null
run doctor
ok "one who may not ask for the role" refused_as 1 "pawl doctor: *doctor --acl*"
PAWL_URL=$url

run --url "redis+unix://$socket?prefix=my%20%2Aapp:" doctor --acl
like "a strange prefix is one word" "$out" "*resetchannels ~my??app:\* -@all*"
set -f
is "that the server takes" "$(ask $out)" OK
set +f
ask ACL SETUSER pawl '>s3cret' >/dev/null
run --url "redis+unix://pawl@$socket?prefix=my%20%2Aapp:" health
ok "a user needs a colon" refused_as 2 "*USER:PASSWORD*"
PAWL_URL="redis+unix://pawl:s3cret@$socket?prefix=my%20%2Aapp:" "$PAWL" enqueue x >.out
is "and it is the one" "$?" 0
run --url "redis+unix://$socket?db=3" doctor --acl
like "another database needs select" "$out" "*+select"
run --url sqlite: doctor --acl
refused "a file has no ACL" 1 "pawl doctor: sqlite has no users and rights of its own*"

redis_down
run health
is "a server that is gone" "$code" 69
finish
