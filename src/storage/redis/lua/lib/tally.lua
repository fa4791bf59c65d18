-- tally.lua - what a mover has taken out of the queue, or brought in: how many jobs,
-- and the sum of their digests, each of its eight numbers modulo 2^32. It is a field
-- of meta, which steps read anyhow.
--
-- `digests` is one word: how many of them count and the sum of all, as the caller adds
-- it up, then each; '': no tally is wanted. So where all jobs of a call were dealt with,
-- as nearly always, nothing has to be added up here.

local LANES = '>I4I4I4I4I4I4I4I4'
local TALLY = '>I8I4I4I4I4I4I4I4I4'
local UNCOUNTED = string.rep('\0', 32)
local HEADER = 36 -- bytes before the first digest
local tally_jobs = {} -- numbers of those to count

-- Count job number n of those whose digests are there.
local function tally_add(n)
  tally_jobs[#tally_jobs + 1] = n
end

-- How many count, and their sum.
local function tally_sum(digests)
  if #tally_jobs == (#digests - HEADER) / 32 then
    return struct.unpack('>I4', digests), { struct.unpack(LANES, digests, 5) }
  end
  local count, sum = 0, { 0, 0, 0, 0, 0, 0, 0, 0 }
  for _, n in ipairs(tally_jobs) do
    local at = HEADER + 32 * (n - 1) + 1
    if string.sub(digests, at, at + 31) ~= UNCOUNTED then
      count = count + 1
      local lanes = { struct.unpack(LANES, digests, at) }
      for i = 1, 8 do
        sum[i] = sum[i] + lanes[i]
      end
    end
  end
  return count, sum
end

-- Before the last flush().
local function tally_save(mover, digests)
  if digests == '' or #tally_jobs == 0 then
    return
  end
  local count, sum = tally_sum(digests)
  local field = 'tally:' .. mover
  local before = { 0, 0, 0, 0, 0, 0, 0, 0, 0 }
  if meta[field] then
    before = { struct.unpack(TALLY, meta[field]) }
  end
  for i = 1, 8 do
    sum[i] = (sum[i] + before[i + 1]) % 4294967296
  end
  if count > 0 then
    meta_set(field, struct.pack(TALLY, before[1] + count, unpack(sum, 1, 8)))
  end
end
