-- line.lua - lines: lists whose elements have rising places (FORMAT.md, "Lines").
--
-- What joins a line and what leaves it is written by flush(), so until then places
-- and indexes are those from before.

local FIRST, STRAY = 2 ^ 44, 2 ^ 46
local COMPLETED_LINE, DEAD_LINE, CANCELLED_LINE, HELD_LINE = 11, 12, 13, 14

-- A line may be a million holes, and nobody else is served while they are passed: so
-- no more of them up to the next flush(), and after some are found, many are read at once.
local HOLES_MOST, HOLE_LOOK = 20000, 500

local lengths = {}       -- of the lists, with what will join
local ends = {}          -- the places that the next to join will have
local leaving = {}       -- [line]: places and ids of those that will leave, in turns
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
  local place = ends[n] or line_end(n)
  ends[n] = place + 1
  lengths[n] = lengths[n] + 1
  later_one('RPUSH', line_key(n), id)
  return place
end

-- Append many.
local function line_push_all(n, ids)
  lengths[n] = line_length(n) + #ids
  ends[n] = nil
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
    ends[n] = nil
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

-- Take a job out of wherever in the line it stands.
local function line_leave(n, place, id)
  if place >= line_first(n) then
    local of_line = leaving[n]
    if not of_line then
      of_line = {}
      leaving[n] = of_line
    end
    local count = #of_line
    of_line[count + 1] = place
    of_line[count + 2] = id
  else
    later_one('ZREM', STRAYS, id)
  end
end

-- Are these the first of what stays of the line, one behind the other? Then they are
-- cut off its front, all at once.
local function leave_front(n, of_line)
  local from, count = passed[n] or 0, #of_line / 2
  local first = line_first(n) + from
  for i = 1, count do
    if of_line[2 * i - 1] ~= first + i - 1 then
      return false
    end
  end
  local there = redis.call('LRANGE', line_key(n), from, from + count - 1)
  for i = 1, count do
    if there[i] ~= of_line[2 * i] then
      return false
    end
  end
  passed[n] = from + count
  return true
end

-- Each becomes a hole. A damaged one may stand elsewhere than it says: then nobody else
-- is to be taken out for it.
local function leave_holes(n, of_line)
  local key, first, holes = line_key(n), line_first(n), 0
  for i = 1, #of_line, 2 do
    local at = of_line[i] - first
    if redis.call('LRANGE', key, at, at)[1] == of_line[i + 1] then
      redis.call('LSET', key, at, '')
      holes = holes + 1
    end
  end
  meta_set('holes:' .. n, number('holes:' .. n) + holes)
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
  for n, of_line in pairs(leaving) do
    if not leave_front(n, of_line) then
      leave_holes(n, of_line)
    end
  end
  leaving = {}
  for n, count in pairs(passed) do
    redis.call('LTRIM', line_key(n), count, -1)
    meta_set('base:' .. n, number('base:' .. n) + count)
    lengths[n] = lengths[n] and lengths[n] - count
  end
  passed, passed_strays, strays, holes_passed = {}, {}, nil, 0
end
