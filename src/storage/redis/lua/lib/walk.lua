-- walk.lua - going through lines and through jobs, a slice at a time, so that no
-- step holds more in its hands than it must: a payload may have a megabyte.

local SLICE = 32 -- jobs that are read at once
local BODIES_LOOKED_AT = 8 * 2 ^ 20 -- bytes, after which a step reads no further slice
local LOOK = 500  -- elements of a list that are read at once
local HOLE_LOOKS = 20000 -- holes that one step looks at in one line

-- All digits: Lua's own conversion has 14.
local function digits(value)
  return string.format('%.0f', value)
end

local body_bytes = 0 -- of the jobs that each_job() has read

local function read_enough()
  return body_bytes >= BODIES_LOOKED_AT
end

-- Up to `most` jobs of line n behind the place `after` (0: from its first on), and
-- their places. Third: the place up to which that was all, to go on from; nil at
-- the end of the line. Only what was written counts, not what flush() will add.
local function line_slice(n, after, most)
  local ids, places = {}, {}
  local first = line_first(n)
  if after < first and stray_count() > 0 then
    local found = redis.call('ZRANGEBYSCORE', STRAYS,
                             '(' .. digits(n * STRAY + after),
                             digits((n + 1) * STRAY - 1), 'WITHSCORES', 'LIMIT', 0, most)
    for i = 1, #found, 2 do
      ids[#ids + 1] = found[i]
      places[#places + 1] = tonumber(found[i + 1]) - n * STRAY
    end
    if #ids > 0 then
      return ids, places, places[#ids]
    end
  end
  local from = math.max(0, after + 1 - first)
  local part = redis.call('LRANGE', line_key(n), from, from + most - 1)
  if #part == 0 then
    return ids, places, nil
  end
  for i = 1, #part do
    if part[i] ~= '' then
      ids[#ids + 1] = part[i]
      places[#places + 1] = first + from + i - 1
    end
  end
  return ids, places, first + from + #part - 1
end

-- Take all that stands before `place` off the front of the list: `jobs` jobs, the
-- rest holes. Only after a flush(), since what is still to be appended has no
-- place in the list yet.
local function line_cut(n, place, jobs)
  local count = place - line_first(n)
  if count > 0 then
    passed[n] = count
    meta_set('holes:' .. n, number('holes:' .. n) - (count - jobs))
  end
end

-- Drop the holes at the front, if there are any; the same about flush().
local function line_trim(n)
  local holes, at = number('holes:' .. n), 0
  if holes == 0 then
    return
  end
  if holes == line_length(n) then
    at = holes
  end
  local look = 10
  while at < holes and at < HOLE_LOOKS do
    local part = redis.call('LRANGE', line_key(n), at, at + look - 1)
    local i = 1
    while part[i] == '' do
      i = i + 1
    end
    at = at + i - 1
    if part[i] or #part == 0 then
      break
    end
    look = LOOK
  end
  line_cut(n, line_first(n) + at, 0)
end

-- Of all lines, after a flush(). Who walks from the front makes many holes there,
-- and the next claim would have to look at each of them.
local function lines_trim()
  for n = 1, HELD_LINE do
    line_trim(n)
  end
  flush()
end

-- visit(id, job) for each of these ids; job is nil where there is none, or not any
-- more: visit sets job.gone when it removes it. What visit decided is written
-- before the next slice is read. True if visit said to stop, by true.
local function each_job(ids, visit)
  for from = 1, #ids, SLICE do
    local part = { unpack(ids, from, math.min(from + SLICE - 1, #ids)) }
    local jobs, known, stop = jobs_of(part), {}, false
    for i, id in ipairs(part) do
      local job = known[id] or jobs[i] or nil
      body_bytes = body_bytes + (job and #job.body or 0)
      known[id] = job
      if job and job.gone then
        job = nil
      end
      if visit(id, job) then
        stop = true
        break
      end
    end
    flush()
    if stop then
      return true
    end
  end
  return false
end

-- Delete a job that is in hand, with its reject key.
local function remove(job)
  leave(job)
  if has(job.flags, HAS_REJECT_KEY) then
    key_release(job)
  end
  erase(job.id)
  job.gone = true
end
