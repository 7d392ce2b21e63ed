-- Set the count of what waits right, where it can be known: entries that somebody else appended or
-- deleted are not in it.
-- KEYS[1] the stream; KEYS[2] the count of what waits; ARGV[1] the group
local function facts_of(list)
  local facts = {}
  for i = 1, #list, 2 do
    facts[list[i]] = list[i + 1]
  end
  return facts
end
local stream = facts_of(redis.call('XINFO', 'STREAM', KEYS[1]))
for _, list in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = facts_of(list)
  if group.name == ARGV[1] then
    if group['last-delivered-id'] == stream['last-generated-id'] then
      redis.call('SET', KEYS[2], group.pending)
    elseif type(group.lag) == 'number' then -- Redis 7; unknown to it after a deletion
      redis.call('SET', KEYS[2], group.pending + group.lag)
    end
  end
end
