#!lua flags=allow-oom
-- doze.lua - before falling asleep: is there anything new to claim? If not, have the
-- steps leave an entry in `wake` when there is (news() in lib/step.lua).
--
-- `hungry` is also written for a queue that does not exist, which does not make it:
-- only `format` does.
--
-- ARGV: 3 what the look before saw; '' if this is the first, which ends a wait
-- whatever it sees: what happened before is not known
-- Reply: what it saw: how many jobs ever became pending, or '-' if none can be claimed;
-- then the last entry of `wake`; nil: do not sleep, look
-- include: step, line

local function claimable()
  for n = 1, 10 do
    if line_length(n) > number('holes:' .. n) then
      return true
    end
  end
  return stray_count() > 0 and
         redis.call('ZCOUNT', STRAYS, STRAY, 11 * STRAY - 1) > 0
end

local function arrivals()
  local count = number('head')
  for n = 1, 10 do
    count = count + number('base:' .. n) + line_length(n)
  end
  return string.format('%.0f', count)
end

local exists = meta_read()
local seen = '-'
if exists and not meta.paused and claimable() then
  seen = arrivals()
end
if (seen ~= '-' and seen ~= ARGV[3]) or (exists and ARGV[3] == '') then
  return { seen, false }
end
if not meta.hungry then
  redis.call('HSET', META, 'hungry', 1)
end
local last = redis.call('XREVRANGE', WAKE, '+', '-', 'COUNT', 1)
return { seen, last[1] and last[1][1] or '0-0' }
