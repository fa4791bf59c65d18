#!lua flags=allow-oom
-- take_out.lua - handing jobs over to another storage: held, then deleted or put
-- back.
--
-- ARGV: clock, kind ('hold', 'confirm' or 'release'), mover; to hold: from_states,
-- limit, and the place to go on from (0: the first); else all ids in one word.
-- Replies: hold: the place to go on from, if nothing was found so far and there is more
-- to look at, else 0; then for each job its id, head, body, errors and result, the head
-- being of before it was held; else a letter for each id: o or n for OK, NOT_FOUND.
-- include: step, line, job, walk

local kind, mover = ARGV[3], ARGV[4]
-- How large a reply may be; then it has fewer jobs. One that takes longer than the
-- caller waits would never arrive.
local HOLD_BYTES = 8 * 2 ^ 20
local HOLD_SLICE = 20    -- jobs that are read at once: a job and its result may be large
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
local function gather(from_states, place)
  place = gather_line(HELD_LINE, place, is_mine)
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

-- Add what was found to the reply, up to `limit` jobs; damaged ones are passed over.
local function hand_over(held, limit, reply)
  local bytes = 0
  for from = 1, #ids, HOLD_SLICE do
    local part = { unpack(ids, from, math.min(from + HOLD_SLICE - 1, #ids)) }
    local heads, bodies = read_all('HMGET', HEADS, part), read_all('HMGET', JOBS, part)
    local errors = read_all('HMGET', ERRORS, part)
    local results = read_all('HMGET', RESULTS, part)
    for i = 1, #part do
      local job = job_of(part[i], heads[i], bodies[i])
      if job and #reply <= limit and bytes < HOLD_BYTES then
        if from + i - 1 <= held then
          heads[i] = head_before(part[i], heads[i])
        else
          hold_one(job)
        end
        bytes = bytes + #bodies[i] + #(errors[i] or '') + #(results[i] or '')
        reply[#reply + 1] = { part[i], heads[i], bodies[i], errors[i], results[i] }
      end
    end
    flush()
    if #reply > limit or bytes >= HOLD_BYTES then
      break
    end
  end
end

-- An answer without jobs says that there are none left. So if all that was found is
-- damaged, twice as many are looked for.
local function hold(from_states, after)
  local reply, limit = { 0 }, most
  repeat
    local held, place = gather(from_states, after)
    if #ids == 0 and is_enough() then
      reply[1] = math.max(place, 1)
    end
    hand_over(held, limit, reply)
    local in_the_way = #reply == 1 and #ids == most
    most, ids = 2 * most, {}
  until not in_the_way or most > HOLD_LOOKS
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
  return { 0 }
end
most = tonumber(ARGV[6])
return hold(tonumber(ARGV[5]), tonumber(ARGV[7]))
