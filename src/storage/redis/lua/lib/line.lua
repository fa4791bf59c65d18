-- line.lua - lines: lists whose elements have rising places (FORMAT.md, "Lines").
--
-- What joins a line and what is taken off its front is written by flush(), so
-- until then places and indexes are those from before. Holes are made at once.

local FIRST, STRAY = 2 ^ 44, 2 ^ 46
local COMPLETED_LINE, DEAD_LINE, CANCELLED_LINE, HELD_LINE = 11, 12, 13, 14

-- A line may be a million holes, and nobody else is served while they are passed: so
-- no more of them up to the next flush(), and after some are found, many are read at once.
local HOLES_MOST, HOLE_LOOK = 20000, 500

local lengths = {}       -- of the lists, with what will join
local passed = {}        -- how many elements of the front will go
local passed_strays = {} -- and how many strays of the line
local strays             -- how many strays there are in all
local holes_passed = 0   -- by line_take(), in all lines

local function line_key(n)
  return KEYS[LINES + n]
end

local function line_length(n)
  if not lengths[n] then
    lengths[n] = redis.call('LLEN', line_key(n))
  end
  return lengths[n]
end

-- The place of the list's first element.
local function line_first(n)
  return FIRST + number('base:' .. n)
end

-- The place that the next to be appended will have.
local function line_end(n)
  return line_first(n) + line_length(n)
end

-- Append; returns the place.
local function line_push(n, id)
  local place = line_end(n)
  lengths[n] = lengths[n] + 1
  later_one('RPUSH', line_key(n), id)
  return place
end

-- Append many.
local function line_push_all(n, ids)
  lengths[n] = line_length(n) + #ids
  local group = later('RPUSH', line_key(n))
  for i = 1, #ids do
    group[#group + 1] = ids[i]
  end
end

-- A place is used up by a job that does not stay. An empty list needs no hole: what
-- keeps no jobs would else gather nothing but holes.
local function line_skip(n)
  if line_length(n) == 0 then
    meta_set('base:' .. n, number('base:' .. n) + 1)
  else
    meta_set('holes:' .. n, number('holes:' .. n) + 1)
    line_push(n, '')
  end
end

local function stray_count()
  strays = strays or redis.call('ZCARD', STRAYS)
  return strays
end

-- Put a job at a place before the list, or back at its own.
local function line_return(n, place, id)
  if place >= line_first(n) then
    redis.call('LSET', line_key(n), place - line_first(n), id)
    meta_set('holes:' .. n, number('holes:' .. n) - 1)
  else
    later_two('ZADD', STRAYS, n * STRAY + place, id)
  end
end

-- Take a job out of wherever in the line it stands. A damaged one may stand elsewhere
-- than it says: then nobody else is to be taken out for it.
local function line_leave(n, place, id)
  if place >= line_first(n) then
    local at = place - line_first(n)
    if redis.call('LRANGE', line_key(n), at, at)[1] == id then
      redis.call('LSET', line_key(n), at, '')
      meta_set('holes:' .. n, number('holes:' .. n) + 1)
    end
  else
    later_one('ZREM', STRAYS, id)
  end
end

-- Strays of the line, up to `most`, behind those taken already.
local function line_take_strays(n, most, upto)
  local from = passed_strays[n] or 0
  if stray_count() == 0 then
    return {}
  end
  local ids = redis.call('ZRANGEBYSCORE', STRAYS, n * STRAY, n * STRAY + upto,
                         'LIMIT', from, most)
  for i = 1, #ids do
    later_one('ZREM', STRAYS, ids[i])
  end
  passed_strays[n] = from + #ids
  return ids
end

-- Did line_take() stop before the end of a line? The holes go with the next flush(), so
-- the next call goes on behind them.
local function line_take_stopped()
  return holes_passed >= HOLES_MOST
end

-- Up to `most` ids from the front, strays before the list, that will be taken off
-- it; of places up to `upto`, if that is given. Holes among them are dropped and not
-- counted. Fewer than there are, or none, once HOLES_MOST holes were passed: then also
-- from any other line, so that no lane overtakes the one that was not read to its end.
local function line_take(n, most, upto)
  if line_take_stopped() then
    return {}
  end
  local ids = line_take_strays(n, most, upto or STRAY - 1)
  local stop = upto and upto - line_first(n) + 1 or math.huge -- this index stays
  local holes, from, look = 0, passed[n] or 0, most - #ids
  while #ids < most and from < stop and holes_passed + holes < HOLES_MOST do
    local part = redis.call('LRANGE', line_key(n), from,
                            math.min(from + look, stop) - 1)
    local holes_before, i = holes, 0
    while i < #part and #ids < most do
      i = i + 1
      if part[i] == '' then
        holes = holes + 1
      else
        ids[#ids + 1] = part[i]
      end
    end
    if i == 0 then
      break
    end
    from = from + i
    passed[n] = from
    look = holes - holes_before == i and HOLE_LOOK or most - #ids
  end
  if holes > 0 then
    meta_set('holes:' .. n, number('holes:' .. n) - holes)
    holes_passed = holes_passed + holes
  end
  return ids
end

lines_settle = function()
  for n, count in pairs(passed) do
    redis.call('LTRIM', line_key(n), count, -1)
    meta_set('base:' .. n, number('base:' .. n) + count)
    lengths[n] = lengths[n] and lengths[n] - count
  end
  passed, passed_strays, strays, holes_passed = {}, {}, nil, 0
end
