-- lease.lua - how long a lease is, which the head of a processing job has where others
-- have a place. One that got a grace is marked there until it is renewed.

local GRACED = 2 ^ 47

-- Is this lease shorter than the shortest known, as it is in `meta`?
local function is_shortest(known, lease)
  known = tonumber(known)
  return not known or lease < known
end

-- A head with this lease, or with GRACED added to it.
local function head_leased(head, lease)
  return string.sub(head, 1, 18) .. struct.pack('>I6', lease) .. string.sub(head, 25)
end
