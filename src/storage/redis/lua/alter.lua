#!lua flags=allow-oom
-- alter.lua - an operator's moves: on named jobs, on those that match, or on the
-- queue.
--
-- ARGV: clock, '0' or, if it may make the queue, this server's run_id; kind,
-- from_states, fresh_start, priority, retention, then what it is for: 'ids' and all
-- ids in one word; or 'all', type ('' for any, else '=' and the type), older_than,
-- limit, and where to go on: state, line, place or score, id; or 'queue'.
-- Replies: NEW: there is no queue. Else the number of jobs changed, and for ids a
-- letter for each: o, n, w or k for OK, NOT_FOUND, WRONG_STATE, KEY_TAKEN. For all:
-- 'more': the limit was reached; 'done'; or 'on', and where to go on from: one call
-- looks at a bounded number of jobs, however few of them match, and of bytes.
-- include: step, line, job, walk, order

local RUN, CANCEL, REMOVE, REPRIORITISE = 0, 1, 2, 3
local PAUSE, RESUME = 4, 5
local LOOKS = 2000
local kind, from_states = tonumber(ARGV[4]), tonumber(ARGV[5])
local fresh_start, priority = ARGV[6] == '1', tonumber(ARGV[7])

if not meta_read() then
  if ARGV[3] == '0' then
    return redis.status_reply('NEW')
  end
  meta_set('format', 1)
  meta_set('server', ARGV[3])
end
local now = clock()
local keep = meta.keep and retention(meta.keep) -- a person's cancel passes none
local changed, woken = 0, false

-- --- one job ------------------------------------------------------------------------

-- A finished job let go of its reject key; it needs it again, unless the key's time
-- is over. False: it is held.
local function retake_key(job)
  if not FINISHED_LINE[job.state] or not has(job.flags, HAS_REJECT_KEY) then
    return true
  end
  local text, ttl = key_of(job)
  local over = ttl > 0 and enqueued_at(job) + ttl or 0
  if over ~= 0 and over <= now then
    return true
  end
  if holder_in(redis.call('HGET', UNIQUE, text), now) then
    return false
  end
  key_take(text, job.id, over, false)
  return true
end

local function run(job)
  if not retake_key(job) then
    return 'k'
  end
  leave(job)
  drop_result(job)
  job.run_at, job.finished_at = now, 0
  job.flags = with(job.flags, CANCEL_ASKED, false)
  if fresh_start then
    job.attempt, job.crashes = 0, 0
  end
  to_tail(job)
  woken = true
  return 'o'
end

local function cancel(job)
  if job.state == PROCESSING then
    job.flags = with(job.flags, CANCEL_ASKED, true)
    save(job)
  else
    leave(job)
    to_finished(job, CANCELLED, now, keep)
    job.gone = keeps_none(keep, CANCELLED)
  end
  return 'o'
end

local function reprioritise(job)
  if job.state == PENDING then
    leave(job)
    job.priority = priority
    to_tail(job)
    woken = true
  else
    job.priority = priority
    save(job)
  end
  return 'o'
end

local function remove_job(job)
  remove(job)
  return 'o'
end

local MOVE = { [RUN] = run, [CANCEL] = cancel, [REMOVE] = remove_job,
               [REPRIORITISE] = reprioritise }

-- Is the job already as this call would have it?
local function nothing_to_do(job)
  if kind == CANCEL then
    return job.state == PROCESSING and has(job.flags, CANCEL_ASKED)
  end
  return kind == REPRIORITISE and job.priority == priority
end

local function alter_job(job)
  if not has(from_states, 2 ^ job.state) then
    return 'w'
  end
  if nothing_to_do(job) then
    return 'o'
  end
  local result = MOVE[kind](job)
  if result == 'o' then
    changed = changed + 1
  end
  return result
end

-- --- named jobs ---------------------------------------------------------------------

local function alter_named(words)
  local ids, results = {}, {}
  for at = 1, #words, 16 do
    ids[#ids + 1] = string.sub(words, at, at + 15)
  end
  each_job(ids, function(_, job)
    results[#results + 1] = job and alter_job(job) or 'n'
  end)
  return { changed, table.concat(results) }
end

-- --- all that match -----------------------------------------------------------------

local type_wanted = ARGV[10] ~= '' and string.sub(ARGV[10] or '', 2) or nil
local older_than, limit = tonumber(ARGV[11]), tonumber(ARGV[12])
local looks, is_more = 0, false

local function wanted(job)
  if nothing_to_do(job) or (type_wanted and type_of(job) ~= type_wanted) then
    return false
  end
  local since = FINISHED_LINE[job.state] and job.finished_at or enqueued_at(job)
  return older_than == 0 or now - since >= older_than
end

-- The jobs of one slice. Second: how many of them are where they were.
local function alter_slice(ids, state)
  local stayed = 0
  local stop = each_job(ids, function(_, job)
    local here = true
    if job and job.state == state and wanted(job) then
      if changed == limit then
        is_more = true
        return true
      end
      alter_job(job)
      here = job.state == state and not job.gone
    end
    stayed = stayed + (here and 1 or 0)
  end)
  looks = looks + #ids + 10
  return stop, stayed
end

-- Of a line, behind `place`. Nil: to its end; else where to go on.
local function walk_line(state, n, place)
  while looks < LOOKS and not read_enough() do
    local ids, _, upto = line_slice(n, place, SLICE)
    if alter_slice(ids, state) then
      return place
    end
    if not upto then
      return nil
    end
    place = upto
  end
  return place
end

-- Of a zset, behind where this job stood when it was looked at.
local function walk_zset(state, key, score, id)
  local at = id == '' and 0 or rank_behind(key, score, id)
  while looks < LOOKS and not read_enough() do
    local ids = redis.call('ZRANGE', key, at, at + SLICE - 1)
    if #ids == 0 then
      return nil
    end
    local stop, stayed = alter_slice(ids, state)
    at = at + stayed
    if stop then
      break
    end
  end
  local last = at > 0 and redis.call('ZRANGE', key, at - 1, at - 1, 'WITHSCORES') or {}
  return last[2] or '-inf', last[1] or ''
end

local ZSETS = { [IN_SCHEDULED] = SCHEDULED, [PROCESSING] = LEASES, [IN_FAILED] = FAILED }

-- State by state in the order of their numbers, each from its first job on. Where
-- it was left: the state, the line, and there the place or score and id.
local function alter_matching(state, n, at, id)
  while state <= CANCELLED do
    local on
    if not has(from_states, 2 ^ state) then
      on = nil
    elseif ZSETS[state] then
      on, id = walk_zset(state, ZSETS[state], at, id)
    elseif state == PENDING then
      n = math.max(n, 1)
      if kind ~= REPRIORITISE or n ~= priority then
        on = walk_line(state, n, tonumber(at))
      end
    else
      on = walk_line(state, FINISHED_LINE[state], tonumber(at))
    end
    if on then
      return { changed, is_more and 'more' or 'on', state, n,
               type(on) == 'number' and digits(on) or on, id or '' }
    end
    at, id = '0', ''
    if state == PENDING and has(from_states, 2 ^ state) and n < 10 then
      n = n + 1
    else
      state, n = state + 1, 0
    end
  end
  return { changed, 'done' }
end

-- --- the queue ----------------------------------------------------------------------

local function alter_queue()
  if kind == PAUSE then
    meta_set('paused', '1')
  elseif kind == RESUME then
    redis.call('HDEL', META, 'paused')
    head_places(1) -- nobody's: it is how a waiter sees that something arrived
    woken = true
  else
    meta_set('keep', ARGV[8])
  end
  return { 0 }
end

-- --- the step -----------------------------------------------------------------------

local reply
if kind >= PAUSE then
  reply = alter_queue()
elseif ARGV[9] == 'ids' then
  reply = alter_named(ARGV[10])
else
  reply = alter_matching(tonumber(ARGV[13]), tonumber(ARGV[14]), ARGV[15], ARGV[16])
end
flush()
lines_trim()
if woken then
  news()
end
return reply
