-- session.lua - what was answered to a put, or to bringing in, that is sent again.

-- `entry`: what is kept under the session's field, `seq` its 8 bytes. Nil: this seq is
-- new. Else the reply: as it was; TOOOLD; or how many jobs that put had, if another.
local function answered(entry, seq, count)
  if not entry or #entry < 18 then -- what is shorter is damaged
    return nil
  end
  if string.sub(entry, 1, 8) == seq then
    local had = struct.unpack('>I4', entry, 15)
    if had ~= count then
      return had
    end
    return #entry == 18 and redis.status_reply('OK') or string.sub(entry, 19)
  end
  if struct.unpack('>I8', entry) > struct.unpack('>I8', seq) then
    return redis.status_reply('TOOOLD')
  end
  return nil
end
