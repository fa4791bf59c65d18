-- slice.lua - how many jobs to read at once, where how large they are is seen only when
-- they are read.
--
-- A payload may have a megabyte, and large jobs may stand behind any number of small
-- ones. So no step reads many at once, however small those before them were; a few at
-- first, and fewer where the last ones were large. A command more for 16 jobs costs a
-- hundredth of what these cost.

local SLICE_FIRST, SLICE_MOST = 8, 16

-- After `count` jobs with so many bytes in all, where `room` bytes are left.
local function slice_after(count, bytes, room)
  return math.max(1, math.min(SLICE_MOST, math.floor(room * count / (bytes + 1))))
end
