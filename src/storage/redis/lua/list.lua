#!lua flags=no-writes
-- list.lua - a page of one state, in the state's own order.
--
-- A page ends when it has enough jobs, or when enough was looked at: the server does
-- nothing else meanwhile. Where it ended is told by what does not change while jobs
-- come and go: a place in a line, or a time and an id.
--
-- ARGV: 3 state; 4, 5 rank and tie where the page before ended, '' and '' for the
-- first; 6 how many; 7 the type; not there: any
-- Reply: 1 if more may follow; rank and tie where this page ended; then for each job
-- id, head, body, errors, result
-- include: step, line, order

local STATE, RANK, TIE, MOST, TYPE =
  tonumber(ARGV[3]), ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7]
local IN_SCHEDULED, IN_PENDING, IN_PROCESSING, IN_FAILED, IN_HELD = 2, 3, 4, 5, 9
local FINISHED = { [6] = COMPLETED_LINE, [7] = DEAD_LINE, [8] = CANCELLED_LINE }
local SLICE = 128               -- read from an index at once
local LOOKS_MAX = 1000          -- jobs in one page, of whatever type
local HOLES_MAX = 20000
local BYTES_MAX = 8 * 1024 * 1024
local LONG_AGO = -2 ^ 63        -- the rank of what is at -inf

local page = { 0, 0, 0 }
local shown, looks, holes, bytes = 0, 0, 0, 0

-- A number in full; tostring() has 14 digits only.
local function text(number)
  return string.format('%.0f', number)
end

local function add(value)
  page[#page + 1] = value
  if value then
    bytes = bytes + #value
  end
end

local function add_job(id, body)
  local head, errors, result = redis.call('HGET', HEADS, id), false, false
  if head then -- who was never touched has neither
    errors, result = redis.call('HGET', ERRORS, id), redis.call('HGET', RESULTS, id)
  end
  add(id)
  add(head)
  add(body)
  add(errors)
  add(result)
  shown = shown + 1
end

-- The next element of an index. False: the page ends before it.
local function look(id, rank, tie)
  if shown == MOST or looks == LOOKS_MAX or holes == HOLES_MAX or bytes >= BYTES_MAX then
    page[1] = 1
    return false
  end
  page[2], page[3] = rank, tie
  if id == '' then
    holes = holes + 1
    return true
  end
  looks = looks + 1
  local body = redis.call('HGET', JOBS, id)
  local size = TYPE and body and string.byte(body, 30) -- nil: damaged
  if not TYPE or (size and string.sub(body, 31, 30 + size) == TYPE) then
    add_job(id, body)
  else
    bytes = bytes + (body and #body or 0)
  end
  return true
end

-- --- lines ----------------------------------------------------------------------

-- Strays have lower places than all that is in the list.
local function strays_up(n, place)
  if stray_count() == 0 then
    return true
  end
  local last = text((n + 1) * STRAY - 1)
  repeat
    local part = redis.call('ZRANGEBYSCORE', STRAYS, '(' .. text(n * STRAY + place), last,
                            'WITHSCORES', 'LIMIT', 0, SLICE)
    for i = 1, #part, 2 do
      place = tonumber(part[i + 1]) - n * STRAY
      if not look(part[i], n, place) then
        return false
      end
    end
  until #part < 2 * SLICE
  return true
end

-- A line from its front, behind `place`. False: the page is full.
local function line_up(n, place)
  if not strays_up(n, place) then
    return false
  end
  local first, length = line_first(n), line_length(n)
  local at = math.max(0, place + 1 - first)
  while at < length do
    local part = redis.call('LRANGE', line_key(n), at, at + SLICE - 1)
    for i = 1, #part do
      if not look(part[i], n, first + at + i - 1) then
        return false
      end
    end
    at = at + SLICE
  end
  return true
end

local function strays_down(n, place)
  if stray_count() == 0 then
    return
  end
  local first = text(n * STRAY)
  repeat
    local part = redis.call('ZREVRANGEBYSCORE', STRAYS, '(' .. text(n * STRAY + place),
                            first, 'WITHSCORES', 'LIMIT', 0, SLICE)
    for i = 1, #part, 2 do
      place = tonumber(part[i + 1]) - n * STRAY
      if not look(part[i], n, place) then
        return
      end
    end
  until #part < 2 * SLICE
end

-- A line from its end, before `place`.
local function line_down(n, place)
  local first = line_first(n)
  local at = math.min(line_length(n), place - first)
  while at > 0 do
    local from = math.max(0, at - SLICE)
    local part = redis.call('LRANGE', line_key(n), from, at - 1)
    for i = #part, 1, -1 do
      if not look(part[i], n, first + from + i - 1) then
        return
      end
    end
    at = from
  end
  strays_down(n, place)
end

local function lanes_up()
  local lane, place = 1, 0
  if RANK ~= '' then
    lane, place = math.max(1, tonumber(RANK)), tonumber(TIE)
  end
  while lane <= 10 and line_up(lane, place) do
    lane, place = lane + 1, 0
  end
end

-- --- by time --------------------------------------------------------------------

local function times_up(key)
  local at = RANK == '' and 0 or rank_behind(key, RANK, TIE)
  repeat
    local part = redis.call('ZRANGE', key, at, at + SLICE - 1, 'WITHSCORES')
    for i = 1, #part, 2 do
      if not look(part[i], math.max(tonumber(part[i + 1]), LONG_AGO), part[i]) then
        return
      end
    end
    at = at + SLICE
  until #part < 2 * SLICE
end

-- --- the page -------------------------------------------------------------------

if not meta_read() then
  return page
end
if STATE == IN_PENDING then
  lanes_up()
elseif STATE == IN_HELD then
  line_up(HELD_LINE, RANK == '' and 0 or tonumber(TIE))
elseif FINISHED[STATE] then
  line_down(FINISHED[STATE], RANK == '' and STRAY or tonumber(TIE))
elseif STATE == IN_SCHEDULED then
  times_up(SCHEDULED)
elseif STATE == IN_FAILED then
  times_up(FAILED)
elseif STATE == IN_PROCESSING then
  times_up(LEASES)
end
return page
