#!/bin/sh
# test_store.sh - where the jobs are, and stores that cannot be used.
. "${0%/*}/lib.sh"

run enqueue hello
done_with "a job without any setting" "$id"
ok "is in the default file" test -f "$XDG_STATE_HOME/pawl/pawl.db"
is "which is for its user only" "$(stat -c %a "$XDG_STATE_HOME/pawl/pawl.db")" 600
is "and so is its folder" "$(stat -c %a "$XDG_STATE_HOME/pawl")" 700
run health
like "health prints where" "$out" "*$XDG_STATE_HOME/pawl/pawl.db*"

url=sqlite:$work/other.db
run --url "$url" enqueue a
done_with "--url before the verb" "$id"
run enqueue --url "$url" b
done_with "--url behind the verb" "$id"
PAWL_URL=$url "$PAWL" enqueue c >/dev/null
is "PAWL_URL is the same place" "$("$PAWL" --url "$url" --json stats | field 'j["queues"][0]["pending"]')" 3
is "--url counts more than PAWL_URL" "$(PAWL_URL=nonsense: "$PAWL" --url "$url" --json stats | field 'j["storage"]')" sqlite

is "a bad PAWL_URL is blamed" "$(PAWL_URL=nonsense: "$PAWL" stats 2>&1 | cut -d, -f1 | cut -c1-42)" \
    "pawl stats: PAWL_URL: 'nonsense' is not a "
run --url nonsense:x stats
ok "an unknown scheme" refused_as 2 "pawl stats: *nonsense*"
run --url sqlite:x.db?durability=maybe stats
ok "an unknown option of a URL" refused_as 2 "pawl stats: *durability*"

# Permissions do not stop root, so root becomes somebody else for this.
mkdir closed && chmod 555 closed && chmod 711 "$work"
command=$PAWL
printf '#!/bin/sh\nexec setpriv --reuid 65534 --clear-groups "%s" "$@"\n' "$command" >nobody
chmod 755 nobody
test "$(id -u)" -ne 0 || PAWL=$work/nobody
if "$PAWL" version >/dev/null 2>&1; then
    run --url "sqlite:$work/closed/pawl.db" enqueue x
    refused "a folder that cannot be written" 1 "pawl enqueue: *$work/closed*"
fi
PAWL=$command

: >file
run --url "sqlite:$work/file/pawl.db" enqueue x
refused "a folder that is a file" 2 "pawl enqueue: folder '$work/file' *"
run --url "sqlite:$work/none/pawl.db" enqueue x
refused "a folder that is not there" 2 "pawl enqueue: folder '$work/none' does not exist*"
run --url sqlite:/proc/pawl.db enqueue x
refused "a folder that nobody can write" 1 "pawl enqueue: *"

head -c 8192 /dev/urandom >noise.db
cp noise.db noise.was
run --url "sqlite:$work/noise.db" enqueue x
refused "a file that is no database" 1 "pawl enqueue: *noise.db*not a*database*"
ok "stays as it was" cmp -s noise.db noise.was

"$PYTHON" - <<'END'
import sqlite3
db = sqlite3.connect('theirs.db')
db.execute('create table mine (x)')
db.execute('insert into mine values (1)')
db.commit()
END
run --url "sqlite:$work/theirs.db" enqueue x
refused "a database of another program" 1 "pawl enqueue: *theirs.db*another program*"
is "keeps its table and gets no other" "$("$PYTHON" -c '
import sqlite3
print(sqlite3.connect("theirs.db").execute("select group_concat(name) from sqlite_master").fetchone()[0])')" mine

run --url "sqlite:$work/newer.db" enqueue x
"$PYTHON" -c '
import sqlite3
db = sqlite3.connect("newer.db")
db.execute("pragma user_version = %d" % (db.execute("pragma user_version").fetchone()[0] + 1000))'
run --url "sqlite:$work/newer.db" enqueue x
refused "a database of a newer format" 1 "pawl enqueue: *newer*"

run --url "trace+sqlite:$work/other.db" stats
ok "trace+ reports the storage's calls" matches "$err" "pawl stats: *"

finish
