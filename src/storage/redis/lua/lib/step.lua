-- step.lua - what every step that writes shares: the keys, the time, the queue's
-- numbers, and writes that are kept back to the end.
--
-- A script is not a transaction: what it wrote stays, should a later command be
-- refused. So a step reads and decides first, collecting its writes, and
-- flush() makes them at the end, of each kind one command for all jobs.

local META, JOBS, HEADS, ERRORS, RESULTS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local SCHEDULED, FAILED, LEASES, STRAYS = KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local HOLDS, UNIQUE, UNIQUE_TIMES = KEYS[10], KEYS[11], KEYS[12]
local SESSIONS, CLAIMS, WAKE = KEYS[13], KEYS[14], KEYS[15]
local LINES = 15 -- KEYS[LINES + n] is line n

-- How many values one command takes: Lua's stack has room for 8,000.
local CHUNK = 4000

-- --- the queue's numbers --------------------------------------------------------

local meta, meta_new = {}, nil

local function meta_read()
  local all = redis.call('HGETALL', META)
  for i = 1, #all, 2 do
    local field = all[i]
    meta[field] = all[i + 1]
  end
  return meta.format ~= nil
end

local function number(field)
  return tonumber(meta[field]) or 0
end

local function meta_set(field, value)
  meta[field] = value
  meta_new = meta_new or {}
  meta_new[field] = value
end

-- --- time -------------------------------------------------------------------------

-- Wall clock and lease clock in ms: the caller's for tests, else the server's. The wall
-- clock never goes back within a queue. The lease clock does when the server's does:
-- else one that was a day ahead for a moment would stop all leases for a day.
local function clock()
  local now, steady
  if ARGV[1] ~= '' then
    now, steady = tonumber(ARGV[1]), tonumber(ARGV[2])
  else
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
    steady = now
  end
  if now < number('now') then
    now = number('now')
  elseif now > number('now') then
    meta_set('now', now)
  end
  return now, steady
end

-- --- writes -----------------------------------------------------------------------

local groups, group_order = {}, {} -- groups[key][command]

-- The values that will follow `command key` at the end of the step. Groups are
-- written in the order in which they were begun, so a step that both adds and
-- takes away one and the same member flushes in between.
local function later(command, key)
  local of_key = groups[key]
  if not of_key then
    of_key = {}
    groups[key] = of_key
  end
  local group = of_key[command]
  if not group then
    group = { command = command, key = key }
    of_key[command] = group
    group_order[#group_order + 1] = group
  end
  return group
end

local function later_one(command, key, value)
  local group = later(command, key)
  group[#group + 1] = value
end

local function later_two(command, key, a, b)
  local group = later(command, key)
  local n = #group
  group[n + 1] = a
  group[n + 2] = b
end

-- `command key value...` in pieces that a call can take.
local function write_all(command, key, values)
  for from = 1, #values, CHUNK do
    redis.call(command, key,
               unpack(values, from, math.min(from + CHUNK - 1, #values)))
  end
end

-- What line.lua and job.lua have to do at the end.
local lines_settle = function() end
local jobs_settle = function() end

local function flush()
  lines_settle()
  for i = 1, #group_order do
    local group = group_order[i]
    write_all(group.command, group.key, group)
  end
  groups, group_order = {}, {}
  jobs_settle()
  if meta_new then
    local fields = {}
    for field, value in pairs(meta_new) do
      fields[#fields + 1] = field
      fields[#fields + 1] = value
    end
    redis.call('HSET', META, unpack(fields))
    meta_new = nil
  end
end

-- Read one value for each id, in pieces a call can take.
local function read_all(command, key, ids)
  if #ids <= CHUNK then
    return #ids == 0 and {} or redis.call(command, key, unpack(ids))
  end
  local all = {}
  for from = 1, #ids, CHUNK do
    local part = redis.call(command, key,
                            unpack(ids, from, math.min(from + CHUNK - 1, #ids)))
    for i = 1, #part do
      all[from + i - 1] = part[i]
    end
  end
  return all
end

-- Something may be claimable, or due at another time: wake who sleeps.
local function news()
  if meta.hungry then
    redis.call('XADD', WAKE, 'MAXLEN', 1, '*', '', '')
    redis.call('HDEL', META, 'hungry')
    meta.hungry = nil
  end
end
