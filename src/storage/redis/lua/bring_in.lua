#!lua
-- bring_in.lua - storing whole jobs that lived elsewhere.
--
-- ARGV: clock, '0' or, if it may make the queue, this server's run_id; the field in
-- sessions, seq, count, mover, all digests in one word ('': no tally), then five words
-- for each job: id, state and the first 19 bytes
-- of its body; its head without a place, or ''; its body from the flags on; errors;
-- result.
-- Replies: as put, with which it shares one count of seqs: OK; or a byte for each
-- job, the status, and for KEY_TAKEN the holder's id. NEW: there is no queue;
-- TOOOLD; or, if this seq was another put, how many jobs that had.
-- include: step, line, job, session, tally

local SESSION, SEQ, COUNT = ARGV[4], ARGV[5], tonumber(ARGV[6])
local MOVER, DIGESTS = ARGV[7], ARGV[8]
local FIRST_JOB, WORDS = 9, 5
local OK, DUPLICATE, KEY_TAKEN = '\0', '\1', '\2'
local NO_PLACE = '\0\0\0\0\0\0'

local exists = meta_read()
if not exists and ARGV[3] == '0' then
  return redis.status_reply('NEW')
end

local again = answered(redis.call('HGET', SESSIONS, SESSION), SEQ, COUNT)
if again then
  return again
end

-- A job that is known has been stored, to this script when it comes again. So none may
-- get known and then not into its place: a key that somebody overwrote with another
-- type is found before the first write.
for _, key in ipairs({ HEADS, ERRORS, RESULTS, UNIQUE }) do
  redis.call('HGET', key, '')
end
for _, key in ipairs({ SCHEDULED, FAILED, UNIQUE_TIMES }) do
  redis.call('ZCARD', key)
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

-- Of all jobs at once, since most of the time here goes by in handing words around.
local bodies, heads = later('HSET', JOBS), later('HSET', HEADS)
local body_count, head_count = 0, 0

local function store(id, place48, first, head, spec, errors, result)
  bodies[body_count + 1] = id
  bodies[body_count + 2] = first .. place48 .. spec
  body_count = body_count + 2
  if head ~= '' then
    heads[head_count + 1] = id
    heads[head_count + 2] = string.sub(head, 1, 18) .. place48 .. string.sub(head, 25)
    head_count = head_count + 2
  end
  if errors ~= '' then
    later_two('HSET', ERRORS, id, errors)
  end
  if result ~= '' then
    later_two('HSET', RESULTS, id, result)
  end
end

local function bring(id, at)
  local word, spec = ARGV[at], ARGV[at + 2]
  local state, first = string.byte(word, 17), string.sub(word, 18)
  local flags, priority = string.byte(spec, 1, 2)
  if has(flags, HAS_KEY) then
    local holder = take_key({ id = id, state = state, body = first .. NO_PLACE .. spec })
    if holder then
      return KEY_TAKEN .. holder
    end
  end
  local place48, line = NO_PLACE, FINISHED_LINE[state]
  if state == PENDING then
    place48 = struct.pack('>I6', line_push(priority, id))
  elseif line then
    place48 = struct.pack('>I6', line_push(line, id))
  else
    later_two('ZADD', state == IN_SCHEDULED and SCHEDULED or FAILED,
              struct.unpack('>I6', first, 8), id)
  end
  any_waits = any_waits or not line
  store(id, place48, first, ARGV[at + 1], spec, ARGV[at + 3], ARGV[at + 4])
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
  local is_known = known[i] or stored[id]
  codes[i] = is_known and DUPLICATE or bring(id, FIRST_JOB + WORDS * (i - 1))
  if codes[i] == OK then
    stored[id] = true
    tally_add(i)
  else
    all_stored = false
  end
end
codes = all_stored and '' or table.concat(codes)
later_two('HSET', SESSIONS, SESSION,
          SEQ .. struct.pack('>I6I4', now, COUNT) .. codes)
tally_save(MOVER, DIGESTS)
flush()
if any_waits then
  news()
end
return all_stored and redis.status_reply('OK') or codes
