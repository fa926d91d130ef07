#!lua
-- Counts an attempt, if fewer than the limit are counted.
-- KEYS window; ARGV limit, length of a window (milliseconds), id of a new window (16 bytes).
-- A window holds its id, how many attempts are used, a colon, and how many are under way.
local held, left, limit = redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1]), tonumber(ARGV[1])
local used, open = string.match(string.sub(held or '', 17), '^(%d+):(%d+)$')
if used and left > 0 then
  if used + open >= limit then return {0, left, tonumber(used) >= limit and 1 or 0} end
  redis.call('SET', KEYS[1], string.sub(held, 1, 16) .. used .. ':' .. open + 1, 'KEEPTTL')
  return {1, string.sub(held, 1, 16), 0}
end
if limit < 1 then return {0, ARGV[2], 1} end
redis.call('SET', KEYS[1], ARGV[3] .. '0:1', 'PX', ARGV[2])
return {1, ARGV[3], 0}
