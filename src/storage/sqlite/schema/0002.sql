-- 0002.sql - the proof of a move, and how busy a file is.
--
-- A migration shows that what left one store arrived in the other: each store adds
-- up, in the step that deletes jobs here or stores them there, how many they were
-- and the sum of their digests. A row per mover and queue, made when one begins and
-- deleted when it is done; no other step looks here.

CREATE TABLE tally (
    queue INTEGER NOT NULL,
    mover BLOB NOT NULL,       -- whose mark
    count INTEGER NOT NULL,
    sum BLOB NOT NULL,         -- eight numbers of four bytes, high first
    PRIMARY KEY (queue, mover)
) STRICT, WITHOUT ROWID;

-- When the file was made, or came to this format, and how many jobs had finished by
-- then: so that doctor can tell when there is more to do than a file is good for.
CREATE TABLE store (
    n INTEGER PRIMARY KEY CHECK (n = 1),
    since INTEGER NOT NULL,    -- ms since 1970
    finished INTEGER NOT NULL
) STRICT;
INSERT INTO store SELECT 1, 1000 * CAST(strftime('%s', 'now') AS INTEGER),
    coalesce(sum(completed_total + dead_total + cancelled_total), 0) FROM queue;

PRAGMA user_version = 2;
