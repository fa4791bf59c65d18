-- Version 1: everything. FORMAT.md tells what it is for and why it is so.

CREATE TABLE queue (
    n INTEGER PRIMARY KEY,   -- what other tables call the queue; 15 bits
    name TEXT NOT NULL UNIQUE,
    hash INTEGER NOT NULL,   -- the 16 bits that the ids of its jobs carry
    paused INTEGER NOT NULL DEFAULT 0,
    -- Since ever. The first three also number the jobs that enter the state.
    completed_total INTEGER NOT NULL DEFAULT 0,
    dead_total INTEGER NOT NULL DEFAULT 0,
    cancelled_total INTEGER NOT NULL DEFAULT 0,
    failed_total INTEGER NOT NULL DEFAULT 0,
    -- How long finished jobs stay: ms and jobs, -1 for ever. NULL: as the
    -- callers say.
    completed_age INTEGER, completed_count INTEGER,
    dead_age INTEGER, dead_count INTEGER,
    cancelled_age INTEGER, cancelled_count INTEGER
) STRICT;

-- Small columns first and the payload last, so that a look at a row's head does
-- not read through its payload. NULL is the default of each nullable column,
-- and costs one byte.
CREATE TABLE job (
    place INTEGER PRIMARY KEY, -- made from the id
    id BLOB NOT NULL,
    queue INTEGER NOT NULL,
    state INTEGER NOT NULL,    -- 2 scheduled 3 pending 4 processing 5 failed
                               -- 6 completed 7 dead 8 cancelled 9 held
    rank INTEGER NOT NULL,     -- the place in the order of its state; 44 bits
    enqueued_at INTEGER NOT NULL, -- all times in ms since 1970
    session INTEGER NOT NULL,  -- which put stored it: session.n and its number
    put_seq INTEGER NOT NULL,
    priority INTEGER,          -- NULL: 5
    run_at INTEGER,            -- NULL: enqueued_at
    attempt INTEGER,           -- NULL: 0, as the next two
    epoch INTEGER,
    crashes INTEGER,
    owner INTEGER,             -- owner.n of the last claim
    cancel_requested INTEGER,  -- 1, or NULL
    started_at INTEGER,
    finished_at INTEGER,
    errors INTEGER,            -- how many were ever kept in job_error
    type TEXT,
    key TEXT,
    options BLOB,              -- what is seldom set: tags, see FORMAT.md
    result ANY,                -- bytes; or a number: the size of what is in
                               -- large_result
    payload ANY                -- likewise, large_payload
) STRICT;

-- One number instead of three columns: it is compared faster. FORMAT.md.
CREATE INDEX job_order ON job ((queue << 48) | (state << 44) | rank);

-- Above 1,024 bytes: a claim or completion then rewrites a short row only.
CREATE TABLE large_payload (
    place INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;
CREATE TABLE large_result (
    place INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;

-- The last ten errors of a job.
CREATE TABLE job_error (
    place INTEGER NOT NULL,
    n INTEGER NOT NULL,        -- 1 was the job's first
    at INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (place, n)
) STRICT, WITHOUT ROWID;

-- Jobs in state 9: who holds them, and where they were before. Mostly empty.
CREATE TABLE held (
    place INTEGER PRIMARY KEY,
    mover BLOB NOT NULL,       -- whose mark it is
    queue INTEGER NOT NULL,
    state INTEGER NOT NULL,    -- before, as the next
    rank INTEGER NOT NULL
) STRICT;
-- A held job's place in its lane stays reserved: where does that end?
CREATE INDEX held_order ON held ((queue << 48) | (state << 44) | rank);

CREATE TABLE unique_key (
    queue INTEGER NOT NULL,
    key TEXT NOT NULL,
    id BLOB NOT NULL,          -- of the job that holds it
    until INTEGER NOT NULL,    -- 0: as long as the job is not finished
    mode INTEGER NOT NULL,     -- 0 reject, 1 throttle
    PRIMARY KEY (queue, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX unique_key_until ON unique_key (queue, until) WHERE until > 0;

-- Who claims: one row per worker incarnation and queue.
CREATE TABLE owner (
    n INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again
    owner BLOB NOT NULL,
    queue INTEGER NOT NULL,
    boot BLOB NOT NULL,        -- the boot of the machine it claimed in
    byte INTEGER NOT NULL,     -- which byte of the .live file it holds locked
    gone_at INTEGER,           -- when it was found dead and its jobs taken back
    UNIQUE (queue, owner)
) STRICT;

-- Who puts: one row per session. Its number is in the jobs it put.
CREATE TABLE session (
    n INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again
    uuid BLOB NOT NULL UNIQUE,
    last_at INTEGER NOT NULL   -- to the hour
) STRICT;
CREATE INDEX session_last_at ON session (last_at);

-- What a put was answered, as far as the jobs themselves cannot tell it: some
-- were refused, or some are gone. NULL: all were stored.
CREATE TABLE reply (
    session INTEGER NOT NULL,
    queue INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    replies BLOB,              -- 17 bytes each: the status, and an id
    PRIMARY KEY (session, queue, seq)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 1;
