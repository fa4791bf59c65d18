#!lua flags=no-writes
-- get.lua - all that is stored of one job: head, body, errors, result. Nil: there is
-- no such job.
--
-- ARGV: 3 its id
-- include: step

local id = ARGV[3]
local body = redis.call('HGET', JOBS, id)
if not body then
  return false
end
return { redis.call('HGET', HEADS, id), body,
         redis.call('HGET', ERRORS, id), redis.call('HGET', RESULTS, id) }
