#!lua flags=allow-oom
-- Shows the records after a tip.
-- KEYS log; ARGV place and id of the tip (both empty if there is none), most records, most bytes of a field.
-- It only reads. It must not have the flag `no-writes`: without it, a replica refuses this script, and so does a primary
-- that lost the replicas which it needs.
local now = redis.call('TIME')
-- This id changes when a server starts, and when a replica becomes the primary.
local info = redis.pcall('INFO', 'replication')
local run = type(info) == 'string' and string.match(info, 'master_replid:(%w+)') or ''
local from, goes_on = '-', 0
if ARGV[1] ~= '' then
  local own = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
  if own and own[2][2] == ARGV[2] then from, goes_on = '(' .. ARGV[1], 1 end
end
local most = tonumber(ARGV[3])
local records, more = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', most + 1), 0
if #records > most then
  records[#records] = nil
  more = 1
end
-- Who can write to the log may have put anything there. The reply stays small nevertheless.
for _, record in ipairs(records) do
  local fields = {}
  for at = 2, 6, 2 do fields[at / 2] = string.sub(record[2][at] or '', 1, tonumber(ARGV[4])) end
  record[2] = fields
end
return {now[1], now[2], run, goes_on, more, records}
