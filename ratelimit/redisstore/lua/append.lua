-- KEYS: stream, key of the entry. ARGV: payload, keep ms, most entries or 0, ms
-- for which the key is known. Returns whether it was added.
if not redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[4]) then return 0 end
local t = redis.call('TIME')
local oldest = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000) - ARGV[2])
redis.call('XADD', KEYS[1], 'MINID', '~', oldest, '*', 'p', ARGV[1])
if ARGV[3] ~= '0' then redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[3]) end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PUBLISH', KEYS[1], '')
return 1
