-- claim.lua - jobs handed out by an exchange: from the lanes in their order, or once
-- more to who lost the reply.
--
-- The reply grows while it claims; errors and results are filled in at the end, since
-- few jobs have any. Whoever includes it has `now`, `steady`, `now48` and `keep`, the
-- words of outcome.lua, and slice.lua.

local reply = {} -- of the whole step
local bytes = 0  -- of the bodies in it
local slice = SLICE_FIRST
local with_errors, with_results = {}, {} -- where in it errors and results go
local lease_end = string.format('%.0f', steady + lease)

local function hand_out(id, head, body)
  local at = #reply
  reply[at + 1], reply[at + 2], reply[at + 3] = id, head, body
  reply[at + 4], reply[at + 5] = false, false
  bytes = bytes + #body
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
  local tail = claimed_tail(now48)
  while wanted > 0 and looks > 0 and bytes < BODIES_MOST do
    local found = line_take(lane, math.min(wanted, looks, slice))
    if #found == 0 then
      break
    end
    looks = looks - #found
    local found_heads = read_all('HMGET', HEADS, found)
    local bodies = read_all('HMGET', JOBS, found)
    local bytes_before = bytes
    for i = 1, #found do
      local id, head, body = found[i], found_heads[i], bodies[i]
      local sound = body and #body >= BODY_LEAST and (not head or #head == HEAD_SIZE)
      local over = sound and string.sub(body, 14, 19)
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
    slice = slice_after(#found, bytes - bytes_before, BODIES_MOST - bytes)
  end
  return wanted, looks
end

local looked_enough = false -- at expired ones: there may be others behind them

local function claim()
  local claimed, wanted, looks = {}, most, most + 100
  for lane = 1, 10 do
    if wanted == 0 or looks == 0 or bytes >= BODIES_MOST then
      break
    end
    wanted, looks = claim_lane(lane, wanted, looks, claimed)
  end
  looked_enough = looks == 0
  if #claimed > 0 and is_shortest(meta.lease, lease) then
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
  local left, from = most, 1
  while from <= #again do
    local to = math.min(from + slice - 1, #again)
    local bytes_before = bytes
    local found_heads = redis.call('HMGET', HEADS, unpack(again, from, to))
    local bodies = redis.call('HMGET', JOBS, unpack(again, from, to))
    for i = 1, #bodies do
      local id, head = again[from + i - 1], found_heads[i]
      if left == 0 or bytes >= BODIES_MOST then
        reply[4] = handed_out + from + i - 2
        return
      end
      if head and bodies[i] and string.byte(head, 2) == PROCESSING and
         string.sub(head, 25, 30) == since and string.sub(head, 37, 52) == OWNER then
        hand_out(id, head, bodies[i])
        later_two('ZADD', LEASES, lease_end, id)
        later_two('HSET', HEADS, id, head_leased(head, lease))
        left = left - 1
      end
    end
    slice = slice_after(#bodies, bytes - bytes_before, BODIES_MOST - bytes)
    from = to + 1
  end
end

-- Once for each turn. What was claimed is written down also when it is nothing: the
-- same request may be on its way a second time, and must not claim then.
local function claim_for_turn()
  local before = redis.call('HGET', CLAIMS, CLAIM_FIELD)
  before = before and #before >= 14 and before
  local turn_before = before and string.sub(before, 1, 8)
  if turn_before == TURN then
    claim_again(string.sub(before, 9, 14), string.sub(before, 15))
  elseif not before or
         struct.unpack('>I8', turn_before) < struct.unpack('>I8', TURN) then
    local claimed = meta.paused and '' or claim()
    reply[5] = (bytes >= BODIES_MOST or looked_enough or line_take_stopped()) and
               #claimed < 16 * most and 1 or 0
    later_two('HSET', CLAIMS, CLAIM_FIELD, TURN .. now48 .. claimed)
  end
end
