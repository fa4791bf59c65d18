#!lua flags=no-writes
-- stats.lua - the numbers of one queue. Nil: it does not exist.
--
-- Reply: 1 if paused; jobs scheduled, pending, processing, failed, completed, dead,
-- cancelled, held; completed_total, dead_total, failed_total; age of the oldest
-- pending job, -1 for none; the queue's own retention as FORMAT.md has it, or ''
-- include: step, line

local HOLES_MAX = 20000 -- passed over in one lane
local SLICE = 500

-- How many jobs are in the lines from `first` to `last`.
local function jobs_in(first, last)
  local count = 0
  for n = first, last do
    count = count + line_length(n) - number('holes:' .. n)
  end
  if stray_count() > 0 then
    count = count + redis.call('ZCOUNT', STRAYS, first * STRAY, (last + 1) * STRAY - 1)
  end
  return count
end

-- How many ever entered a line.
local function total_of(n)
  return number('base:' .. n) + line_length(n)
end

-- The time now, as a step that writes would have it.
local function time_now()
  local now = tonumber(ARGV[1])
  if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
  end
  return math.max(now, number('now'))
end

-- The first job of a lane; nil: there is none, or it stands behind too many holes.
local function first_of(n)
  if stray_count() > 0 then
    local stray = redis.call('ZRANGEBYSCORE', STRAYS, n * STRAY, (n + 1) * STRAY - 1,
                             'LIMIT', 0, 1)
    if stray[1] then
      return stray[1]
    end
  end
  for at = 0, math.min(line_length(n), HOLES_MAX) - 1, SLICE do
    local part = redis.call('LRANGE', line_key(n), at, at + SLICE - 1)
    for i = 1, #part do
      if part[i] ~= '' then
        return part[i]
      end
    end
  end
end

-- Since when a pending job could run; nil: its record is damaged.
local function pending_since(id)
  local head, body = redis.call('HGET', HEADS, id), redis.call('HGET', JOBS, id)
  if not body or #body < 13 or (head and #head < 18) then
    return nil
  end
  local enqueued, run_at = struct.unpack('>I6I6', body, 2)
  if head then
    run_at = struct.unpack('>I6', head, 13)
  end
  return math.max(enqueued, run_at)
end

-- A job behind too many holes, or damaged, counts as new: its age is not known, but
-- that it is there is.
local function oldest_pending(now)
  local oldest = -1
  for n = 1, 10 do
    if jobs_in(n, n) > 0 then
      local id = first_of(n)
      local since = id and pending_since(id) or now
      oldest = math.max(oldest, now - since, 0)
    end
  end
  return oldest
end

if not meta_read() then
  return false
end
return {
  meta.paused and 1 or 0,
  redis.call('ZCARD', SCHEDULED), jobs_in(1, 10), redis.call('ZCARD', LEASES),
  redis.call('ZCARD', FAILED), jobs_in(COMPLETED_LINE, COMPLETED_LINE),
  jobs_in(DEAD_LINE, DEAD_LINE), jobs_in(CANCELLED_LINE, CANCELLED_LINE),
  jobs_in(HELD_LINE, HELD_LINE),
  total_of(COMPLETED_LINE), total_of(DEAD_LINE), number('failed_total'),
  oldest_pending(time_now()), meta.keep or '',
}
