-- The id of a stream's n-th oldest entry, without sending the ones before it anywhere.
-- KEYS[1] the stream; ARGV[1] n
local found = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[1])
return found[#found] and found[#found][1]
