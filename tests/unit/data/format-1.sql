-- A store of format 1: a finished job, one for later, one with a key, a paused queue.
PRAGMA page_size = 2048;
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
BEGIN TRANSACTION;
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
INSERT INTO queue VALUES(1,'mail',2494,1,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO queue VALUES(2,'default',51429,0,0,1,0,1,NULL,NULL,NULL,NULL,NULL,NULL);
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
INSERT INTO job VALUES(3766285209698304395,X'01a224438c777000bd09be9b5fff778b',1,3,6047313952769,1795904736375,1,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'send','k',NULL,NULL,X'68656c6c6f');
INSERT INTO job VALUES(3766285209750732896,X'01a224438c9070009109be33b01c6060',1,2,1795908336400,1795904736400,2,1,NULL,1795908336400,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,X'6c61746572');
INSERT INTO job VALUES(3766285209801064730,X'01a224438ca870009bc8e5c555034b1a',2,7,1,1795904736424,3,1,NULL,NULL,1,1,NULL,1,NULL,1795904736456,1795904736478,1,NULL,NULL,X'0101',NULL,X'626164');
CREATE TABLE large_payload (
    place INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;
CREATE TABLE large_result (
    place INTEGER PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;
CREATE TABLE job_error (
    place INTEGER NOT NULL,
    n INTEGER NOT NULL,        -- 1 was the job's first
    at INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (place, n)
) STRICT, WITHOUT ROWID;
INSERT INTO job_error VALUES(3766285209801064730,1,1795904736478,1,'exit status 1');
CREATE TABLE held (
    place INTEGER PRIMARY KEY,
    mover BLOB NOT NULL,       -- whose mark it is
    queue INTEGER NOT NULL,
    state INTEGER NOT NULL,    -- before, as the next
    rank INTEGER NOT NULL
) STRICT;
CREATE TABLE unique_key (
    queue INTEGER NOT NULL,
    key TEXT NOT NULL,
    id BLOB NOT NULL,          -- of the job that holds it
    until INTEGER NOT NULL,    -- 0: as long as the job is not finished
    mode INTEGER NOT NULL,     -- 0 reject, 1 throttle
    PRIMARY KEY (queue, key)
) STRICT, WITHOUT ROWID;
INSERT INTO unique_key VALUES(1,'k',X'01a224438c777000bd09be9b5fff778b',0,0);
CREATE TABLE owner (
    n INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again
    owner BLOB NOT NULL,
    queue INTEGER NOT NULL,
    boot BLOB NOT NULL,        -- the boot of the machine it claimed in
    byte INTEGER NOT NULL,     -- which byte of the .live file it holds locked
    gone_at INTEGER,           -- when it was found dead and its jobs taken back
    UNIQUE (queue, owner)
) STRICT;
INSERT INTO owner VALUES(1,X'89c6550c9998b18cb310f3b1008d309c',2,X'9220f5b3e5014a789c33740d4bb1dfe7',82775014,NULL);
CREATE TABLE session (
    n INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again
    uuid BLOB NOT NULL UNIQUE,
    last_at INTEGER NOT NULL   -- to the hour
) STRICT;
INSERT INTO session VALUES(1,X'b37c0fbc62a4f6356d2dac75d5fe27e3',1795904736375);
INSERT INTO session VALUES(2,X'502e5f50a4f8f4b5a3c7b3c867aae8d5',1795904736400);
INSERT INTO session VALUES(3,X'ffa4303d61ee1029c33ea5e1bd892bd9',1795904736424);
CREATE TABLE reply (
    session INTEGER NOT NULL,
    queue INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    replies BLOB,              -- 17 bytes each: the status, and an id
    PRIMARY KEY (session, queue, seq)
) STRICT, WITHOUT ROWID;
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('session',3);
INSERT INTO sqlite_sequence VALUES('owner',1);
CREATE INDEX job_order ON job ((queue << 48) | (state << 44) | rank);
CREATE INDEX held_order ON held ((queue << 48) | (state << 44) | rank);
CREATE INDEX unique_key_until ON unique_key (queue, until) WHERE until > 0;
CREATE INDEX session_last_at ON session (last_at);
COMMIT;
PRAGMA application_id = 1885435756;
PRAGMA user_version = 1;
