#!lua flags=allow-oom
-- exchange_plain.lua - outcomes in, claimed jobs out, where nothing is out of the
-- ordinary: all outcomes are completions, no job has a reject key, nobody stands
-- before a line, no ttl is over, and it is not a second time for a claim. Nearly all
-- exchanges are like this. What is not plain is found out while it reads; then it
-- answers nil, with nothing written, and exchange.lua has to do it.
--
-- Words and replies: lib/outcome.lua. It does without the library of the others:
-- making their functions takes as long as five jobs.
-- include: outcome, slice, lease

local call = redis.call
local META, JOBS, HEADS, ERRORS, RESULTS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local LEASES, STRAYS, CLAIMS, LINES = KEYS[8], KEYS[9], KEYS[14], 15
local FINISHED, PLAIN_MOST = KEYS[LINES + 11], 1500
local is_plain = true

local meta, all = {}, call('HGETALL', META)
for i = 1, #all, 2 do
  local field = all[i]
  meta[field] = all[i + 1]
end
if not meta.format then
  return { string.rep('s', outcomes), 0, 0, 0, 0 }
end
if meta.paused or outcomes > PLAIN_MOST or most > PLAIN_MOST or
   call('ZCARD', STRAYS) > 0 then
  return false
end
local now, steady = tonumber(ARGV[1]), tonumber(ARGV[2])
if not now then
  local time = call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
  steady = now
end
now = math.max(now, tonumber(meta.now) or 0)
local now48 = struct.pack('>I6', now)
local new_meta = { 'now', now }
local heads, words = {}, 0 -- the new ones, for HSET

-- Outcomes: completions of jobs without a reject key, none of which goes at once.
local done, stale, results, over = {}, nil, nil, nil
local base = tonumber(meta['base:11']) or 0
if outcomes > 0 then
  local ids, seen, tail = {}, {}, now48 .. OWNER
  for i = 1, outcomes do
    ids[i] = string.sub(ARGV[FIRST_OUTCOME + 2 * i - 2], 1, 16)
  end
  local before = call('HMGET', HEADS, unpack(ids))
  local length = call('LLEN', FINISHED)
  local place = 2 ^ 44 + base + length
  for i = 1, outcomes do
    local at = FIRST_OUTCOME + 2 * i - 2
    local id, head, word, result = ids[i], before[i], ARGV[at], ARGV[at + 1]
    local state, flags, _ = 0, 0, nil
    if head and #head == HEAD_SIZE and
       string.sub(head, 9, 12) == string.sub(word, 17, 20) and
       string.sub(head, 37, 52) == OWNER then
      state, _, flags = string.byte(head, 2, 4)
    end
    if flags >= 8 or seen[id] or string.byte(word, 21) ~= 0 then
      is_plain = false
      break
    end
    seen[id] = true
    if state == 4 then
      heads[words + 1] = id
      heads[words + 2] = completed_head(head, place + #done, result, tail)
      words = words + 2
      done[#done + 1] = id
      if result ~= '' then
        results = results or {}
        results[#results + 1] = id
        results[#results + 1] = result
      end
    elseif state ~= 6 then
      stale = stale or {}
      stale[i] = true
    end
  end
  local age, count = string.match(meta.keep or ARGV[6], '^(%S+) (%S+)')
  age, count = tonumber(age), tonumber(count)
  local over_count = count < 0 and 0 or math.min(length + #done - count, 2 * #done)
  if over_count > 0 then
    over = call('LRANGE', FINISHED, 0, over_count - 1)
  end
  is_plain = is_plain and age ~= 0 and count ~= 0 and over_count <= length and
             (meta['holes:11'] or '0') == '0'
end
if not is_plain then
  return false
end

-- Claims, from the lanes' lists, of jobs whose ttl is not over.
local reply, at = { '', 0, 0, 0, 0 }, 5
local bytes, slice = 0, SLICE_FIRST -- of the bodies; how many are read next
local before_lane = 0 -- how many were claimed before
local claimed, taken, leases, with_more = {}, {}, {}, nil
if most > 0 then
  local before = call('HGET', CLAIMS, CLAIM_FIELD)
  if before and #before >= 14 and
     struct.unpack('>I8', before) >= struct.unpack('>I8', TURN) then
    return false
  end
  local lease_end = string.format('%.0f', steady + lease)
  local tail = claimed_tail(now48)
  local last = tostring(most - 1) -- as text: numbers are slow to hand to a command
  -- Most queues use the middle lane only: one look at those above it, all at once.
  local above = call('EXISTS', unpack(KEYS, LINES + 1, LINES + 4))
  for lane = above > 0 and 1 or 5, 10 do
    local ids = call('LRANGE', KEYS[LINES + lane], '0', last)
    if #ids > 0 then
      is_plain = is_plain and (meta['holes:' .. lane] or '0') == '0'
      taken[lane] = 0
    end
    local from = 1
    while is_plain and from <= #ids and bytes < BODIES_MOST do
      local to = math.min(from + slice - 1, #ids)
      local befores = call('HMGET', HEADS, unpack(ids, from, to))
      local bodies = call('HMGET', JOBS, unpack(ids, from, to))
      local bytes_before = bytes
      for i = 1, #bodies do
        local id, before, body = ids[from + i - 1], befores[i], bodies[i]
        if not body or #body < BODY_LEAST or (before and #before ~= HEAD_SIZE) then
          is_plain = false
          break
        end
        local expires48 = string.sub(body, 14, 19)
        if expires48 ~= NONE48 and struct.unpack('>I6', expires48) <= now then
          is_plain = false
          break
        end
        local head = claimed_head(before, body, tail)
        if before then
          with_more = with_more or {}
          with_more[#with_more + 1] = at
        end
        heads[words + 1], heads[words + 2], words = id, head, words + 2
        claimed[#claimed + 1] = id
        leases[2 * #claimed - 1], leases[2 * #claimed] = lease_end, id
        reply[at + 1], reply[at + 2], reply[at + 3] = id, head, body
        reply[at + 4], reply[at + 5], at = false, false, at + 5
        bytes = bytes + #body
        if bytes >= BODIES_MOST then
          break
        end
      end
      slice = slice_after(#bodies, bytes - bytes_before, BODIES_MOST - bytes)
      from = to + 1
    end
    if #ids > 0 then
      taken[lane] = #claimed - before_lane
      before_lane = #claimed
    end
    last = tostring(most - #claimed - 1)
    if not is_plain or #claimed == most or bytes >= BODIES_MOST then
      break
    end
  end
end
if not is_plain then
  return false
end

reply[5] = bytes >= BODIES_MOST and #claimed < most and 1 or 0

-- Nothing can go wrong any more.
if #done > 0 then
  call('ZREM', LEASES, unpack(done))
  call('RPUSH', FINISHED, unpack(done))
end
if words > 0 then
  call('HSET', HEADS, unpack(heads))
end
if results then
  call('HSET', RESULTS, unpack(results))
end
if over then
  call('LTRIM', FINISHED, #over, -1)
  new_meta[#new_meta + 1] = 'base:11'
  new_meta[#new_meta + 1] = base + #over
  call('HDEL', JOBS, unpack(over))
  call('HDEL', HEADS, unpack(over))
  for key = 4, 5 do -- errors and results; often no job has any
    if call('EXISTS', KEYS[key]) == 1 then
      call('HDEL', KEYS[key], unpack(over))
    end
  end
end
for lane, count in pairs(taken) do -- nothing but jobs stands there: no hole
  call('LTRIM', KEYS[LINES + lane], count, -1)
  new_meta[#new_meta + 1] = 'base:' .. lane
  new_meta[#new_meta + 1] = (tonumber(meta['base:' .. lane]) or 0) + count
end
if #claimed > 0 then
  call('ZADD', LEASES, unpack(leases))
  if is_shortest(meta.lease, lease) then
    new_meta[#new_meta + 1] = 'lease'
    new_meta[#new_meta + 1] = lease
  end
end
if most > 0 then
  call('HSET', CLAIMS, CLAIM_FIELD, TURN .. now48 .. table.concat(claimed))
end
call('HSET', META, unpack(new_meta))

if with_more then
  local ids = {}
  for n, place in ipairs(with_more) do
    ids[n] = reply[place + 1]
  end
  local errors = call('HMGET', ERRORS, unpack(ids))
  local earlier = call('HMGET', RESULTS, unpack(ids))
  for n, place in ipairs(with_more) do
    reply[place + 4], reply[place + 5] = errors[n], earlier[n]
  end
end
if stale then
  for i = 1, outcomes do
    stale[i] = stale[i] and 's' or 'o'
  end
  reply[1] = table.concat(stale)
end
for key = 6, 7 do -- scheduled and failed
  local first = call('ZRANGE', KEYS[key], '0', '0', 'WITHSCORES')
  if first[2] and (reply[3] == 0 or tonumber(first[2]) < reply[3]) then
    reply[3] = tonumber(first[2])
  end
end
return reply
