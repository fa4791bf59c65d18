#!lua flags=allow-oom
-- exchange.lua - outcomes in, claimed jobs out.
--
-- ARGV: clock, owner, its field in claims ('' if nothing is to be claimed), turn (u64;
-- and u32: how many jobs of that claim were handed out before, if any), retention, lease, claim_max, then two words for each outcome: id, epoch (u32),
-- kind (u8), delay (u48; not for a completion); and its error or result.
-- Replies: a letter for each outcome ('' if all are OK): o for OK, s for STALE;
-- 1 if the queue is paused; next_at; for a claim that is handed out again and does not
-- fit, how many of its jobs then were, else 0; then five for each claimed job: id,
-- head, body, errors, result.
--
-- Two ways lead to the same end. The plain way is for completions and claims that
-- meet nothing out of the ordinary, which is nearly all; it stands before the
-- library, because making the library's functions takes as long as five jobs. What
-- is not plain is found out while it reads; then the complete way begins anew.

local OWNER, CLAIM_FIELD, TURN = ARGV[3], ARGV[4], string.sub(ARGV[5], 1, 8)
local lease, most = tonumber(ARGV[7]), tonumber(ARGV[8])
local FIRST_OUTCOME = 9
local outcomes = (#ARGV - FIRST_OUTCOME + 1) / 2
local NONE48, FIRST_CLAIM = '\0\0\0\0\0\0', '\0\1\0\0\0\0\0\1' -- attempt, crashes, epoch

-- A new head is put together from pieces of the old one, which takes half as long as
-- unpacking and packing all of it. `tail`: what all heads of this call end with.
local function completed_head(head, place, result, tail)
  local middle = string.sub(head, 3, 18)
  if result ~= '' then
    local priority, flags = string.byte(head, 3, 4)
    local rest = string.sub(head, 5, 18)
    middle = string.char(priority, flags % 8 >= 4 and flags or flags + 4) .. rest
  end
  return '\1\6' .. middle .. struct.pack('>I6', place) .. string.sub(head, 25, 30) .. tail
end

local function claimed_head(head, body, tail)
  if not head then
    local flags, priority = string.byte(body, 26, 27)
    flags = flags == 1 and 8 or 0 -- a reject key is what can be let go of
    return '\1\4' .. string.char(priority, flags) .. FIRST_CLAIM ..
           string.sub(body, 8, 13) .. tail
  end
  local priority, flags, attempt, crashes, epoch = struct.unpack('>BBHHI4', head, 3)
  return '\1\4' .. struct.pack('>BBHHI4', priority, flags - flags % 2, attempt + 1,
                               crashes, epoch + 1) .. string.sub(head, 13, 18) .. tail
end

-- --- the plain way ------------------------------------------------------------------

repeat -- once; `break` leaves for the complete way, with nothing written yet
  local META, JOBS, HEADS, ERRORS, RESULTS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
  local LEASES, STRAYS, CLAIMS, LINES = KEYS[8], KEYS[9], KEYS[14], 15
  local FINISHED, PLAIN_MOST = KEYS[LINES + 11], 1500
  local is_plain = true

  local meta, all = {}, redis.call('HGETALL', META)
  for i = 1, #all, 2 do
    local field = all[i]
    meta[field] = all[i + 1]
  end
  if not meta.format or meta.paused or outcomes > PLAIN_MOST or most > PLAIN_MOST or
     redis.call('ZCARD', STRAYS) > 0 then
    break
  end
  local now, steady = tonumber(ARGV[1]), tonumber(ARGV[2])
  if not now then
    local time = redis.call('TIME')
    now = time[1] * 1000 + math.floor(time[2] / 1000)
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
    local before = redis.call('HMGET', HEADS, unpack(ids))
    local length = redis.call('LLEN', FINISHED)
    local place = 2 ^ 44 + base + length
    for i = 1, outcomes do
      local at = FIRST_OUTCOME + 2 * i - 2
      local id, head, word, result = ids[i], before[i], ARGV[at], ARGV[at + 1]
      local state, flags, _ = 0, 0, nil
      if head and string.sub(head, 9, 12) == string.sub(word, 17, 20) and
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
      over = redis.call('LRANGE', FINISHED, 0, over_count - 1)
    end
    is_plain = is_plain and age ~= 0 and count ~= 0 and over_count <= length and
               (meta['holes:11'] or '0') == '0'
  end
  if not is_plain then
    break
  end

  -- Claims, from the lanes' lists, of jobs whose ttl is not over.
  local reply, at = { '', 0, 0, 0 }, 4
  local claimed, taken, leases, with_more = {}, {}, {}, nil
  if most > 0 then
    local before = redis.call('HGET', CLAIMS, CLAIM_FIELD)
    if before and struct.unpack('>I8', before) >= struct.unpack('>I8', TURN) then
      break
    end
    local lease_end = string.format('%.0f', (steady or now) + lease)
    local tail = NONE48 .. now48 .. NONE48 .. OWNER
    local last = tostring(most - 1) -- as text: numbers are slow to hand to a command
    for lane = 1, 10 do
      local ids = redis.call('LRANGE', KEYS[LINES + lane], '0', last)
      if #ids > 0 then
        taken[lane] = #ids
        is_plain = is_plain and (meta['holes:' .. lane] or '0') == '0'
        local befores = redis.call('HMGET', HEADS, unpack(ids))
        local bodies = redis.call('HMGET', JOBS, unpack(ids))
        for i = 1, #ids do
          local id, body, expires48 = ids[i], bodies[i], nil
          expires48 = body and string.sub(body, 14, 19)
          if not body or
             (expires48 ~= NONE48 and struct.unpack('>I6', expires48) <= now) then
            is_plain = false
            break
          end
          local head = claimed_head(befores[i], body, tail)
          if befores[i] then
            with_more = with_more or {}
            with_more[#with_more + 1] = at
          end
          heads[words + 1], heads[words + 2], words = id, head, words + 2
          claimed[#claimed + 1] = id
          leases[2 * #claimed - 1], leases[2 * #claimed] = lease_end, id
          reply[at + 1], reply[at + 2], reply[at + 3] = id, head, body
          reply[at + 4], reply[at + 5], at = false, false, at + 5
        end
        last = tostring(most - #claimed - 1)
        if #claimed == most then
          break
        end
      end
    end
  end
  if not is_plain then
    break
  end

  -- Nothing can go wrong any more.
  if #done > 0 then
    redis.call('ZREM', LEASES, unpack(done))
    redis.call('RPUSH', FINISHED, unpack(done))
  end
  if words > 0 then
    redis.call('HSET', HEADS, unpack(heads))
  end
  if results then
    redis.call('HSET', RESULTS, unpack(results))
  end
  if over then
    redis.call('LTRIM', FINISHED, #over, -1)
    new_meta[#new_meta + 1] = 'base:11'
    new_meta[#new_meta + 1] = base + #over
    redis.call('HDEL', JOBS, unpack(over))
    redis.call('HDEL', HEADS, unpack(over))
    for key = 4, 5 do -- errors and results; often no job has any
      if redis.call('EXISTS', KEYS[key]) == 1 then
        redis.call('HDEL', KEYS[key], unpack(over))
      end
    end
  end
  for lane, count in pairs(taken) do
    redis.call('LTRIM', KEYS[LINES + lane], count, -1)
    new_meta[#new_meta + 1] = 'base:' .. lane
    new_meta[#new_meta + 1] = (tonumber(meta['base:' .. lane]) or 0) + count
  end
  if #claimed > 0 then
    redis.call('ZADD', LEASES, unpack(leases))
    if lease > (tonumber(meta.lease) or 0) then
      new_meta[#new_meta + 1] = 'lease'
      new_meta[#new_meta + 1] = lease
    end
  end
  if most > 0 then
    redis.call('HSET', CLAIMS, CLAIM_FIELD, TURN .. now48 .. table.concat(claimed))
  end
  redis.call('HSET', META, unpack(new_meta))

  if with_more then
    local ids = {}
    for n, place in ipairs(with_more) do
      ids[n] = reply[place + 1]
    end
    local errors = redis.call('HMGET', ERRORS, unpack(ids))
    local earlier = redis.call('HMGET', RESULTS, unpack(ids))
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
    local first = redis.call('ZRANGE', KEYS[key], '0', '0', 'WITHSCORES')
    if first[2] and (reply[3] == 0 or tonumber(first[2]) < reply[3]) then
      reply[3] = tonumber(first[2])
    end
  end
  return reply
until true

-- --- the complete way ---------------------------------------------------------------

-- include: step, line, job

if not meta_read() then
  return { string.rep('s', outcomes), 0, 0, 0 }
end
local now, steady = clock()
local now48 = struct.pack('>I6', now)
local keep = retention_here(ARGV[6])
local woken = false

-- --- outcomes -----------------------------------------------------------------------

local KIND_COMPLETED, KIND_RETRY, KIND_DEAD = 0, 1, 2
local KIND_SNOOZED, KIND_RELEASED, KIND_CANCELLED = 3, 4, 5
local LEADS_TO = {
  [KIND_COMPLETED] = COMPLETED, [KIND_RETRY] = IN_FAILED, [KIND_DEAD] = DEAD,
  [KIND_SNOOZED] = IN_SCHEDULED, [KIND_RELEASED] = PENDING, [KIND_CANCELLED] = CANCELLED
}
local KEEPS_ERROR = { [KIND_RETRY] = true, [KIND_DEAD] = true, [KIND_CANCELLED] = true }
local ASKED_LEADS_TO = { [COMPLETED] = COMPLETED, [DEAD] = DEAD } -- else: cancelled

local ids, heads = {}, {} -- of the outcomes
local completed = {}      -- ids
local others = {}         -- numbers of those outcomes that lead elsewhere
local state_now = {}      -- [id]: where an outcome of this call led it

local function word_of(i)
  return ARGV[FIRST_OUTCOME + 2 * i - 2]
end

local function text_of(i)
  return ARGV[FIRST_OUTCOME + 2 * i - 1]
end

-- Every outcome that counts is noted under where it leads; the letters for all.
local function judge()
  local letters, stale = {}, false
  for i = 1, outcomes do
    local id, head, word = ids[i], heads[i], word_of(i)
    local letter = 's'
    if head and string.sub(head, 9, 12) == string.sub(word, 17, 20) and
       string.sub(head, 37, 52) == OWNER then
      local state, _, flags = string.byte(head, 2, 4)
      local to = LEADS_TO[string.byte(word, 21)]
      if flags % 2 == CANCEL_ASKED then
        to = ASKED_LEADS_TO[to] or CANCELLED
      end
      state = state_now[id] or state
      if state == PROCESSING then
        if to == COMPLETED then
          completed[#completed + 1] = i
        else
          others[#others + 1] = i
        end
        state_now[id] = FINISHED_LINE[to] and keeps_none(keep, to) and 0 or to
        letter = 'o'
      elseif state == to then
        letter = 'o' -- the same outcome again
      end
    end
    letters[i] = letter
    stale = stale or letter == 's'
  end
  return stale and table.concat(letters) or ''
end

-- Their keys are in the bodies, which nothing else here needs.
local function free_keys(numbers)
  local keyed = {}
  for _, i in ipairs(numbers) do
    if has(string.byte(heads[i], 4), HAS_REJECT_KEY) then
      keyed[#keyed + 1] = ids[i]
    end
  end
  local bodies = read_all('HMGET', JOBS, keyed)
  for i = 1, #keyed do
    if bodies[i] then
      key_release({ id = keyed[i], body = bodies[i] })
    end
  end
end

local function complete_and_forget()
  local leases = later('ZREM', LEASES)
  for n, i in ipairs(completed) do
    leases[n] = ids[i]
    erase(ids[i])
    line_skip(FINISHED_LINE[COMPLETED])
  end
end

local function complete_and_keep()
  local leases, saved = later('ZREM', LEASES), later('HSET', HEADS)
  local results = later('HSET', RESULTS)
  local line = FINISHED_LINE[COMPLETED]
  local finished, tail, place = {}, now48 .. OWNER, line_end(line)
  for n, i in ipairs(completed) do
    local id, result = ids[i], text_of(i)
    if result ~= '' then
      results[#results + 1] = id
      results[#results + 1] = result
    end
    leases[n], finished[n] = id, id
    saved[2 * n - 1] = id
    saved[2 * n] = completed_head(heads[i], place + n - 1, result, tail)
  end
  line_push_all(line, finished)
end

local function note_error(job, i, stored)
  if KEEPS_ERROR[string.byte(word_of(i), 21)] and text_of(i) ~= '' then
    add_error(job, stored, now, text_of(i))
  end
end

-- Third: the place it gets if it is released.
local function move(job, i, front)
  local kind, delay = struct.unpack('>BI6', word_of(i), 21)
  local to = LEADS_TO[kind]
  if has(job.flags, CANCEL_ASKED) then
    to = ASKED_LEADS_TO[to] or CANCELLED
  end
  if kind == KIND_SNOOZED or kind == KIND_RELEASED then
    give_back(job)
  elseif kind == KIND_RETRY or kind == KIND_DEAD then
    meta_set('failed_total', number('failed_total') + 1)
  end
  leave(job)
  if to == PENDING then
    to_head(job, front)
  elseif FINISHED_LINE[to] then
    to_finished(job, to, now, keep)
  else
    to_time(job, to, now + delay)
  end
  woken = woken or not FINISHED_LINE[to]
end

-- The released keep their order at the head: the n-th outcome, if it is one, gets
-- the n-th of the places in front.
local function move_others()
  local moved, released = {}, false
  for n, i in ipairs(others) do
    moved[n] = ids[i]
    released = released or string.byte(word_of(i), 21) == KIND_RELEASED
  end
  local front = released and head_places(outcomes) or 0
  local errors = read_all('HMGET', ERRORS, moved)
  local bodies = read_all('HMGET', JOBS, moved)
  for n, i in ipairs(others) do
    local job = job_of(ids[i], heads[i], bodies[n])
    if job then
      note_error(job, i, errors[n])
      move(job, i, front + i - 1)
    end
  end
end

-- Completions make room: the oldest jobs over count go, but not many. After all
-- outcomes, so that one which is sent again is not missed for it.
local function trim()
  local line, count = FINISHED_LINE[COMPLETED], keep[COMPLETED].count
  if count >= 0 then
    local over = line_take(line, 2 * #completed, line_end(line) - 1 - count)
    for i = 1, #over do
      erase(over[i])
    end
  end
end

local function settle_outcomes()
  for i = 1, outcomes do
    ids[i] = string.sub(word_of(i), 1, 16)
  end
  heads = read_all('HMGET', HEADS, ids)
  local letters = judge()
  if #completed > 0 then
    free_keys(completed)
    if keeps_none(keep, COMPLETED) then
      complete_and_forget()
    else
      complete_and_keep()
    end
  end
  if #others > 0 then
    move_others()
  end
  flush()
  if #completed > 0 then
    trim()
    flush()
  end
  return letters
end

-- --- claims -------------------------------------------------------------------------

local reply = {} -- of the whole step
local with_errors, with_results = {}, {} -- where in it errors and results go
local lease_end = string.format('%.0f', steady + lease)

local function hand_out(id, head, body)
  local at = #reply
  reply[at + 1], reply[at + 2], reply[at + 3] = id, head, body
  reply[at + 4], reply[at + 5] = false, false
  local flags = string.byte(head, 4)
  if has(flags, HAS_ERRORS) then
    with_errors[#with_errors + 1] = at + 4
  end
  if has(flags, HAS_RESULT) then
    with_results[#with_results + 1] = at + 5
  end
end

-- `back`: how far in front of such a place the job's id is.
local function fill_in(key, places, back)
  local of = {}
  for i, at in ipairs(places) do
    of[i] = reply[at - back]
  end
  local found = read_all('HMGET', key, of)
  for i, at in ipairs(places) do
    reply[at] = found[i]
  end
end

local function expire(id, head, body)
  local job = job_of(id, head, body)
  local stored = has(job.flags, HAS_ERRORS) and redis.call('HGET', ERRORS, id)
  add_error(job, stored, now, 'expired')
  to_finished(job, CANCELLED, now, keep)
end

-- Claim from one lane: how many at most, how many may be looked at. Returns how many
-- of each are left.
local function claim_lane(lane, wanted, looks, claimed)
  local saved, leases = later('HSET', HEADS), later('ZADD', LEASES)
  local tail = NONE48 .. now48 .. NONE48 .. OWNER
  while wanted > 0 and looks > 0 do
    local found = line_take(lane, math.min(wanted, looks))
    if #found == 0 then
      break
    end
    looks = looks - #found
    local found_heads = read_all('HMGET', HEADS, found)
    local bodies = read_all('HMGET', JOBS, found)
    for i = 1, #found do
      local id, head, body = found[i], found_heads[i], bodies[i]
      local over = body and string.sub(body, 14, 19)
      if over and over ~= NONE48 and struct.unpack('>I6', over) <= now then
        expire(id, head, body)
      elseif over then
        head = claimed_head(head, body, tail)
        saved[#saved + 1] = id
        saved[#saved + 1] = head
        leases[#leases + 1] = lease_end
        leases[#leases + 1] = id
        claimed[#claimed + 1] = id
        wanted = wanted - 1
        hand_out(id, head, body)
      end
    end
  end
  return wanted, looks
end

local function claim()
  local claimed, wanted, looks = {}, most, most + 100
  for lane = 1, 10 do
    if wanted == 0 or looks == 0 then
      break
    end
    wanted, looks = claim_lane(lane, wanted, looks, claimed)
  end
  if #claimed > 0 and lease > number('lease') then
    meta_set('lease', lease)
  end
  return table.concat(claimed)
end

-- The jobs of a claim whose reply was lost, as far as they still are as it left
-- them: claimed at that time by this owner. Their leases begin now.
local function claim_again(since, claimed)
  local handed_out = #ARGV[5] > 8 and struct.unpack('>I4', ARGV[5], 9) or 0
  local again = {}
  for at = 1 + 16 * handed_out, #claimed, 16 do
    again[#again + 1] = string.sub(claimed, at, at + 15)
  end
  local found_heads = read_all('HMGET', HEADS, again)
  local bodies = read_all('HMGET', JOBS, again)
  local left = most
  for i = 1, #again do
    local head = found_heads[i]
    if left == 0 then
      reply[4] = handed_out + i - 1
      break
    end
    if head and bodies[i] and string.byte(head, 2) == PROCESSING and
       string.sub(head, 25, 30) == since and string.sub(head, 37, 52) == OWNER then
      hand_out(again[i], head, bodies[i])
      later_two('ZADD', LEASES, lease_end, again[i])
      left = left - 1
    end
  end
end

-- Once for each turn. What was claimed is written down also when it is nothing: the
-- same request may be on its way a second time, and must not claim then.
local function claim_for_turn()
  local before = redis.call('HGET', CLAIMS, CLAIM_FIELD)
  local turn_before = before and string.sub(before, 1, 8)
  if turn_before == TURN then
    claim_again(string.sub(before, 9, 14), string.sub(before, 15))
  elseif not before or
         struct.unpack('>I8', turn_before) < struct.unpack('>I8', TURN) then
    local claimed = meta.paused and '' or claim()
    later_two('HSET', CLAIMS, CLAIM_FIELD, TURN .. now48 .. claimed)
  end
end

-- --- the step -----------------------------------------------------------------------

reply[1], reply[2], reply[3], reply[4] = '', 0, 0, 0
if outcomes > 0 then
  reply[1] = settle_outcomes()
end
if most > 0 then
  reply[2] = meta.paused and 1 or 0
  claim_for_turn()
  fill_in(ERRORS, with_errors, 3)
  fill_in(RESULTS, with_results, 4)
end
flush()
if woken then
  news()
end
reply[3] = next_at()
return reply
