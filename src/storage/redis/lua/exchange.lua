#!lua flags=allow-oom
-- exchange.lua - outcomes in, claimed jobs out: whatever they are. Most exchanges do
-- not come here, but are done by exchange_plain.lua.
--
-- Words and replies: lib/outcome.lua.
-- include: outcome, slice, lease, step, line, job

if not meta_read() then
  return { string.rep('s', outcomes), 0, 0, 0, 0 }
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
    if head and #head == HEAD_SIZE and
       string.sub(head, 9, 12) == string.sub(word, 17, 20) and
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

-- include: claim

-- --- the step -----------------------------------------------------------------------

reply[1], reply[2], reply[3], reply[4], reply[5] = '', 0, 0, 0, 0
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
