-- job.lua - one job's record, and its moves from state to state.
--
-- A job in hand is a table with the fields of its head (FORMAT.md), its id, its
-- body, and `place` where its state has places. The moves below do all that
-- belongs to them (index, key, counters), so that callers decide where a job
-- goes and cannot forget what follows from it; save() then keeps its head.

local PENDING, PROCESSING, HELD = 3, 4, 9
local IN_SCHEDULED, IN_FAILED = 2, 5
local COMPLETED, DEAD, CANCELLED = 6, 7, 8
local FINISHED_LINE = { [COMPLETED] = 11, [DEAD] = 12, [CANCELLED] = 13 }
local CANCEL_ASKED, HAS_ERRORS, HAS_RESULT, HAS_REJECT_KEY = 1, 2, 4, 8 -- of a head
local HAS_KEY, IS_THROTTLE = 1, 2                                       -- of a body
local HEAD = '>BBBBHHI4I6I6I6I6c16'
local BODY = '>BI6I6I6I6BBHB'
local HEAD_SIZE, BODY_SIZE = 52, 30 -- of a body: what comes before the type
local NOBODY = string.rep('\0', 16)
local ERRORS_KEPT = 10

local function has(flags, bit)
  return flags % (2 * bit) >= bit
end

local function with(flags, bit, on)
  if has(flags, bit) == on then
    return flags
  end
  return on and flags + bit or flags - bit
end

-- --- reading ------------------------------------------------------------------------

-- The head of a job that was not touched since it was put.
local function fresh(job)
  local _, enqueued, run_at, _, place, flags, priority = struct.unpack(BODY, job.body)
  job.state = place == 0 and IN_SCHEDULED or PENDING
  job.priority, job.attempt, job.crashes, job.epoch = priority, 0, 0, 0
  job.flags = (has(flags, HAS_KEY) and not has(flags, IS_THROTTLE))
              and HAS_REJECT_KEY or 0
  job.run_at, job.place, job.started_at, job.finished_at = run_at, place, 0, 0
  job.owner = NOBODY
end

local function read_head(job, head)
  local _
  _, job.state, job.priority, job.flags, job.attempt, job.crashes, job.epoch,
    job.run_at, job.place, job.started_at, job.finished_at, job.owner =
    struct.unpack(HEAD, head)
end

-- Can a job be made of this? What somebody else wrote over must not stop the step for
-- all others.
local function is_whole(head, body)
  return body and #body >= BODY_SIZE and (not head or #head == HEAD_SIZE)
end

-- A job in hand from what is stored of it; nil: there is none, or it is damaged.
local function job_of(id, head, body)
  if not is_whole(head, body) then
    return nil
  end
  local job = { id = id, body = body }
  if head then
    read_head(job, head)
  else
    fresh(job)
  end
  if job.state < IN_SCHEDULED or job.state > HELD or
     job.priority < 1 or job.priority > 10 then
    return nil
  end
  return job
end

-- The jobs of these ids; false where there is none.
local function jobs_of(ids)
  local heads, bodies = read_all('HMGET', HEADS, ids), read_all('HMGET', JOBS, ids)
  local jobs = {}
  for i = 1, #ids do
    jobs[i] = job_of(ids[i], heads[i], bodies[i]) or false
  end
  return jobs
end

local function enqueued_at(job)
  return struct.unpack('>I6', job.body, 2)
end

local function expires_at(job)
  return struct.unpack('>I6', job.body, 14)
end

local function type_of(job)
  local size = string.byte(job.body, 30)
  return string.sub(job.body, 31, 30 + size)
end

-- The unique key's text, its ttl, and whether it is a throttle; nil: it has none, or the
-- body ends before it.
local function key_of(job)
  local flags, _, _, _, type_size = string.byte(job.body, 26, 30)
  if not type_size or not has(flags, HAS_KEY) or #job.body < 38 + type_size then
    return nil
  end
  local size, ttl, at = struct.unpack('>HI6', job.body, 31 + type_size)
  return string.sub(job.body, at, at + size - 1), ttl, has(flags, IS_THROTTLE)
end

-- --- unique keys ----------------------------------------------------------------------

-- Who holds the key now, from its entry in UNIQUE; nil: nobody, or it is damaged.
local function holder_in(entry, now)
  if not entry or #entry < 22 then
    return nil
  end
  local id, over = struct.unpack('>c16I6', entry)
  return (over == 0 or over > now) and id or nil
end

local function key_take(text, id, over, throttle)
  redis.call('HSET', UNIQUE, text, struct.pack('>c16I6B', id, over, throttle and 1 or 0))
  if over ~= 0 then
    redis.call('ZADD', UNIQUE_TIMES, over, text)
  else
    redis.call('ZREM', UNIQUE_TIMES, text)
  end
end

local freed_keys, freed_by = {}, {} -- by flush(), from the jobs that hold them

-- Let go of a reject key, if it is this job that holds it.
local function key_release(job)
  local text, _, throttle = key_of(job)
  if text and not throttle then
    freed_keys[#freed_keys + 1] = text
    freed_by[#freed_by + 1] = job.id
  end
end

local function keys_settle()
  local entries = read_all('HMGET', UNIQUE, freed_keys)
  local freed = {}
  for i = 1, #freed_keys do
    if entries[i] and string.sub(entries[i], 1, 16) == freed_by[i] and
       string.byte(entries[i], 23) == 0 then -- no throttle from an earlier stay
      freed[#freed + 1] = freed_keys[i]
    end
  end
  write_all('HDEL', UNIQUE, freed)
  write_all('ZREM', UNIQUE_TIMES, freed)
  freed_keys, freed_by = {}, {}
end

-- --- retention ------------------------------------------------------------------------

-- The numbers of a retention text: [state] = { age, count }.
local function retention(text)
  local a, b, c, d, e, f = string.match(text, '(%S+) (%S+) (%S+) (%S+) (%S+) (%S+)')
  return { [COMPLETED] = { age = tonumber(a), count = tonumber(b) },
           [DEAD] = { age = tonumber(c), count = tonumber(d) },
           [CANCELLED] = { age = tonumber(e), count = tonumber(f) } }
end

-- The queue's own retention, else what the caller passed.
local function retention_here(passed_text)
  return retention(meta.keep or passed_text)
end

-- --- moves ------------------------------------------------------------------------------

-- Out of the index its state has. Then it must go somewhere, or be removed.
local function leave(job)
  if job.state == PENDING then
    line_leave(job.priority, job.place, job.id)
  elseif job.state == PROCESSING then
    later_one('ZREM', LEASES, job.id)
  elseif job.state == IN_SCHEDULED then
    later_one('ZREM', SCHEDULED, job.id)
  elseif job.state == IN_FAILED then
    later_one('ZREM', FAILED, job.id)
  elseif job.state == HELD then
    line_leave(HELD_LINE, job.place, job.id)
  else
    line_leave(FINISHED_LINE[job.state], job.place, job.id)
  end
end

local erased = {}

-- Delete all that is stored of it; its index and its key are the caller's. Last of
-- all writes, so that nothing saved before in the same step outlives it.
local function erase(id)
  erased[#erased + 1] = id
end

jobs_settle = function()
  if #freed_keys > 0 then
    keys_settle()
  end
  if #erased > 0 then
    write_all('HDEL', JOBS, erased)
    write_all('HDEL', HEADS, erased)
    for _, key in ipairs({ ERRORS, RESULTS }) do
      if redis.call('EXISTS', key) == 1 then
        write_all('HDEL', key, erased)
      end
    end
    erased = {}
  end
end

local function save(job)
  later_two('HSET', HEADS, job.id,
            struct.pack(HEAD, 1, job.state, job.priority, job.flags, job.attempt,
                        job.crashes, job.epoch, job.run_at, job.place, job.started_at,
                        job.finished_at, job.owner))
end

local function to_tail(job)
  job.state = PENDING
  job.place = line_push(job.priority, job.id)
  save(job)
end

-- Before all others of its priority. `place` is one of those that head_places() gave.
local function to_head(job, place)
  job.state, job.place = PENDING, place
  later_two('ZADD', STRAYS, job.priority * STRAY + place, job.id)
  save(job)
end

-- The first of `count` places before all lanes.
local function head_places(count)
  local used = number('head') + count
  meta_set('head', used)
  return FIRST - used
end

-- state: IN_SCHEDULED or IN_FAILED.
local function to_time(job, state, run_at)
  job.state, job.run_at, job.place = state, run_at, 0
  later_two('ZADD', state == IN_SCHEDULED and SCHEDULED or FAILED, run_at, job.id)
  save(job)
end

-- Does what finishes in this state go at once? `keep`: as retention() gave it; nil:
-- all stays for ever.
local function keeps_none(keep, state)
  return keep ~= nil and (keep[state].age == 0 or keep[state].count == 0)
end

-- state: COMPLETED, DEAD or CANCELLED. What is called before it with the job, as
-- add_error(), is undone where nothing is kept.
local function to_finished(job, state, now, keep)
  if has(job.flags, HAS_REJECT_KEY) then
    key_release(job)
  end
  job.state, job.finished_at = state, now
  if keeps_none(keep, state) then
    line_skip(FINISHED_LINE[state])
    erase(job.id)
    return
  end
  job.place = line_push(FINISHED_LINE[state], job.id)
  save(job)
end

-- One more error; `stored` is its entry in ERRORS, or false. A damaged one is begun
-- anew.
local function add_error(job, stored, now, text)
  local count, rest = 0, ''
  if stored and #stored > 10 and string.byte(stored) <= ERRORS_KEPT then
    count, rest = string.byte(stored), string.sub(stored, 2)
  end
  if count == ERRORS_KEPT then
    local _, _, size, at = struct.unpack('>I6HH', rest)
    count, rest = count - 1, string.sub(rest, at + size)
  end
  later_two('HSET', ERRORS, job.id,
            struct.pack('>B', count + 1) .. rest ..
            struct.pack('>I6HH', now, job.attempt, #text) .. text)
  job.flags = with(job.flags, HAS_ERRORS, true)
end

local function drop_result(job)
  if has(job.flags, HAS_RESULT) then
    later_one('HDEL', RESULTS, job.id)
    job.flags = with(job.flags, HAS_RESULT, false)
  end
end

local function give_back(job)
  job.attempt = math.max(0, job.attempt - 1)
end

-- When the next scheduled or failed job is due; 0: there is none.
local function next_at()
  local first = 0
  for _, key in ipairs({ SCHEDULED, FAILED }) do
    local head = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
    if head[2] and (first == 0 or tonumber(head[2]) < first) then
      first = tonumber(head[2])
    end
  end
  return first
end
