#!lua
-- Counts an attempt, if fewer than the limit are counted.
-- KEYS window; ARGV limit, length of a window (milliseconds), id of a new window (16 bytes).
local held, left = redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])
local used = held and tonumber(string.sub(held, 17))
if used and left > 0 then
  if used >= tonumber(ARGV[1]) then return {0, left} end
  redis.call('SET', KEYS[1], string.sub(held, 1, 16) .. used + 1, 'KEEPTTL')
  return {1, string.sub(held, 1, 16)}
end
if tonumber(ARGV[1]) < 1 then return {0, ARGV[2]} end
redis.call('SET', KEYS[1], ARGV[3] .. '1', 'PX', ARGV[2])
return {1, ARGV[3]}
