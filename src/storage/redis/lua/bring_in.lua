#!lua
-- bring_in.lua - storing whole jobs that lived elsewhere.
--
-- ARGV: clock, '0' or, if it may make the queue, this server's run_id; the field in
-- sessions, seq, count, then five words for each job: id, state and the first 19 bytes
-- of its body; its head without a place, or ''; its body from the flags on; errors;
-- result.
-- Replies: as put, with which it shares one count of seqs: OK; or a byte for each
-- job, the status, and for KEY_TAKEN the holder's id. NEW: there is no queue;
-- TOOOLD; or, if this seq was another put, how many jobs that had.
-- include: step, line, job, session

local SESSION, SEQ, COUNT = ARGV[4], ARGV[5], tonumber(ARGV[6])
local FIRST_JOB, WORDS = 7, 5
local OK, DUPLICATE, KEY_TAKEN = '\0', '\1', '\2'

local exists = meta_read()
if not exists and ARGV[3] == '0' then
  return redis.status_reply('NEW')
end

local again = answered(redis.call('HGET', SESSIONS, SESSION), SEQ, COUNT)
if again then
  return again
end

local now = clock()
if not exists then
  meta_set('format', 1)
  meta_set('server', ARGV[3])
end
local all_stored, any_waits = true, false

-- --- one job ------------------------------------------------------------------------

-- Take the key, if the job would hold it had it been here all along: a finished one
-- let go of a reject key, and time may have ended either kind. It may hold it since
-- an earlier stay, whose throttle outlived it. The holder, if that is another job.
local function take_key(job)
  local text, ttl, throttle = key_of(job)
  if not text or (FINISHED_LINE[job.state] and not throttle) then
    return nil
  end
  local over = ttl > 0 and enqueued_at(job) + ttl or 0
  if over ~= 0 and over <= now then
    return nil
  end
  local holder = holder_in(redis.call('HGET', UNIQUE, text), now)
  if holder and holder ~= job.id then
    return holder
  end
  key_take(text, job.id, over, throttle)
  return nil
end

-- Give it the place that its state has.
local function settle_in(job)
  job.place = 0
  if job.state == PENDING then
    job.place = line_push(string.byte(job.body, 27), job.id)
  elseif FINISHED_LINE[job.state] then
    job.place = line_push(FINISHED_LINE[job.state], job.id)
  else
    local run_at = struct.unpack('>I6', job.body, 8)
    later_two('ZADD', job.state == IN_SCHEDULED and SCHEDULED or FAILED, run_at, job.id)
  end
  any_waits = any_waits or not FINISHED_LINE[job.state]
end

local function store(job, first, head, spec, errors, result)
  local place = struct.pack('>I6', job.place)
  later_two('HSET', JOBS, job.id, first .. place .. spec)
  if head ~= '' then
    later_two('HSET', HEADS, job.id,
              string.sub(head, 1, 18) .. place .. string.sub(head, 25))
  end
  if errors ~= '' then
    later_two('HSET', ERRORS, job.id, errors)
  end
  if result ~= '' then
    later_two('HSET', RESULTS, job.id, result)
  end
end

local function bring(id, at, is_known)
  if is_known then
    return DUPLICATE
  end
  local word, head, spec, errors, result = unpack(ARGV, at, at + WORDS - 1)
  local first = string.sub(word, 18)
  local job = { id = id, state = string.byte(word, 17),
                body = first .. '\0\0\0\0\0\0' .. spec }
  local holder = take_key(job)
  if holder then
    return KEY_TAKEN .. holder
  end
  settle_in(job)
  store(job, first, head, spec, errors, result)
  return OK
end

-- --- the step -----------------------------------------------------------------------

local ids, codes, stored = {}, {}, {}
for i = 1, COUNT do
  ids[i] = string.sub(ARGV[FIRST_JOB + WORDS * (i - 1)], 1, 16)
end
local known = read_all('HMGET', JOBS, ids)
for i = 1, COUNT do
  local id = ids[i]
  codes[i] = bring(id, FIRST_JOB + WORDS * (i - 1), known[i] or stored[id])
  if codes[i] == OK then
    stored[id] = true
  else
    all_stored = false
  end
end
codes = all_stored and '' or table.concat(codes)
later_two('HSET', SESSIONS, SESSION,
          SEQ .. struct.pack('>I6I4', now, COUNT) .. codes)
flush()
if any_waits then
  news()
end
return all_stored and redis.status_reply('OK') or codes
