#!lua flags=allow-oom
-- Adds records, and drops old ones.
-- KEYS log; ARGV how long a record stays (milliseconds), channel of hints, then id, origin and bytes of each record.
local now = redis.call('TIME')
local known = {}
for _, record in ipairs(redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 64)) do known[record[2][4]] = true end
local last = false
for at = 3, #ARGV, 3 do
  if not known[ARGV[at + 1]] then
    known[ARGV[at + 1]] = true
    last = redis.call('XADD', KEYS[1], '*', 'i', ARGV[at], 'o', ARGV[at + 1], 'b', ARGV[at + 2])
  end
end
-- The newest of the old records stays: it is the tip of every instance that is up to date.
local floor = math.max(now[1] * 1000 + math.floor(now[2] / 1000) - ARGV[1], 0)
local old = redis.call('XREVRANGE', KEYS[1], floor, '-', 'COUNT', 1)[1]
if old then redis.call('XTRIM', KEYS[1], 'MINID', old[1]) end
-- Who may not publish can append nevertheless.
if last then redis.pcall('PUBLISH', ARGV[2], last) end
return 1
