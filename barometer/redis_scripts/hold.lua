-- Let a consumer keep its pending entries as if this delivery had not been.
-- KEYS[1] the stream; ARGV[1] the group; ARGV[2] the consumer; ARGV[3...] the ids
for i = 3, #ARGV do
  local held = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])[1]
  if held then -- not settled, nor taken over by another, meanwhile
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i],
      'RETRYCOUNT', math.max(held[4] - 1, 0), 'JUSTID')
  end
end
