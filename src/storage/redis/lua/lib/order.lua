-- order.lua - the order of jobs that have a time: by it, then by id.

-- As memcmp() has it: Lua's own `<` compares as people of the server's country sort
-- words.
local function stands_before(a, b)
  for i = 1, #b do
    local x, y = string.byte(a, i) or -1, string.byte(b, i)
    if x ~= y then
      return x < y
    end
  end
  return false
end

-- How many of a zset stand up to this score and id, whether or not that job is still
-- there: it may have another score by now. Many jobs may have one score; among them the
-- place is found by halving.
local function rank_behind(key, score, id)
  local low = redis.call('ZCOUNT', key, '-inf', '(' .. score)
  local high = redis.call('ZCOUNT', key, '-inf', score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if stands_before(id, redis.call('ZRANGE', key, middle, middle)[1]) then
      high = middle
    else
      low = middle + 1
    end
  end
  return low
end
