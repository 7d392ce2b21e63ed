-- Delete entries for ever, settled or not, and count those that waited as no longer waiting.
-- KEYS[1] the stream; KEYS[2] the count of what waits; ARGV[1] the group; ARGV[2...] the ids
-- Returns how many there were.
local function parts(id)
  local ms, number = string.match(id, '(%d+)-(%d+)')
  return tonumber(ms), tonumber(number)
end
local read_ms, read_number = -1, -1 -- without a group nothing was read
local known = redis.call('EXISTS', KEYS[1]) > 0
for _, list in ipairs(known and redis.call('XINFO', 'GROUPS', KEYS[1]) or {}) do
  local facts = {}
  for i = 1, #list, 2 do
    facts[list[i]] = list[i + 1]
  end
  if facts.name == ARGV[1] then
    read_ms, read_number = parts(facts['last-delivered-id'])
  end
end
local deleted = 0
for i = 2, #ARGV do
  local ms, number = parts(ARGV[i])
  local unread = ms > read_ms or (ms == read_ms and number > read_number)
  local held = not unread and redis.call('XACK', KEYS[1], ARGV[1], ARGV[i]) > 0
  if redis.call('XDEL', KEYS[1], ARGV[i]) > 0 then
    deleted = deleted + 1
    if unread or held then
      redis.call('DECR', KEYS[2])
    end
  elseif held then
    redis.call('DECR', KEYS[2])
  end
end
return deleted
