#!lua flags=allow-oom
-- sweep.lua - housekeeping of one queue, bounded by `limit` for each kind of work:
-- what is due becomes pending, what its worker lost is taken back, what is over age
-- or count goes.
--
-- ARGV: clock, limit, max_crashes, retention, run_id of this server.
-- Replies: promoted, recovered, killed, expired, removed, more, next_at.
-- include: step, line, job, lease, walk, order

local limit, max_crashes = tonumber(ARGV[3]), tonumber(ARGV[4])
local run_id = ARGV[6]
local WEEK = 7 * 24 * 3600 * 1000

if not meta_read() then
  return { 0, 0, 0, 0, 0, 0, 0 }
end
local now, steady = clock()
local keep = retention_here(ARGV[5])
local promoted, recovered, killed, expired, removed, more = 0, 0, 0, 0, 0, 0

local function note_error(job, text)
  local stored = has(job.flags, HAS_ERRORS) and redis.call('HGET', ERRORS, job.id)
  add_error(job, stored, now, text)
end

-- The first `limit` of these in order; notes in `more` that there are others.
local function within_limit(ids)
  if #ids > limit then
    more = 1
    ids[#ids] = nil
  end
  return ids
end

-- --- what is due --------------------------------------------------------------------

-- The first due of both states together, in (run_at, id) order, one more than the
-- limit if there are so many.
local function due_ids()
  local a = redis.call('ZRANGEBYSCORE', SCHEDULED, '-inf', now, 'WITHSCORES',
                       'LIMIT', 0, limit + 1)
  local b = redis.call('ZRANGEBYSCORE', FAILED, '-inf', now, 'WITHSCORES',
                       'LIMIT', 0, limit + 1)
  local ids, i, j = {}, 1, 1
  while #ids <= limit and (a[i] or b[j]) do
    local first = b[j] == nil
    if a[i] and b[j] then
      local x, y = tonumber(a[i + 1]), tonumber(b[j + 1])
      first = x < y or (x == y and stands_before(a[i], b[j]))
    end
    if first then
      ids[#ids + 1], i = a[i], i + 2
    else
      ids[#ids + 1], j = b[j], j + 2
    end
  end
  return ids
end

local function promote(id, job)
  if not job or (job.state ~= IN_SCHEDULED and job.state ~= IN_FAILED) then
    later_one('ZREM', SCHEDULED, id)
    later_one('ZREM', FAILED, id)
    return
  end
  local over = expires_at(job)
  leave(job)
  if over ~= 0 and over <= now then
    note_error(job, 'expired')
    to_finished(job, CANCELLED, now, keep)
    expired = expired + 1
  else
    to_tail(job)
    promoted = promoted + 1
  end
end

-- --- what was lost ------------------------------------------------------------------

-- A lease that was not over at the sweep before ends no sooner than a whole one from now,
-- if nobody could renew it for half of it. Once, until it is renewed: where sweeps are
-- rare each would else begin one more grace, and no job would come back. Between two
-- restarts it may be that nobody got to renew.
local function give_grace(before, restarted)
  local away, shortest = steady - before, nil
  local ids = redis.call('ZRANGEBYSCORE', LEASES, '(' .. digits(math.min(before, steady)),
                         '+inf')
  local heads, ends = read_all('HMGET', HEADS, ids), read_all('ZMSCORE', LEASES, ids)
  for i = 1, #ids do
    local head = heads[i]
    local place = head and #head == HEAD_SIZE and struct.unpack('>I6', head, 19)
    local lease = place and place % GRACED
    if lease and is_shortest(shortest, lease) then
      shortest = lease
    end
    if lease and (restarted or (place < GRACED and away > lease / 2)) then
      later_two('HSET', HEADS, ids[i], head_leased(head, lease + GRACED))
      later_two('ZADD', LEASES, digits(math.max(ends[i], steady + lease)), ids[i])
    end
  end
  flush()
  if shortest then
    meta_set('lease', shortest)
  end
end

-- A server that was down or frozen, or has just become the master, let nobody renew,
-- nor does a clock that was set forward. It shows by another run_id, or by no sweep for
-- half of the shortest lease: while a worker lives there is one each second, and no
-- other step can run before it and hide it.
local function look_for_grace()
  local before = number('swept_at')
  local restarted = run_id ~= '' and meta.server and meta.server ~= run_id
  local late = ARGV[1] == '' and before > 0 and meta.lease and
               steady - before > number('lease') / 2
  if restarted or late then
    give_grace(before, restarted)
  end
  if run_id ~= '' and meta.server ~= run_id then
    meta_set('server', run_id)
  end
  meta_set('swept_at', steady)
end

-- Without leases there is no shortest one. It only falls, but for a grace, and one
-- worker with a lease of a second would make each sweep look at all leases.
local function forget_lease()
  if meta.lease and redis.call('ZCARD', LEASES) == 0 then
    redis.call('HDEL', META, 'lease')
  end
end

local function recover(id, job)
  if not job or job.state ~= PROCESSING then
    later_one('ZREM', LEASES, id)
    return
  end
  local asked = has(job.flags, CANCEL_ASKED)
  local last = job.crashes + 1 >= max_crashes
  leave(job)
  if last and not asked then
    note_error(job, 'worker_lost')
  end
  job.crashes = job.crashes + 1
  give_back(job)
  if asked then
    to_finished(job, CANCELLED, now, keep)
  elseif last then
    to_finished(job, DEAD, now, keep)
    killed = killed + 1
  else
    to_tail(job)
    recovered = recovered + 1
  end
end

-- --- what is over -------------------------------------------------------------------

-- Places and finishing times rise together, so the first is over first; but for a
-- job that finished elsewhere, which goes no earlier than those before it. So this
-- goes from the front to the first that is not over.
local function clean(state)
  local n, bound = FINISHED_LINE[state], keep[state]
  local last = line_first(n) + line_length(n) - 1
  local first, cut = line_first(n), 0 -- cut: jobs that leave the list
  local place, looks = 0, 0
  while place do
    local ids, places, upto = line_slice(n, place, LOOK)
    looks = looks + LOOK - #ids
    if looks > HOLE_LOOKS then
      more = 1
      line_cut(n, place + 1, cut)
      return
    end
    local heads = bound.age >= 0 and read_all('HMGET', HEADS, ids)
    for i = 1, #ids do
      local over = bound.count >= 0 and last - places[i] >= bound.count
      if not over and heads then
        local whole = heads[i] and #heads[i] == HEAD_SIZE
        local finished_at = whole and struct.unpack('>I6', heads[i], 31) or 0
        over = now - finished_at >= bound.age
      end
      if not over or removed == limit then
        more = over and 1 or more
        line_cut(n, places[i], cut)
        return
      end
      if places[i] < first then
        later_one('ZREM', STRAYS, ids[i])
      else
        cut = cut + 1
      end
      erase(ids[i])
      removed = removed + 1
    end
    place = upto
  end
  line_cut(n, last + 1, cut)
end

local function clean_keys()
  local texts = redis.call('ZRANGEBYSCORE', UNIQUE_TIMES, '-inf', now,
                           'LIMIT', 0, limit)
  local entries = read_all('HMGET', UNIQUE, texts)
  for i = 1, #texts do
    later_one('ZREM', UNIQUE_TIMES, texts[i])
    if entries[i] and not holder_in(entries[i], now) then
      later_one('HDEL', UNIQUE, texts[i])
    end
  end
end

-- What was answered to puts and exchanges of long ago: a part of the entries each time,
-- round and round, the larger the more there are, so that a round takes a quarter of
-- an hour. In both, the time follows on a number of eight bytes.
local function clean_answers(key, cursor)
  local count = math.floor(redis.call('HLEN', key) / 1000)
  local found = redis.call('HSCAN', key, meta[cursor] or '0', 'COUNT',
                           math.min(math.max(count, 20), 500))
  local entries = found[2]
  for i = 1, #entries, 2 do
    local entry = entries[i + 1]
    if #entry < 14 or struct.unpack('>I6', entry, 9) + WEEK <= now then
      later_one('HDEL', key, entries[i])
    end
  end
  if found[1] ~= (meta[cursor] or '0') then
    meta_set(cursor, found[1])
  end
end

-- --- the step -----------------------------------------------------------------------

-- Those that are left when enough was read are met by the next sweep. Each kind of work
-- may read as much, so that none keeps the others waiting.
local function each_until_enough(ids, move)
  body_bytes = 0
  for from = 1, #ids, SLICE do
    if read_enough() then
      more = 1
      return
    end
    each_job({ unpack(ids, from, math.min(from + SLICE - 1, #ids)) }, move)
  end
end

each_until_enough(within_limit(due_ids()), promote)
look_for_grace()
each_until_enough(within_limit(redis.call('ZRANGEBYSCORE', LEASES, '-inf', steady,
                                          'LIMIT', 0, limit + 1)), recover)
lines_trim()
forget_lease()
for state = COMPLETED, CANCELLED do
  clean(state)
end
clean_keys()
clean_answers(SESSIONS, 'swept')
clean_answers(CLAIMS, 'swept_claims')
flush()
if promoted + recovered > 0 then
  news()
end
return { promoted, recovered, killed, expired, removed, more, next_at() }
