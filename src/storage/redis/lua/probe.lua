#!lua flags=allow-oom
-- probe.lua - which commands the server refuses to us.
--
-- A script that meets a command it may not use has already written what came before
-- it, so this is found out before there is a job. KEYS: a hash of its own, which is
-- gone afterwards. Replies: the names of the commands that are refused.
--
-- What would write anything but a hash is tried on a hash: WRONGTYPE is said only
-- after the rights were looked at. So nothing is left behind, and the commands that
-- remove other kinds of keys are not needed.

local HASH = KEYS[1]
local refused = {}

local function try(command, ...)
  local reply = redis.pcall(command, ...)
  if type(reply) == 'table' and reply.err and
     string.sub(reply.err, 1, 9) ~= 'WRONGTYPE' then
    refused[#refused + 1] = string.lower(command)
    return false
  end
  return true
end

-- Without both of them nothing else is tried: it would be on a key that is not there.
local can_remove = try('HDEL', HASH, 'f')
local can_write = can_remove and try('HSET', HASH, 'f', 'v')
if not can_write then
  return refused
end

try('EXISTS', HASH)
try('HGET', HASH, 'f')
try('HGETALL', HASH)
try('HLEN', HASH)
try('HMGET', HASH, 'f')
try('HSCAN', HASH, '0')
try('TIME')
try('TYPE', HASH)

try('LLEN', HASH)
try('LRANGE', HASH, 0, 0)
try('LSET', HASH, 0, 'v')
try('LTRIM', HASH, 0, 0)
try('RPUSH', HASH, 'v')

try('SADD', HASH, 'v')
try('SMEMBERS', HASH)

try('XADD', HASH, '*', 'f', 'v')
try('XREAD', 'STREAMS', HASH, '0')
try('XREVRANGE', HASH, '+', '-')

try('ZADD', HASH, 1, 'v')
try('ZCARD', HASH)
try('ZCOUNT', HASH, 0, 1)
try('ZMSCORE', HASH, 'v')
try('ZRANGE', HASH, 0, 0)
try('ZRANGEBYSCORE', HASH, 0, 1)
try('ZREM', HASH, 'v')
try('ZREVRANGEBYSCORE', HASH, 1, 0)

redis.call('HDEL', HASH, 'f')
return refused
