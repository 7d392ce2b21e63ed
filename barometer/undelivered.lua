-- Count a stream's entries after an id, up to a bound, without sending them anywhere.
-- KEYS[1] the stream; ARGV[1] the id; ARGV[2] the bound
return #redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
