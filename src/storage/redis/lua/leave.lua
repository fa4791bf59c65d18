#!lua flags=allow-oom
-- leave.lua - an owner is gone: its leases are over.
--
-- ARGV: clock, owner, the rank of the lease to go on from.
-- Replies: the rank to go on from; 0 when all leases were looked at. Those that are
-- over go to the front, past what was looked at before, so that ranks stay true.
-- include: step

local LOOKS = 4000
local OWNER, from = ARGV[3], tonumber(ARGV[4])

local ids = redis.call('ZRANGE', LEASES, from, from + LOOKS - 1)
local heads = read_all('HMGET', HEADS, ids)
local over = {}
for i = 1, #ids do
  if heads[i] and string.sub(heads[i], 37, 52) == OWNER then
    over[#over + 1] = '-inf'
    over[#over + 1] = ids[i]
  end
end
write_all('ZADD', LEASES, over)
for turn = 0, 3 do
  redis.call('HDEL', CLAIMS, OWNER .. string.char(turn))
end
return #ids == LOOKS and from + LOOKS or 0
