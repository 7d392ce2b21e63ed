-- Move a dead letter back into the stream; nothing if it is gone.
-- KEYS[1] the stream; KEYS[2] the dead letters; KEYS[3] the count of what waits
-- ARGV[1] the letter's id
local found = redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1])[1]
if not found then
  return 0
end
local fields = {}
for i = 1, #found[2], 2 do
  if found[2][i] == 'post' or found[2][i] == 'events' then
    fields[#fields + 1], fields[#fields + 2] = found[2][i], found[2][i + 1]
  end
end
if #fields == 0 then -- an entry whose content was lost before it was buried
  fields = { 'reason', 'it held neither post nor events' }
end
redis.call('XADD', KEYS[1], '*', unpack(fields))
redis.call('INCR', KEYS[3])
redis.call('XDEL', KEYS[2], ARGV[1])
return 1
