#!lua flags=allow-oom
-- open.lua - find the store, or make it.
--
-- KEYS: the store's own record. ARGV: the format and the uuid it gets if it is to
-- be made, and '1' if it must be there. Replies: what its format and its uuid are;
-- NONE: it is not there; FOREIGN: the key is no record of ours.

local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'none' then
  if ARGV[3] == '1' then
    return redis.status_reply('NONE')
  end
  redis.call('HSET', KEYS[1], 'format', ARGV[1], 'uuid', ARGV[2])
elseif kind ~= 'hash' then
  return redis.status_reply('FOREIGN')
end
return redis.call('HMGET', KEYS[1], 'format', 'uuid')
