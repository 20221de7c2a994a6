-- KEYS: windows. ARGV: holder, seq, want, share, least, and of each window limit,
-- have, expiry in ms. Returns {bytes, left}, left -1 without a limit, or {-1} for
-- a settlement that is late.
local seq, want, share, least = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local last, granted, has, total = 0, 0, {}, {}
for i, key in ipairs(KEYS) do
  local v = redis.call('HMGET', key, 'total', ARGV[1])
  total[i] = tonumber(v[1] or 0)
  has[i] = 0
  if v[2] then
    local s, h, b = string.match(v[2], '^(%d+) (%d+) (%d+)$')
    has[i] = tonumber(h)
    if tonumber(s) > last then last, granted = tonumber(s), tonumber(b) end
  end
end
if seq < last then return {-1} end
local left = -1
for i = 1, #KEYS do
  local limit = tonumber(ARGV[3 + 3 * i])
  if seq > last then total[i] = total[i] + tonumber(ARGV[4 + 3 * i]) - has[i] end
  if limit ~= 0 then
    local room = math.max(0, limit - total[i])
    if left < 0 or room < left then left = room end
  end
end
if seq == last then return {granted, left} end
local bytes = want
if left >= 0 then
  bytes = math.max(0, math.min(want, left, math.max(math.floor(left / share), least)))
  left = left - bytes
end
for i, key in ipairs(KEYS) do
  redis.call('HSET', key, 'total', string.format('%.0f', total[i] + bytes),
    ARGV[1], string.format('%.0f %.0f %.0f', seq, tonumber(ARGV[4 + 3 * i]) + bytes, bytes))
  redis.call('PEXPIREAT', key, ARGV[5 + 3 * i])
end
return {bytes, left}
