#!lua
-- Counts an attempt less, if the window is still there.
-- KEYS window; ARGV id of the window (16 bytes).
local held = redis.call('GET', KEYS[1])
local used = held and string.sub(held, 1, 16) == ARGV[1] and tonumber(string.sub(held, 17))
if used and used >= 1 then redis.call('SET', KEYS[1], ARGV[1] .. used - 1, 'KEEPTTL') end
return 1
