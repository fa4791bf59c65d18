#!lua
-- put_one.lua - storing one job that has no times and no key, into a queue that is
-- there: what most calls of put are. In all other cases it does nothing and says
-- so, and put.lua has to do it.
--
-- KEYS: meta, jobs, sessions, wake, the job's lane. ARGV: now or '', the field in
-- sessions, seq, the lane's base in meta, id, and the body from the flags on.
-- Replies: 1, stored. For put.lua: 0, there is no such queue; 2, the seq is not new or
-- the id is known, perhaps from an earlier try of this very call.
--
-- A lone put is bound by how long the server takes for it. Going through put.lua's
-- tables and functions would be twice that.

local call, pack = redis.call, struct.pack
local META, JOBS, SESSIONS = KEYS[1], KEYS[2], KEYS[3]
local SESSION, SEQ, ID = ARGV[2], tonumber(ARGV[3]), ARGV[5]

local meta = call('HMGET', META, 'format', 'now', 'hungry', ARGV[4])
local before = call('HGET', SESSIONS, SESSION)
if not meta[1] then
  return 0
elseif (before and #before >= 18 and struct.unpack('>I8', before) >= SEQ) or
       call('HGET', JOBS, ID) then
  return 2
end

-- From here on it writes. Of the keys that somebody may have overwritten with another
-- type two were not read: what writes to them comes first, and stores no job if it
-- fails.
if meta[3] then
  call('XADD', KEYS[4], 'MAXLEN', 1, '*', '', '')
  call('HDEL', META, 'hungry')
end
local place = 2 ^ 44 + (meta[4] or 0) + call('RPUSH', KEYS[5], ID) - 1

local now, time_before = tonumber(ARGV[1]), tonumber(meta[2]) or 0
if not now then
  local time = call('TIME')
  now = time[1] * 1000 + (time[2] - time[2] % 1000) / 1000
end
if now > time_before then
  call('HSET', META, 'now', now)
else
  now = time_before
end

call('HSET', JOBS, ID, pack('>BI6I6I6I6', 1, now, now, 0, place) .. ARGV[6])
call('HSET', SESSIONS, SESSION, pack('>I8I6I4', SEQ, now, 1))
return 1
