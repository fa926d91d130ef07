#!lua
-- Keeps an entry, unless a later one is there.
-- KEYS entry; ARGV moment (20 digits), bytes, how long it stays (milliseconds).
local held = redis.call('GETRANGE', KEYS[1], 0, 19)
if held <= ARGV[1] then redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2], 'PX', ARGV[3]) end
return 1
