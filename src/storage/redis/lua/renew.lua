#!lua flags=allow-oom
-- renew.lua - extend the named leases of one owner.
--
-- ARGV: clock, owner, lease, the leases in one word: id and epoch (u32) of each.
-- Replies: a letter for each: o for OK, s for STALE, c for CANCEL_ASKED.
-- include: step, lease

local OWNER, lease, NAMED = ARGV[3], tonumber(ARGV[4]), ARGV[5]
local PROCESSING, CANCEL_ASKED = 4, 1

local ids = {}
for at = 1, #NAMED, 20 do
  ids[#ids + 1] = string.sub(NAMED, at, at + 15)
end
if not meta_read() then
  return string.rep('s', #ids)
end
local _, steady = clock()
local lease_end = string.format('%.0f', steady + lease)
local lease48 = struct.pack('>I6', lease)

local heads, ends = read_all('HMGET', HEADS, ids), read_all('ZMSCORE', LEASES, ids)
local letters, extended = {}, {}
local saved = {} -- heads of those that had another lease, or a grace
for i = 1, #ids do
  local head = heads[i]
  letters[i] = 's'
  if head and string.byte(head, 2) == PROCESSING and string.sub(head, 37, 52) == OWNER
     and string.sub(head, 9, 12) == string.sub(NAMED, 20 * i - 3, 20 * i) then
    letters[i] = string.byte(head, 4) % 2 == CANCEL_ASKED and 'c' or 'o'
    if ends[i] ~= '-inf' then -- the owner is gone: that stays so
      extended[#extended + 1] = lease_end
      extended[#extended + 1] = ids[i]
      if string.sub(head, 19, 24) ~= lease48 then
        saved[#saved + 1] = ids[i]
        saved[#saved + 1] = head_leased(head, lease)
      end
    end
  end
end

write_all('ZADD', LEASES, extended)
write_all('HSET', HEADS, saved)
if #extended > 0 and is_shortest(meta.lease, lease) then
  meta_set('lease', lease)
end
flush()
return table.concat(letters)
