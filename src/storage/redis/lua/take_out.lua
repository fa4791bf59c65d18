#!lua flags=allow-oom
-- take_out.lua - handing jobs over to another storage: held, then deleted or put
-- back.
--
-- ARGV: clock, kind, mover; to 'hold': from_states, limit, the place to go on from (0:
-- the first), '1' to pass over what the mover holds, and with how many bytes to end; to
-- 'confirm', 'release' or 'pass': all ids in one word, all digests in one ('': no tally),
-- and who it is passed to; to 'tally' or 'forget': nothing.
-- Replies: hold: the place to go on from, if nothing was found so far and there is more
-- to look at, else 0; then for each job its id, head, body, errors and result, the head
-- being of before it was held; tally, forget: the tally, or ''; else a letter for each
-- id: o or n for OK, NOT_FOUND.
-- include: slice, step, line, job, readable, walk, tally

local kind, mover = ARGV[3], ARGV[4]
local HOLD_LOOKS = 20000 -- elements of lines that one call looks at in vain
local ENTRY_SIZE = 23
local ZEROES_8, ZEROES_28 = string.rep('\0', 8), string.rep('\0', 28)
local exists = meta_read()

-- Is this whole, as it is in `holds`?
local function is_entry(entry)
  local state = entry and #entry == ENTRY_SIZE and string.byte(entry, 17)
  return state and state >= IN_SCHEDULED and state < HELD
end

-- --- hold ---------------------------------------------------------------------------

local ids, most = {}, nil -- what is found, and how many at most
local looks = 0           -- in vain

-- Is there enough, or was enough looked at?
local function is_enough()
  return #ids >= most or looks >= HOLD_LOOKS
end

-- Add the ids of a line, from its first job behind `place` on; `allowed` (nil: all) says
-- for the ids of a slice which of them. Where it ended.
local function gather_line(n, place, allowed)
  while not is_enough() do
    local some, _, upto = line_slice(n, place, LOOK)
    if not upto then
      break
    end
    local entries, found = allowed and allowed(some), #ids
    for i = 1, #some do
      if #ids < most and (not entries or entries[i]) then
        ids[#ids + 1] = some[i]
      end
    end
    looks = looks + LOOK - (#ids - found)
    place = upto
  end
  return place
end

local function gather_zset(key)
  if not is_enough() then
    for _, id in ipairs(redis.call('ZRANGE', key, 0, most - #ids - 1)) do
      ids[#ids + 1] = id
    end
  end
end

-- Which of these held jobs are the mover's.
local function is_mine(some)
  local entries = read_all('HMGET', HOLDS, some)
  for i = 1, #some do
    entries[i] = entries[i] and string.sub(entries[i], 1, 16) == mover
  end
  return entries
end

-- What is held already, behind `place`, then the states in the order of their numbers.
-- How many are of the first kind; and where the held end. The other lines need no place
-- to go on from: what was looked at in vain there are holes in front, which go.
local function gather(from_states, place, only_new)
  if not only_new then
    place = gather_line(HELD_LINE, place, is_mine)
  end
  local held = #ids
  if has(from_states, 2 ^ IN_SCHEDULED) then
    gather_zset(SCHEDULED)
  end
  for n = 1, 10 do
    if has(from_states, 2 ^ PENDING) then
      gather_line(n, 0)
    end
  end
  if has(from_states, 2 ^ IN_FAILED) then
    gather_zset(FAILED)
  end
  for state = COMPLETED, CANCELLED do
    if has(from_states, 2 ^ state) then
      gather_line(FINISHED_LINE[state], 0)
    end
  end
  return held, place
end

-- Of a job that is to be held: state, priority and place; nil: it is damaged. Most of
-- the time here goes by in taking records apart, so no more of them than is needed.
local function where_is(head, body)
  local state, priority, place
  if head then
    state, priority = string.byte(head, 2, 3)
    place = struct.unpack('>I6', head, 19)
  else
    priority, place = string.byte(body, 27), struct.unpack('>I6', body, 20)
    state = place == 0 and IN_SCHEDULED or PENDING
  end
  if state < IN_SCHEDULED or state > HELD or priority < 1 or priority > 10 then
    return nil
  end
  return state, priority, place
end

-- The head of one that was not touched since it was put, up to its place.
local function fresh_head(priority, body)
  local flags = string.byte(body, 26)
  flags = has(flags, HAS_KEY) and not has(flags, IS_THROTTLE) and HAS_REJECT_KEY or 0
  return string.char(1, HELD, priority, flags) .. ZEROES_8 .. string.sub(body, 8, 13)
end

local hold_heads, hold_entries = {}, {} -- words for HSET

local function hold_one(id, head, body, state, priority, place)
  leave({ id = id, state = state, priority = priority, place = place })
  local place48 = struct.pack('>I6', line_push(HELD_LINE, id))
  local n = #hold_heads
  hold_heads[n + 1], hold_entries[n + 1] = id, id
  hold_heads[n + 2] =
    head and string.char(1, HELD) .. string.sub(head, 3, 18) .. place48 ..
             string.sub(head, 25)
    or fresh_head(priority, body) .. place48 .. ZEROES_28
  hold_entries[n + 2] = mover .. struct.pack('>BI6', state, place)
end

local function hold_flush()
  flush()
  write_all('HSET', HEADS, hold_heads)
  write_all('HSET', HOLDS, hold_entries)
  hold_heads, hold_entries = {}, {}
end

-- The head of a job that is held already, as it was before; nil: it is damaged.
local function head_before(id, head)
  local entry = redis.call('HGET', HOLDS, id)
  if not head or not is_entry(entry) then
    return nil
  end
  return string.sub(head, 1, 1) .. string.sub(entry, 17, 17) .. string.sub(head, 3)
end

-- Hold it, unless it is held already. The head as it was before; false: it had none;
-- nil: it is damaged.
local function hold_or_again(id, head, body, is_held)
  if is_held then
    return head_before(id, head)
  end
  local state, priority, place = where_is(head, body)
  if not state then
    return nil
  end
  hold_one(id, head, body, state, priority, place)
  return head
end

-- Add what was found to the reply, up to `limit` jobs; damaged ones are passed over.
local function hand_over(held, limit, bytes_most, reply)
  local has_errors = redis.call('EXISTS', ERRORS) == 1
  local has_results = redis.call('EXISTS', RESULTS) == 1
  local bytes, from, slice = 0, 1, SLICE_FIRST
  while from <= #ids and #reply <= limit and bytes < bytes_most do
    local part = { unpack(ids, from, math.min(from + slice - 1, #ids)) }
    local heads, bodies = read_all('HMGET', HEADS, part), read_all('HMGET', JOBS, part)
    local errors = has_errors and read_all('HMGET', ERRORS, part) or {}
    local results = has_results and read_all('HMGET', RESULTS, part) or {}
    local before = bytes
    for i = 1, #part do
      if #reply > limit or bytes >= bytes_most then
        break
      end
      local id, body, error, result = part[i], bodies[i], errors[i] or false,
                                      results[i] or false
      local head
      if is_readable(id, heads[i], body, error) then
        head = hold_or_again(id, heads[i], body, from + i - 1 <= held)
      end
      if head ~= nil then
        bytes = bytes + #body + #(error or '') + #(result or '')
        reply[#reply + 1] = { id, head, body, error, result }
      end
    end
    from = from + #part
    slice = slice_after(#part, bytes - before, bytes_most - bytes)
  end
  hold_flush()
end

-- An answer without jobs says that there are none left. So if all that was found is
-- damaged, twice as many are looked for.
local function hold(from_states, after, only_new, bytes_most)
  local reply, limit = { 0 }, most
  repeat
    local held, place = gather(from_states, after, only_new)
    if #ids == 0 and is_enough() then
      reply[1] = math.max(place, 1)
    end
    hand_over(held, limit, bytes_most, reply)
    local in_the_way = #reply == 1 and #ids == most
    most, ids = 2 * most, {}
  until not in_the_way or most > HOLD_LOOKS
  lines_trim()
  return reply
end

-- --- confirm, release, pass ---------------------------------------------------------

local function release(job, entry)
  local state, place = struct.unpack('>BI6', entry, 17)
  leave(job)
  job.state, job.place = state, place
  if state == PENDING then
    line_return(job.priority, place, job.id)
    head_places(1) -- nobody's: it is how a waiter sees that something arrived
  elseif FINISHED_LINE[state] then
    line_return(FINISHED_LINE[state], place, job.id)
  else
    later_two('ZADD', state == IN_SCHEDULED and SCHEDULED or FAILED, job.run_at, job.id)
  end
  save(job)
end

-- False: it is damaged, and stays as it is.
local function settle_one(id, entry, head, heir)
  local has_key = has(string.byte(head, 4), HAS_REJECT_KEY)
  local job = nil
  if kind == 'release' or (kind == 'confirm' and has_key) then
    job = job_of(id, head, redis.call('HGET', JOBS, id))
    if not job then
      return false
    end
  end
  if kind == 'pass' then
    later_two('HSET', HOLDS, id, heir .. string.sub(entry, 17))
    return true
  end
  later_one('HDEL', HOLDS, id)
  if kind == 'release' then
    release(job, entry)
    return true
  end
  if job then
    key_release(job)
  end
  line_leave(HELD_LINE, struct.unpack('>I6', head, 19), id)
  erase(id)
  return true
end

-- Is this an entry of the mover's, and the job held and there?
local function is_mine_whole(entry, head)
  return is_entry(entry) and string.sub(entry, 1, 16) == mover and head and #head == HEAD_SIZE and
         string.byte(head, 2) == HELD
end

local function settle(words, digests, heir)
  local ids, results, done = {}, {}, {}
  for at = 1, #words, 16 do
    ids[#ids + 1] = string.sub(words, at, at + 15)
  end
  local entries, heads = read_all('HMGET', HOLDS, ids), read_all('HMGET', HEADS, ids)
  for i = 1, #ids do
    local id = ids[i]
    if is_mine_whole(entries[i], heads[i]) and not done[id] and
       settle_one(id, entries[i], heads[i], heir) then
      done[id] = true
      results[i] = 'o'
      tally_add(i)
    else
      results[i] = 'n'
    end
  end
  tally_save(mover, digests)
  flush()
  lines_trim()
  if kind == 'release' then
    news()
  end
  return table.concat(results)
end

-- --- the step -----------------------------------------------------------------------

if kind == 'tally' or kind == 'forget' then
  if kind == 'forget' then
    redis.call('HDEL', META, 'tally:' .. mover)
  end
  return meta['tally:' .. mover] or ''
end
if kind ~= 'hold' then
  return settle(ARGV[5], ARGV[6], ARGV[7])
end
if not exists then
  return { 0 }
end
most = tonumber(ARGV[6])
return hold(tonumber(ARGV[5]), tonumber(ARGV[7]), ARGV[8] == '1', tonumber(ARGV[9]))
