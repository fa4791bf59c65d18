-- outcome.lua - what both ways of an exchange share: its words, and the heads of jobs
-- that are completed or claimed.
--
-- ARGV: clock, owner, its field in claims ('' if nothing is to be claimed), turn (u64;
-- and u32: how many jobs of that claim were handed out before, if any), retention,
-- lease, claim_max, then two words for each outcome: id, epoch (u32), kind (u8), delay
-- (u48; not for a completion); and its error or result.
-- Replies: a letter for each outcome ('' if all are OK): o for OK, s for STALE;
-- 1 if the queue is paused; next_at; for a claim that is handed out again and does not
-- fit, how many of its jobs then were, else 0; 1 if there would be more, but the
-- bodies are large enough for one reply; then five for each claimed job: id, head,
-- body, errors, result.

local OWNER, CLAIM_FIELD, TURN = ARGV[3], ARGV[4], string.sub(ARGV[5], 1, 8)
local lease, most = tonumber(ARGV[7]), tonumber(ARGV[8])
local FIRST_OUTCOME = 9
local outcomes = (#ARGV - FIRST_OUTCOME + 1) / 2
local NONE48, FIRST_CLAIM = '\0\0\0\0\0\0', '\0\1\0\0\0\0\0\1' -- attempt, crashes, epoch

-- No more bodies are read once a reply has so many bytes of them: a reply that takes
-- longer than the caller waits would never arrive.
local BODIES_MOST = 4 * 2 ^ 20
local BODY_LEAST, HEAD_SIZE = 30, 52 -- what is shorter is damaged

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

-- What all heads end with that are claimed here: the lease in the place of a place, the
-- start, no end.
local function claimed_tail(now48)
  return struct.pack('>I6', lease) .. now48 .. NONE48 .. OWNER
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
