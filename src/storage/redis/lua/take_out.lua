#!lua flags=allow-oom
-- take_out.lua - handing jobs over to another storage: held, then deleted or put
-- back.
--
-- ARGV: clock, kind, mover; to 'hold': from_states, limit, the place to go on from (0:
-- the first), and '1' to pass over what the mover holds; to 'confirm', 'release' or
-- 'pass': all ids in one word, all digests in one ('': no tally), and who it is passed
-- to; to 'tally' or 'forget': nothing.
-- Replies: hold: the place to go on from, if nothing was found so far and there is more
-- to look at, else 0; then for each job its id, head, body, errors and result, the head
-- being of before it was held; tally, forget: the tally, or ''; else a letter for each
-- id: o or n for OK, NOT_FOUND.
-- include: step, line, job, walk, tally

local kind, mover = ARGV[3], ARGV[4]
local HOLD_BYTES = 64 * 1024 * 1024 -- what one reply may be large; then fewer jobs
-- Jobs that are read at once: a job and its result may be large, so few at first.
local HOLD_SLICE, HOLD_SLICE_BYTES, HOLD_SLICE_MOST = 20, 1024 * 1024, 500
local HOLD_LOOKS = 20000 -- elements of lines that one call looks at in vain
local exists = meta_read()

-- --- hold ---------------------------------------------------------------------------

local ids, most = {}, nil -- what is found, and how many at most
local looks = 0           -- in vain

-- Is there enough, or was enough looked at?
local function is_enough()
  return #ids >= most or looks >= HOLD_LOOKS
end

-- Add the ids of a line, from its first job behind `place` on; `allowed` (nil: all) says
-- for the ids of a slice which of them. Where it ended.
local function gather_line(n, place, allowed)
  while not is_enough() do
    local some, _, upto = line_slice(n, place, LOOK)
    if not upto then
      break
    end
    local entries, found = allowed and allowed(some), #ids
    for i = 1, #some do
      if #ids < most and (not entries or entries[i]) then
        ids[#ids + 1] = some[i]
      end
    end
    looks = looks + LOOK - (#ids - found)
    place = upto
  end
  return place
end

local function gather_zset(key)
  if not is_enough() then
    for _, id in ipairs(redis.call('ZRANGE', key, 0, most - #ids - 1)) do
      ids[#ids + 1] = id
    end
  end
end

-- Which of these held jobs are the mover's.
local function is_mine(some)
  local entries = read_all('HMGET', HOLDS, some)
  for i = 1, #some do
    entries[i] = entries[i] and string.sub(entries[i], 1, 16) == mover
  end
  return entries
end

-- What is held already, behind `place`, then the states in the order of their numbers.
-- How many are of the first kind; and where the held end. The other lines need no place
-- to go on from: what was looked at in vain there are holes in front, which go.
local function gather(from_states, place, only_new)
  if not only_new then
    place = gather_line(HELD_LINE, place, is_mine)
  end
  local held = #ids
  if has(from_states, 2 ^ IN_SCHEDULED) then
    gather_zset(SCHEDULED)
  end
  for n = 1, 10 do
    if has(from_states, 2 ^ PENDING) then
      gather_line(n, 0)
    end
  end
  if has(from_states, 2 ^ IN_FAILED) then
    gather_zset(FAILED)
  end
  for state = COMPLETED, CANCELLED do
    if has(from_states, 2 ^ state) then
      gather_line(FINISHED_LINE[state], 0)
    end
  end
  return held, place
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
  if not head then -- somebody deleted it
    return head
  end
  return string.sub(head, 1, 1) .. string.sub(entry, 17, 17) .. string.sub(head, 3)
end

local function hold(from_states, after, only_new)
  local held, place = gather(from_states, after, only_new)
  local reply, bytes = { 0 }, 0
  local has_errors = redis.call('EXISTS', ERRORS) == 1
  local has_results = redis.call('EXISTS', RESULTS) == 1
  if #ids == 0 and is_enough() then
    reply[1] = math.max(place, 1)
  end
  local from, slice = 1, HOLD_SLICE
  while from <= #ids and bytes < HOLD_BYTES do
    local part = { unpack(ids, from, math.min(from + slice - 1, #ids)) }
    local heads, bodies = read_all('HMGET', HEADS, part), read_all('HMGET', JOBS, part)
    local errors = has_errors and read_all('HMGET', ERRORS, part) or {}
    local results = has_results and read_all('HMGET', RESULTS, part) or {}
    local before = bytes
    for i = 1, #part do
      local job = job_of(part[i], heads[i], bodies[i])
      if job and bytes < HOLD_BYTES then
        if from + i - 1 <= held then
          heads[i] = head_before(part[i], heads[i])
        else
          hold_one(job)
        end
        bytes = bytes + #bodies[i] + #(errors[i] or '') + #(results[i] or '')
        reply[#reply + 1] = { part[i], heads[i], bodies[i], errors[i] or false,
                              results[i] or false }
      end
    end
    flush()
    from = from + #part
    slice = math.floor(HOLD_SLICE_BYTES * #part / (bytes - before + 1))
    slice = math.max(1, math.min(slice, HOLD_SLICE_MOST))
  end
  lines_trim()
  return reply
end

-- --- confirm, release, pass ---------------------------------------------------------

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

local function settle(words, digests, heir)
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
    if kind == 'pass' then
      later_two('HSET', HOLDS, id, heir .. string.sub(entry, 17))
    else
      later_one('HDEL', HOLDS, id)
    end
    if kind == 'confirm' then
      remove(job)
    elseif kind == 'release' then
      release(job, entry)
      released = true
    end
    results[#results + 1] = 'o'
    tally_add(#results)
  end)
  tally_save(mover, digests)
  lines_trim()
  if released then
    news()
  end
  return table.concat(results)
end

-- --- the step -----------------------------------------------------------------------

if kind == 'tally' or kind == 'forget' then
  if kind == 'forget' then
    redis.call('HDEL', META, 'tally:' .. mover)
  end
  return meta['tally:' .. mover] or ''
end
if kind ~= 'hold' then
  return settle(ARGV[5], ARGV[6], ARGV[7])
end
if not exists then
  return { 0 }
end
most = tonumber(ARGV[6])
return hold(tonumber(ARGV[5]), tonumber(ARGV[7]), ARGV[8] == '1')
