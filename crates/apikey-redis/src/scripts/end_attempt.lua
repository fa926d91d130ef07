#!lua
-- Ends an attempt that is under way, if its window is still there.
-- KEYS window; ARGV id of the window (16 bytes), 1 if the attempt stays counted.
local held = redis.call('GET', KEYS[1])
if not held or string.sub(held, 1, 16) ~= ARGV[1] then return 1 end
local used, open = string.match(string.sub(held, 17), '^(%d+):(%d+)$')
if used and tonumber(open) >= 1 then
  redis.call('SET', KEYS[1], ARGV[1] .. used + ARGV[2] .. ':' .. open - 1, 'KEEPTTL')
end
return 1
