-- 0002.sql - the proof of a move.
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

PRAGMA user_version = 2;
