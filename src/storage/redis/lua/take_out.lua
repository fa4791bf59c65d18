#!lua flags=allow-oom
-- take_out.lua - handing jobs over to another storage: held, then deleted or put
-- back.
--
-- ARGV: clock, kind ('hold', 'confirm' or 'release'), mover; to hold: from_states
-- and limit; else all ids in one word.
-- Replies: hold: for each job its id, head, body, errors and result, the head being
-- of before it was held; else a letter for each id: o or n for OK, NOT_FOUND.
-- include: step, line, job, walk

local kind, mover = ARGV[3], ARGV[4]
local HOLD_BYTES = 64 * 1024 * 1024 -- what one reply may be large; then fewer jobs
local exists = meta_read()

-- --- hold ---------------------------------------------------------------------------

-- Add the ids of a line, from its first job on, up to `most` in all; `allowed` (nil:
-- all) says for the ids of a slice which of them.
local function gather_line(n, ids, most, allowed)
  local place = 0
  while place and #ids < most do
    local some, _, upto = line_slice(n, place, LOOK)
    local entries = allowed and allowed(some)
    for i = 1, #some do
      if #ids < most and (not entries or entries[i]) then
        ids[#ids + 1] = some[i]
      end
    end
    place = upto
  end
end

local function gather_zset(key, ids, most)
  if #ids < most then
    for _, id in ipairs(redis.call('ZRANGE', key, 0, most - #ids - 1)) do
      ids[#ids + 1] = id
    end
  end
end

-- Which of these held jobs are the mover's.
local function is_mine(ids)
  local entries = read_all('HMGET', HOLDS, ids)
  for i = 1, #ids do
    entries[i] = entries[i] and string.sub(entries[i], 1, 16) == mover
  end
  return entries
end

-- What is held already, then the states in the order of their numbers. Second: how
-- many are of the first kind.
local function gather(from_states, most)
  local ids = {}
  gather_line(HELD_LINE, ids, most, is_mine)
  local held = #ids
  if has(from_states, 2 ^ IN_SCHEDULED) then
    gather_zset(SCHEDULED, ids, most)
  end
  for n = 1, 10 do
    if has(from_states, 2 ^ PENDING) then
      gather_line(n, ids, most)
    end
  end
  if has(from_states, 2 ^ IN_FAILED) then
    gather_zset(FAILED, ids, most)
  end
  for state = COMPLETED, CANCELLED do
    if has(from_states, 2 ^ state) then
      gather_line(FINISHED_LINE[state], ids, most)
    end
  end
  return ids, held
end

local function hold_one(job)
  local entry = mover .. struct.pack('>BI6', job.state, job.place)
  leave(job)
  job.state, job.place = HELD, line_push(HELD_LINE, job.id)
  later_two('HSET', HOLDS, job.id, entry)
  save(job)
end

-- The head of a job that is held already, as it was before.
local function head_before(id, head)
  local entry = redis.call('HGET', HOLDS, id)
  return string.sub(head, 1, 1) .. string.sub(entry, 17, 17) .. string.sub(head, 3)
end

local function hold(from_states, most)
  local ids, held = gather(from_states, most)
  local reply, bytes = {}, 0
  for from = 1, #ids, SLICE do
    local part = { unpack(ids, from, math.min(from + SLICE - 1, #ids)) }
    local heads, bodies = read_all('HMGET', HEADS, part), read_all('HMGET', JOBS, part)
    local errors = read_all('HMGET', ERRORS, part)
    local results = read_all('HMGET', RESULTS, part)
    for i = 1, #part do
      local job = job_of(part[i], heads[i], bodies[i])
      if job and bytes < HOLD_BYTES then
        if from + i - 1 <= held then
          heads[i] = head_before(part[i], heads[i])
        else
          hold_one(job)
        end
        bytes = bytes + #bodies[i]
        reply[#reply + 1] = { part[i], heads[i], bodies[i], errors[i], results[i] }
      end
    end
    flush()
    if bytes >= HOLD_BYTES then
      break
    end
  end
  lines_trim()
  return reply
end

-- --- confirm and release ------------------------------------------------------------

local function release(job, entry)
  local state, place = struct.unpack('>BI6', entry, 17)
  leave(job)
  job.state, job.place = state, place
  if state == PENDING then
    line_return(job.priority, place, job.id)
    head_places(1) -- nobody's: it is how a waiter sees that something arrived
  elseif FINISHED_LINE[state] then
    line_return(FINISHED_LINE[state], place, job.id)
  else
    later_two('ZADD', state == IN_SCHEDULED and SCHEDULED or FAILED, job.run_at, job.id)
  end
  save(job)
end

local function settle(words)
  local ids, results, holds, released = {}, {}, {}, false
  for at = 1, #words, 16 do
    ids[#ids + 1] = string.sub(words, at, at + 15)
  end
  local entries = read_all('HMGET', HOLDS, ids)
  for i = 1, #ids do
    local id = ids[i]
    holds[id] = entries[i] or nil
  end
  each_job(ids, function(id, job)
    local entry = holds[id]
    if not job or not entry or string.sub(entry, 1, 16) ~= mover then
      results[#results + 1] = 'n'
      return
    end
    holds[id] = nil
    later_one('HDEL', HOLDS, id)
    if kind == 'confirm' then
      remove(job)
    else
      release(job, entry)
      released = true
    end
    results[#results + 1] = 'o'
  end)
  lines_trim()
  if released then
    news()
  end
  return table.concat(results)
end

-- --- the step -----------------------------------------------------------------------

if kind ~= 'hold' then
  return settle(ARGV[5])
end
if not exists then
  return {}
end
return hold(tonumber(ARGV[5]), tonumber(ARGV[6]))
