-- Take over what other consumers have held too long, without counting it as delivered.
-- KEYS[1] the stream; KEYS[2] the count of what waits
-- ARGV[1] the group; ARGV[2] the consumer; ARGV[3] idle milliseconds; ARGV[4] the id to go on from;
-- ARGV[5] at most so many
-- Returns the id to go on from the next time (0-0: all were seen), and how many of them somebody
-- had deleted, which Redis 7 settles by itself.
local answer = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4],
  'COUNT', ARGV[5], 'JUSTID')
local gone = answer[3] and #answer[3] or 0
if gone > 0 then
  redis.call('DECRBY', KEYS[2], gone)
end
return { answer[1], gone }
