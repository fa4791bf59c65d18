-- readable.lua - can whoever gets these records make a job of them? As
-- redis_record_read.c has it, and no other: what it cannot read must not be held for
-- it, or it would be handed over again for ever.
--
-- job.lua's is_whole() asks for less, and that is all that a step needs which moves a
-- job from one state to another.

local RECORD_FORMAT = 1
local PART_TIMEOUT, PART_GROUP, PART_BACKOFF = 1, 2, 4
local BACKOFF_KIND_MOST, DELAYS_MOST = 4, 16

-- Are there `size` bytes from `at` on, and is none of them the end of a text in C?
local function is_text(bytes, at, size)
  return at + size - 1 <= #bytes and
         not string.find(string.sub(bytes, at, at + size - 1), '\0', 1, true)
end

-- What is behind the type and the key, and may not be there.
local function parts_are_readable(body, at)
  local parts = string.byte(body, at)
  at = at + 1
  if not parts then
    return false
  end
  if has(parts, PART_TIMEOUT) then
    at = at + 6
  end
  if has(parts, PART_GROUP) then
    local size = string.byte(body, at)
    if not size or not is_text(body, at + 1, size) then
      return false
    end
    at = at + 1 + size
  end
  if has(parts, PART_BACKOFF) then
    local kind, count = string.byte(body, at), string.byte(body, at + 14)
    if not count or kind > BACKOFF_KIND_MOST or count > DELAYS_MOST then
      return false
    end
    at = at + 15 + 6 * count
  end
  return at - 1 <= #body
end

local function body_is_readable(body)
  local flags, _, _, _, size = string.byte(body, 26, 30)
  local at = 31 + size
  if string.byte(body) ~= RECORD_FORMAT or not is_text(body, 31, size) then
    return false
  end
  if has(flags, HAS_KEY) then
    if #body < at + 7 then
      return false
    end
    size = struct.unpack('>H', body, at)
    if not is_text(body, at + 8, size) then
      return false
    end
    at = at + 8 + size
  end
  return parts_are_readable(body, at)
end

local function errors_are_readable(errors)
  local count, at = string.byte(errors), 2
  if not count or count > ERRORS_KEPT then
    return false
  end
  for _ = 1, count do
    if #errors < at + 9 then
      return false
    end
    local size = struct.unpack('>H', errors, at + 8)
    if not is_text(errors, at + 10, size) then
      return false
    end
    at = at + 10 + size
  end
  return at == #errors + 1
end

-- `head` and `errors` may be false. Its state is for the caller to look at.
local function is_readable(id, head, body, errors)
  return #id == 16 and is_whole(head, body) and body_is_readable(body) and
         (not head or string.byte(head) == RECORD_FORMAT) and
         (not errors or errors_are_readable(errors))
end
