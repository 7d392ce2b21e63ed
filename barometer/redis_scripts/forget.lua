-- Remove consumers that hold nothing and have asked for nothing for long. In one step: one that
-- took something in between would lose it with its name.
-- KEYS[1] the stream; ARGV[1] the group; ARGV[2] milliseconds of silence
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local facts = {}
  for i = 1, #consumer, 2 do
    facts[consumer[i]] = consumer[i + 1]
  end
  if facts.pending == 0 and facts.idle > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], facts.name)
  end
end
