-- KEYS: epoch. ARGV: an ID if there is none, ttl ms. Returns {"ID ms", now ms}.
local t = redis.call('TIME')
local now = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
local v = redis.call('GET', KEYS[1])
-- Born later than now: the clock was set back, and leases are measured by another.
if not v or tonumber(string.match(v, '%d+$')) > tonumber(now) then v = ARGV[1] .. ' ' .. now end
redis.call('SET', KEYS[1], v, 'PX', ARGV[2]) -- in any case: a server that takes no writes is none
return {v, now}
