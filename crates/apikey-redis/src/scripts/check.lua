#!lua
-- Tries the commands of all other scripts, without leaving anything.
-- KEYS three names where nothing is; ARGV channel of hints.
redis.call('TIME')
redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
redis.call('XADD', KEYS[1], 'NOMKSTREAM', '*', 'i', '')
redis.call('XTRIM', KEYS[1], 'MINID', '0-0')
redis.call('GETRANGE', KEYS[2], 0, 0)
redis.call('GET', KEYS[2])
redis.call('PTTL', KEYS[2])
redis.call('SET', KEYS[2], '', 'PX', 1)
redis.call('SET', KEYS[3], '', 'PX', 1)
redis.call('PUBLISH', ARGV[1], '')
return 1
