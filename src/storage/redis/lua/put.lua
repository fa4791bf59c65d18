#!lua
-- put.lua - storing new jobs.
--
-- KEYS: meta, jobs, sessions, wake, the lanes that are used; then, if any job has a
-- time or a key, scheduled, keys, key_times. ARGV: clock, '1' if it may make the
-- queue, the field in sessions, seq, count, the lanes' numbers, then two words for
-- each job: id, with run_at, delay and ttl (u48 each) behind it if any is set; and its
-- body from the flags on.
-- Replies: OK; or a byte for each job, the status, and for KEY_TAKEN the holder's
-- id. NEW: there is no queue; TOOOLD; or, if this seq was another put, how many jobs
-- that had.
--
-- It takes no more than that from the library, whose functions would cost a put of few
-- jobs a third of its time to make. A lone plain job does not come here: put_one.lua.
-- include: session

local META, JOBS, SESSIONS, WAKE = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local FIRST_LANE = 5
local SESSION, SEQ, COUNT = ARGV[4], ARGV[5], tonumber(ARGV[6])
local lanes = #ARGV - 6 - 2 * COUNT
local WORDS = 6 + lanes -- the words of job i follow ARGV[WORDS + 2 * i - 2]
local FIRST_PLACE, NONE48 = 2 ^ 44, '\0\0\0\0\0\0'

-- --- the queue, and what was answered before ----------------------------------------

local fields = { 'format', 'now', 'hungry' }
for n = 1, lanes do
  fields[3 + n] = 'base:' .. ARGV[6 + n]
end
local meta = redis.call('HMGET', META, unpack(fields))
local exists, time_before, hungry = meta[1], tonumber(meta[2]) or 0, meta[3]
if not exists and ARGV[3] == '0' then
  return { ok = 'NEW' }
end

local again = answered(redis.call('HGET', SESSIONS, SESSION), SEQ, COUNT)
if again then
  return again
end

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
if now < time_before then
  now = time_before
end
local now48 = struct.pack('>I6', now)

local begin = '\1' .. now48 .. now48 .. NONE48 -- of a body without times of its own
local codes -- once a job is not stored: a byte of status for each, and the holder's id

-- --- reading -------------------------------------------------------------------------

local CHUNK = 4000 -- how many values one command takes: Lua's stack has room for 8,000
local FIRST_OTHER = FIRST_LANE + lanes
local SCHEDULED, UNIQUE, UNIQUE_TIMES = KEYS[FIRST_OTHER], KEYS[FIRST_OTHER + 1],
                                        KEYS[FIRST_OTHER + 2]

local function read_all(key, names)
  if #names <= CHUNK then
    return redis.call('HMGET', key, unpack(names))
  end
  local all = {}
  for from = 1, #names, CHUNK do
    local part = redis.call('HMGET', key,
                            unpack(names, from, math.min(from + CHUNK - 1, #names)))
    for i = 1, #part do
      all[from + i - 1] = part[i]
    end
  end
  return all
end

local lane_of, place, line = {}, {}, {} -- [priority]: n; [n]: next place, new ids
for n = 1, lanes do
  lane_of[tonumber(ARGV[6 + n])] = n
  place[n] = FIRST_PLACE + (tonumber(meta[3 + n]) or 0) +
             redis.call('LLEN', KEYS[FIRST_LANE + n - 1])
  line[n] = {}
end

local ids, keyed = {}, nil -- keyed: numbers of the jobs that have a unique key
for i = 1, COUNT do
  local id, flags = ARGV[WORDS + 2 * i - 1], string.byte(ARGV[WORDS + 2 * i])
  ids[i] = #id == 16 and id or string.sub(id, 1, 16)
  if flags ~= 0 then
    keyed = keyed or {}
    keyed[#keyed + 1] = i
  end
end
local known = read_all(JOBS, ids)

local take_key -- (i, id, spec): the holder's id; nil: the key is this job's now
local new_keys, new_times, no_times -- words for HSET, ZADD, ZREM
if keyed then
  new_keys, new_times, no_times = {}, {}, {}
  local texts, key_of = {}, {}
  for n, i in ipairs(keyed) do
    local spec = ARGV[WORDS + 2 * i]
    local at = 6 + string.byte(spec, 5)
    texts[n] = string.sub(spec, at + 8, at + 7 + struct.unpack('>H', spec, at))
    key_of[i] = texts[n]
  end
  local entries, entry_of = read_all(UNIQUE, texts), {}
  for n = 1, #texts do
    local text = texts[n]
    entry_of[text] = entries[n]
  end

  take_key = function(i, id, spec)
    local text = key_of[i]
    local entry = entry_of[text]
    if entry and #entry >= 22 then -- what is shorter is damaged: nobody holds it
      local holder, over = struct.unpack('>c16I6', entry)
      if over == 0 or over > now then
        return holder
      end
    end
    local flags, _, _, _, type_size = string.byte(spec, 1, 5)
    local ttl = struct.unpack('>I6', spec, 8 + type_size)
    local over = ttl > 0 and now + ttl or 0
    entry_of[text] = struct.pack('>c16I6B', id, over, flags >= 2 and 1 or 0)
    new_keys[#new_keys + 1] = text
    new_keys[#new_keys + 1] = entry_of[text]
    if over > 0 then
      new_times[#new_times + 1] = over
      new_times[#new_times + 1] = text
    elseif entry then
      no_times[#no_times + 1] = text
    end
    return nil
  end
end

-- Deciding, in the order of the array.
local stored, words, stored_now = {}, 0, {} -- words for HSET; [id]
local scheduled -- once there is one: words for ZADD

for i = 1, COUNT do
  local id, word, spec = ids[i], ARGV[WORDS + 2 * i - 1], ARGV[WORDS + 2 * i]
  local code
  if known[i] or stored_now[id] then
    code = '\1'
  elseif take_key and string.byte(spec) ~= 0 then
    local holder = take_key(i, id, spec)
    code = holder and '\2' .. holder
  end
  if code then
    codes = codes or {}
    codes[i] = code
  else
    local first, run_at = begin, now
    if #word ~= 16 then
      local delay, ttl
      run_at, delay, ttl = struct.unpack('>I6I6I6', word, 17)
      run_at = run_at == 0 and now + delay or run_at
      first = '\1' .. now48 ..
              struct.pack('>I6I6', run_at, ttl > 0 and now + ttl or 0)
    end
    local place48 = NONE48
    if run_at > now then
      scheduled = scheduled or {}
      scheduled[#scheduled + 1] = run_at
      scheduled[#scheduled + 1] = id
    else
      local _, priority = string.byte(spec, 1, 2)
      local n = lane_of[priority]
      local at, of_lane = place[n], line[n]
      place48 = struct.pack('>I6', at)
      place[n] = at + 1
      of_lane[#of_lane + 1] = id
    end
    stored[words + 1] = id
    stored[words + 2] = first .. place48 .. spec
    words = words + 2
    stored_now[id] = true
  end
end

-- A key that somebody overwrote with another type is found before a job is stored, those
-- that were not read above by this: then nothing was done, and the caller is told so.
-- Whoever sleeps is woken first for the same reason; it sees the jobs all the same.
if scheduled then
  redis.call('ZCARD', SCHEDULED)
end
if keyed then
  redis.call('ZCARD', UNIQUE_TIMES)
end
if hungry and words > 0 then
  redis.call('XADD', WAKE, 'MAXLEN', 1, '*', '', '')
  redis.call('HDEL', META, 'hungry')
end

local function write_all(command, key, values)
  for from = 1, #values, CHUNK do
    redis.call(command, key,
               unpack(values, from, math.min(from + CHUNK - 1, #values)))
  end
end

write_all('HSET', JOBS, stored)
for n = 1, lanes do
  write_all('RPUSH', KEYS[FIRST_LANE + n - 1], line[n])
end
if scheduled then
  write_all('ZADD', SCHEDULED, scheduled)
end
if keyed then
  write_all('HSET', UNIQUE, new_keys)
  write_all('ZADD', UNIQUE_TIMES, new_times)
  write_all('ZREM', UNIQUE_TIMES, no_times)
end

-- --- what is written of every put ---------------------------------------------------

local kept = SEQ .. now48 .. struct.pack('>I4', COUNT)
if codes then
  for i = 1, COUNT do
    codes[i] = codes[i] or '\0'
  end
  codes = table.concat(codes)
  kept = kept .. codes
end
redis.call('HSET', SESSIONS, SESSION, kept)
if not exists then
  redis.call('HSET', META, 'format', 1, 'now', now, 'server', ARGV[3])
elseif now > time_before then
  redis.call('HSET', META, 'now', now)
end
return codes or { ok = 'OK' }
