-- tally.lua - what a mover has taken out of the queue, or brought in: how many jobs,
-- and the sum of their digests, each of its eight numbers modulo 2^32. It is a field
-- of meta, which steps read anyhow.

local LANES = '>I4I4I4I4I4I4I4I4'
local TALLY = '>I8I4I4I4I4I4I4I4I4'
local UNCOUNTED = string.rep('\0', 32)
local tally_count, tally_sum = 0, { 0, 0, 0, 0, 0, 0, 0, 0 } -- of this step

-- Count job number n of those whose digests are in `digests`; '': it is not wanted.
local function tally_add(digests, n)
  local at = 32 * (n - 1) + 1
  if digests == '' or string.sub(digests, at, at + 31) == UNCOUNTED then
    return
  end
  tally_count = tally_count + 1
  local lanes = { struct.unpack(LANES, digests, at) }
  for i = 1, 8 do
    tally_sum[i] = (tally_sum[i] + lanes[i]) % 4294967296
  end
end

-- Before the last flush().
local function tally_save(mover)
  if tally_count == 0 then
    return
  end
  local field = 'tally:' .. mover
  if meta[field] then
    local before = { struct.unpack(TALLY, meta[field]) }
    tally_count = tally_count + before[1]
    for i = 1, 8 do
      tally_sum[i] = (tally_sum[i] + before[i + 1]) % 4294967296
    end
  end
  meta_set(field, struct.pack(TALLY, tally_count, unpack(tally_sum)))
end
