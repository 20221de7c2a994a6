-- KEYS: arrival time. ARGV: us of one event, burst, events. Returns {allowed,
-- remaining, us until it would be allowed}.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local each, burst, n = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local most = each * burst
local tat = tonumber(redis.call('GET', KEYS[1]) or now)
if tat < now then tat = now end
if tat > now + most then tat = now + most end -- the clock was set back
local after = tat + each * n
if n > burst then return {0, math.floor((most - (tat - now)) / each), -1} end
if after - now > most then return {0, math.floor((most - (tat - now)) / each), after - now - most} end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', math.ceil((after - now) / 1000) + 1)
return {1, math.floor((most - (after - now)) / each), 0}
