-- Acknowledge entries, and count them as no longer waiting.
-- KEYS[1] the stream; KEYS[2] the count of what waits; ARGV[1] the group; ARGV[2...] the ids
local settled = redis.call('XACK', KEYS[1], unpack(ARGV))
if settled > 0 then
  redis.call('DECRBY', KEYS[2], settled)
end
return settled
