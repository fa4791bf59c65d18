#!/bin/sh
# test_redis_errors.sh - servers that cannot be used: why, where, and never with the
# password.
. "${0%/*}/lib.sh"
. "$root/tests/cli/lib_redis.sh"

redis_up --requirepass s3cret
at=127.0.0.1:$port

# told NAME CODE PATTERN : the last run, whose URL was in the environment
told() {
    refused "$1" "$2" "$3"
    ok "$1: no password in it" test -z "$(cat "$work/.out" "$work/.err" | grep -i -e s3cret -e wr0ng)"
}
with() {
    PAWL_URL=$1
    export PAWL_URL
    shift
    run "$@"
    unset PAWL_URL
}

with "redis://:wr0ng@$at" stats
told "a wrong password" 1 "pawl stats: *$at*password*"
with "redis://nobody:wr0ng@$at" stats
told "a user that is not there" 1 "pawl stats: *$at*"
with "redis://$at" stats
told "no password" 1 "pawl stats: *$at*"
with "redis://:s3cret@$at/99" stats
told "a database that is not there" 1 "pawl stats: *$at*"
with "redis://:s3cret@127.0.0.1:$(free_port)" stats
told "nobody listens" 69 "pawl stats: *127.0.0.1:*"
with "redis+unix://:s3cret@$work/none.sock" stats
told "no socket" 69 "pawl stats: *$work/none.sock*"
with "redis://:s3cret@no-such-host.invalid" stats
told "a name that nobody knows" 69 "pawl stats: *no-such-host.invalid*"
with "rediss://:s3cret@$at" stats
ok "TLS with a server that has none" test "$code" -eq 69 -o "$code" -eq 1
told "TLS with a server that has none" "$code" "pawl stats: *$at*"
with "redis-sentinel://:s3cret@127.0.0.1:$(free_port)/main" stats
told "no sentinel" 69 "pawl stats: *sentinel*127.0.0.1*"
with "redis-cluster://:s3cret@$at" stats
ok "no cluster" test "$code" -ne 0
told "no cluster" "$code" "pawl stats: *$at*"

for url in "reds://me:s3cret@$at" "me:s3cret@$at" "s3cret@$at" "redis:s3cret@$at" \
    "redis://me:s3cret" "redis://:s3cret@$at/x" "redis://:s3cret@ho st" \
    "redis://:s3cret@$at?colour=red" "redis://:a?s3cret@$at" "redis://:a/s3cret@$at" \
    "redis://:s3cret%zz@$at" "redis://$at?password=s3cret" "redis+unix://:s3cret@sock" \
    "redis-sentinel://:s3cret@$at" "redis-cluster://:s3cret@$at/1"; do
    with "$url" stats
    told "a URL that is none: $(echo "$url" | sed "s/s3cret/…/; s/$port/PORT/")" 2 "pawl stats: PAWL_URL: *"
done

# --- a user without rights: cannot open the store, so cannot ask for them itself either -----

advice="an administrator gets the rights that pawl needs from: pawl doctor --acl (as a user that may)"
ask -a s3cret --no-auth-warning acl setuser nothing on '>s3cret' >/dev/null
with "redis://nothing:s3cret@$at" stats
told "no right at all" 1 "pawl stats: redis at $at: user 'nothing' has no right to INFO; $advice"
with "redis://nothing:s3cret@$at" doctor --acl
told "... nor to ask for them" 1 "pawl doctor: *; $advice"
ask -a s3cret --no-auth-warning acl setuser hello on '>s3cret' +info +role >/dev/null
with "redis://hello:s3cret@$at" stats
told "no right to run scripts" 1 "pawl stats: redis at $at: the user lacks a right; $advice (NOPERM *)"
ask -a s3cret --no-auth-warning acl setuser scripts on '>s3cret' '~*' +info +role +eval +evalsha >/dev/null
with "redis://scripts:s3cret@$at" enqueue x
told "no right within scripts" 1 "pawl enqueue: *redis at $at: the user lacks a right; $advice (*"
with "redis://:s3cret@$at" doctor --acl
done_with "who may gets them" "ACL SETUSER pawl reset on *"

# --- a sentinel that does not know the master -----------------------------------------------

sentinel_port=$(free_port)
cat >sentinel.conf <<END
port $sentinel_port
bind 127.0.0.1
dir $work
sentinel monitor main 127.0.0.1 $port 1
sentinel auth-pass main s3cret
END
setpriv --pdeathsig KILL "$server" sentinel.conf --sentinel >/dev/null 2>&1 &
sentinel_pid=$!
trap 'kill -9 "$sentinel_pid" 2>/dev/null; redis_down; rm -rf "$work"' EXIT
until_ok redis-cli -p "$sentinel_port" ping
with "redis-sentinel://:s3cret@127.0.0.1:$sentinel_port/other" stats
ok "a master that no sentinel knows" test "$code" -ne 0
told "a master that no sentinel knows" "$code" "pawl stats: *other*"
with "redis-sentinel://:s3cret@127.0.0.1:$sentinel_port/main" enqueue x
done_with "and one that it knows" "$id"
with "redis-sentinel://:s3cret@127.0.0.1:$sentinel_port/main" health
ok "health names it" done_as "*redis-sentinel://127.0.0.1:$sentinel_port/main*master *main at $at*"
kill -9 "$sentinel_pid"

# --- not a Redis -----------------------------------------------------------------------------

"$PYTHON" - >banner.port <<'END' &
import socket
s = socket.socket()
s.bind(('127.0.0.1', 0))
s.listen(8)
print(s.getsockname()[1], flush=True)
while True:
    c, _ = s.accept()
    c.sendall(b'220 mail.example ESMTP\r\n')
    c.recv(4096)
    c.close()
END
banner_pid=$!
trap 'kill -9 "$sentinel_pid" "$banner_pid" 2>/dev/null; redis_down; rm -rf "$work"' EXIT
until_ok grep -q . banner.port
with "redis://:s3cret@127.0.0.1:$(cat banner.port)" stats
ok "a mail server" test "$code" -ne 0
told "a mail server" "$code" "pawl stats: *127.0.0.1:$(cat banner.port)*"
kill -9 "$banner_pid"

# --- a key of somebody else --------------------------------------------------------------------

ask -a s3cret --no-auth-warning set theirs:store x >/dev/null
with "redis://:s3cret@$at?prefix=theirs:" enqueue x
told "a prefix that is somebody else's" 1 "pawl enqueue: *theirs:store*$at*"

finish
