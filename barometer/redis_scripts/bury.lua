-- Copy an entry to the dead letters and acknowledge it; nothing if it is settled already.
-- KEYS[1] the stream; KEYS[2] the dead letters; KEYS[3] the count of what waits
-- ARGV[1] the group; ARGV[2] the entry's id; ARGV[3] the reason
if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1) == 0 then
  return 0
end
local fields = { 'reason', ARGV[3], 'entry', ARGV[2] }
local found = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])[1]
for i = 1, found and #found[2] or 0, 2 do
  if found[2][i] == 'post' or found[2][i] == 'events' then
    fields[#fields + 1], fields[#fields + 2] = found[2][i], found[2][i + 1]
  end
end
redis.call('XADD', KEYS[2], '*', unpack(fields))
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
redis.call('DECR', KEYS[3])
return 1
