-- Every statement of the SQLite storage on jobs and queues, one block each;
-- tools/build/embed_sql.py makes SQL_<NAME> of it. Each must find its rows by an
-- index or by place; tests/unit/test_sql_plans.c names the few exceptions.
--
-- States are written as numbers: 2 scheduled, 3 pending, 4 processing, 5 failed,
-- 6 completed, 7 dead, 8 cancelled, 9 held.

-- {job}: all of a job, as row_head() in sqlite_row.c and row_job() in sqlite_job.c
-- read it. The bytes cost nothing where nobody looks at them.
place, id, queue, state, rank, enqueued_at, session, put_seq, priority,
run_at, attempt, epoch, crashes, owner, cancel_requested, started_at,
finished_at, errors, type, key, options, result, payload

-- {order}: what the indexes job_order and held_order are made of, written as it is
-- there: one number of which ranges are asked for; order_number() in sqlite_queue.h
((queue << 48) | (state << 44) | rank)

-- --- queues -----------------------------------------------------------------

-- {queue_row}: as queue_read() in sqlite_queue.c reads it
n, paused, completed_total, dead_total, cancelled_total, failed_total,
completed_age, completed_count, dead_age, dead_count, cancelled_age,
cancelled_count, name

-- QUEUE_GET: queue by number ?1
SELECT {queue_row} FROM queue WHERE n = ?1;

-- QUEUE_FIND: queue by name ?1
SELECT {queue_row} FROM queue WHERE name = ?1;

-- QUEUE_LIST: every queue, by name
SELECT {queue_row} FROM queue ORDER BY name;

-- QUEUE_ADD: name ?1, hash of the name ?2
INSERT INTO queue (name, hash) VALUES (?1, ?2);

-- QUEUE_TOTALS: queue ?1
UPDATE queue SET completed_total = ?2, dead_total = ?3, cancelled_total = ?4,
    failed_total = ?5
WHERE n = ?1;

-- QUEUE_PAUSE: queue ?1, whether ?2
UPDATE queue SET paused = ?2 WHERE n = ?1;

-- QUEUE_KEEP: queue ?1
UPDATE queue SET completed_age = ?2, completed_count = ?3, dead_age = ?4,
    dead_count = ?5, cancelled_age = ?6, cancelled_count = ?7
WHERE n = ?1;

-- STATE_COUNT: how many jobs are in the order from ?1 to ?2
SELECT count(*) FROM job WHERE {order} BETWEEN ?1 AND ?2;

-- --- sessions and their replies ---------------------------------------------

-- SESSION_FIND: uuid ?1
SELECT n, last_at FROM session WHERE uuid = ?1;

-- SESSION_ADD: uuid ?1, now ?2
INSERT INTO session (uuid, last_at) VALUES (?1, ?2);

-- SESSION_TOUCH: session ?1, now ?2
UPDATE session SET last_at = ?2 WHERE n = ?1;

-- SESSION_IS_THERE: session ?1
SELECT 1 FROM session WHERE n = ?1;

-- SESSION_IDLE: last used before ?1
SELECT n FROM session WHERE last_at < ?1 ORDER BY last_at LIMIT 100;

-- SESSION_REMOVE: session ?1
DELETE FROM session WHERE n = ?1;

-- REPLY_FROM: session ?1, queue ?2; what is kept from seq ?3 on
SELECT seq, replies FROM reply
WHERE session = ?1 AND queue = ?2 AND seq >= ?3
ORDER BY seq LIMIT 16;

-- REPLY_ADD: session ?1, queue ?2, seq ?3; what is there stays
INSERT INTO reply (session, queue, seq, replies) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT DO NOTHING;

-- REPLY_TRIM: session ?1, queue ?2; all but the newest 16
DELETE FROM reply
WHERE session = ?1 AND queue = ?2 AND seq <
    (SELECT seq FROM reply WHERE session = ?1 AND queue = ?2
     ORDER BY seq DESC LIMIT 1 OFFSET 15);

-- REPLY_REMOVE: all of session ?1
DELETE FROM reply WHERE session = ?1;

-- --- owners -----------------------------------------------------------------

-- OWNER_FIND: queue ?1, owner ?2
SELECT n, boot, byte, gone_at FROM owner WHERE queue = ?1 AND owner = ?2;

-- OWNER_GET: owner's number ?1
SELECT owner FROM owner WHERE n = ?1;

-- OWNER_ADD: queue ?1, boot id ?2, byte ?3, owner ?4
INSERT INTO owner (queue, boot, byte, owner) VALUES (?1, ?2, ?3, ?4);

-- OWNER_HERE: owner ?1 claims with boot id ?2 and byte ?3
UPDATE owner SET boot = ?2, byte = ?3, gone_at = NULL WHERE n = ?1;

-- OWNER_GONE: owner ?1 was found dead at ?2
UPDATE owner SET gone_at = ?2 WHERE n = ?1;

-- OWNER_LIST: queue ?1; those not yet known to be gone
SELECT n, boot, byte FROM owner WHERE queue = ?1 AND gone_at IS NULL;

-- OWNER_FORGET: queue ?1; gone before ?2
DELETE FROM owner WHERE queue = ?1 AND gone_at < ?2;

-- --- one job ----------------------------------------------------------------

-- JOB_SLOTS: the 64 places from ?1 that an id may have, as far as taken
SELECT place, id, session, put_seq, queue FROM job
WHERE place BETWEEN ?1 AND ?1 + 63;

-- JOB_LAST: the last place that is taken, or NULL
SELECT max(place) FROM job;

-- JOB_FIND: a place of ?1 and the 63 after it, id ?2
SELECT {job} FROM job WHERE place BETWEEN ?1 AND ?1 + 63 AND id = ?2;

-- JOB_GET: place ?1
SELECT {job} FROM job WHERE place = ?1;

-- JOB_ADD: a new job
INSERT INTO job (place, id, queue, state, rank, enqueued_at, session, put_seq,
    priority, run_at, type, key, options, payload)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14);

-- JOB_ADD_WHOLE: a job that had a life elsewhere
INSERT INTO job (place, id, queue, state, rank, enqueued_at, session, put_seq,
    priority, run_at, type, key, options, payload, attempt, epoch, crashes,
    started_at, finished_at, errors, result)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
    ?17, ?18, ?19, ?20, ?21);

-- JOB_SAVE: place ?1; everything of the head that can change
UPDATE job SET state = ?2, rank = ?3, priority = ?4, run_at = ?5, attempt = ?6,
    crashes = ?7, cancel_requested = ?8, finished_at = ?9, errors = ?10
WHERE place = ?1;

-- JOB_RESULT: place ?1
UPDATE job SET result = ?2 WHERE place = ?1;

-- JOB_REMOVE: place ?1
DELETE FROM job WHERE place = ?1;

-- ERROR_LIST: place ?1, oldest first
SELECT at, attempt, message FROM job_error WHERE place = ?1 ORDER BY n;

-- ERROR_ADD: place ?1
INSERT INTO job_error (place, n, at, attempt, message)
VALUES (?1, ?2, ?3, ?4, ?5);

-- ERROR_TRIM: place ?1; those up to number ?2
DELETE FROM job_error WHERE place = ?1 AND n <= ?2;

-- ERROR_REMOVE: place ?1
DELETE FROM job_error WHERE place = ?1;

-- PAYLOAD_GET: place ?1
SELECT bytes FROM large_payload WHERE place = ?1;

-- PAYLOAD_ADD: place ?1
INSERT INTO large_payload (place, bytes) VALUES (?1, ?2);

-- PAYLOAD_REMOVE: place ?1
DELETE FROM large_payload WHERE place = ?1;

-- RESULT_GET: place ?1
SELECT bytes FROM large_result WHERE place = ?1;

-- RESULT_ADD: place ?1
INSERT INTO large_result (place, bytes) VALUES (?1, ?2);

-- RESULT_REMOVE: place ?1
DELETE FROM large_result WHERE place = ?1;

-- --- keys -------------------------------------------------------------------

-- KEY_GET: queue ?1, key ?2
SELECT id, until FROM unique_key WHERE queue = ?1 AND key = ?2;

-- KEY_TAKE: queue ?1, key ?2, for id ?3 until ?4 in mode ?5
INSERT OR REPLACE INTO unique_key (queue, key, id, until, mode)
VALUES (?1, ?2, ?3, ?4, ?5);

-- KEY_RELEASE: queue ?1, key ?2, if id ?3 holds it and it is no throttle
DELETE FROM unique_key WHERE queue = ?1 AND key = ?2 AND id = ?3 AND mode = 0;

-- KEY_EXPIRE: queue ?1, now ?2, at most ?3
DELETE FROM unique_key WHERE queue = ?1 AND key IN
    (SELECT key FROM unique_key
     WHERE queue = ?1 AND until > 0 AND until <= ?2 LIMIT ?3);

-- --- many jobs, in the order of their state ---------------------------------

-- Each of these asks for a part of the order, from ?1 to ?2: some or all of one
-- state of one queue.

-- ORDER_FIRST: the first of it
SELECT {order} FROM job WHERE {order} BETWEEN ?1 AND ?2
ORDER BY {order} LIMIT 1;

-- ORDER_LAST: the last of it
SELECT {order} FROM job WHERE {order} BETWEEN ?1 AND ?2
ORDER BY {order} DESC LIMIT 1;

-- TIMES_FIRST: the times of the first
SELECT enqueued_at, run_at FROM job WHERE {order} BETWEEN ?1 AND ?2
ORDER BY {order} LIMIT 1;

-- DUE: at most ?3, those of equal rank by place
SELECT rank, place, id FROM job WHERE {order} BETWEEN ?1 AND ?2
ORDER BY {order}, place LIMIT ?3;

-- DUE_TIES: more of those with the order ?1 alone, after place ?2
SELECT rank, place, id FROM job WHERE {order} = ?1 AND place > ?2
ORDER BY place LIMIT 1024;

-- CLAIMABLE: at most ?3
SELECT {job} FROM job WHERE {order} BETWEEN ?1 AND ?2
ORDER BY {order} LIMIT ?3;

-- CLAIM: lease until ?3, owner ?4, now ?5
UPDATE job SET state = 4, rank = ?3, attempt = coalesce(attempt, 0) + 1,
    epoch = coalesce(epoch, 0) + 1, owner = ?4, started_at = ?5,
    cancel_requested = NULL
WHERE {order} BETWEEN ?1 AND ?2;

-- COMPLETE: place ?1, id ?2, epoch ?3, owner ?4: ordinal ?5, now ?6, result ?7.
-- The plain case in one step; changes nothing if there is a key to release or
-- anything else is not as it should be.
UPDATE job SET state = 6, rank = ?5, finished_at = ?6, result = ?7
WHERE place = ?1 AND id = ?2 AND epoch = ?3 AND owner = ?4 AND state = 4
    AND key IS NULL;

-- RENEW: place ?1: lease until ?2
UPDATE job SET rank = ?2 WHERE place = ?1;

-- FINISHED: at most ?3; what deleting them needs
SELECT rank, place, session, put_seq, finished_at, errors, payload, result
FROM job WHERE {order} BETWEEN ?1 AND ?2
ORDER BY {order} LIMIT ?3;

-- FINISHED_REMOVE: all of them
DELETE FROM job WHERE {order} BETWEEN ?1 AND ?2;

-- LEASES: all of them
SELECT place, id, owner FROM job WHERE {order} BETWEEN ?1 AND ?2;

-- LIST_UP: after place ?3 of those that are ?1 in the order
SELECT {job} FROM job
WHERE {order} BETWEEN ?1 AND ?2 AND ({order} > ?1 OR place > ?3)
ORDER BY {order}, place;

-- MATCHING: after place ?3 of those that are ?1 in the order; of type ?4, or NULL:
-- any; finished, else enqueued, at ?5 or before
SELECT {job} FROM job
WHERE {order} BETWEEN ?1 AND ?2 AND ({order} > ?1 OR place > ?3)
    AND (?4 IS NULL OR coalesce(type, '') = ?4)
    AND coalesce(finished_at, enqueued_at) <= ?5
ORDER BY {order}, place;

-- LIST_DOWN: backwards, before place ?3 of those that are ?2 in the order
SELECT {job} FROM job
WHERE {order} BETWEEN ?1 AND ?2 AND ({order} < ?2 OR place < ?3)
ORDER BY {order} DESC, place DESC;

-- --- held jobs --------------------------------------------------------------

-- HELD_GET: place ?1
SELECT mover, state, rank FROM held WHERE place = ?1;

-- HELD_ADD: place ?1, for mover ?2; of queue ?3 it had state ?4 and rank ?5
INSERT INTO held (place, mover, queue, state, rank)
VALUES (?1, ?2, ?3, ?4, ?5);

-- HELD_REMOVE: place ?1
DELETE FROM held WHERE place = ?1;

-- HELD_PASS: place ?1, to mover ?2
UPDATE held SET mover = ?2 WHERE place = ?1;

-- HELD_OF: from ?1 to ?2 in the order, held by mover ?4, at most ?3; and the state
-- before
SELECT {job}, (SELECT state FROM held WHERE held.place = job.place) FROM job
WHERE {order} BETWEEN ?1 AND ?2 AND ?4 =
    (SELECT mover FROM held WHERE held.place = job.place)
ORDER BY {order} LIMIT ?3;

-- HELD_FIRST: the first that was between ?1 and ?2 of the order
SELECT {order} FROM held WHERE {order} BETWEEN ?1 AND ?2
ORDER BY {order} LIMIT 1;

-- HELD_LAST: the last of them
SELECT {order} FROM held WHERE {order} BETWEEN ?1 AND ?2
ORDER BY {order} DESC LIMIT 1;

-- --- tallies ----------------------------------------------------------------

-- TALLY_GET: of queue ?1, mover ?2
SELECT count, sum FROM tally WHERE queue = ?1 AND mover = ?2;

-- TALLY_SET: of queue ?1, mover ?2: count ?3, sum ?4
INSERT OR REPLACE INTO tally (queue, mover, count, sum) VALUES (?1, ?2, ?3, ?4);

-- TALLY_REMOVE: of queue ?1, mover ?2
DELETE FROM tally WHERE queue = ?1 AND mover = ?2;

-- --- the store ----------------------------------------------------------------

-- STORE: since when it is, and how many jobs had finished then
SELECT since, finished FROM store WHERE n = 1;

-- --- the file ---------------------------------------------------------------

-- PAGES: how many the file has
PRAGMA page_count;

-- PAGES_FREE: how many of them hold nothing
PRAGMA freelist_count;

-- SHRINK: give up to 512 free pages back to the file system
PRAGMA incremental_vacuum(512);
