-- Append posts to the stream and mark them as seen, in one atomic step.
-- KEYS[1] the stream; KEYS[2] the count of what waits
-- ARGV[1] JSON: [{"post": text, "events": [[slug, key], ...]}, ...]
-- ARGV[2] seconds that a key lives
-- Returns, for each post, for how many events it was new (0: a duplicate).
local counts = {}
for i, item in ipairs(cjson.decode(ARGV[1])) do
  local slugs, keys = {}, {}
  for _, event in ipairs(item.events) do
    if redis.call('EXISTS', event[2]) == 0 then
      slugs[#slugs + 1] = event[1]
      keys[#keys + 1] = event[2]
    end
  end
  if #slugs > 0 then
    redis.call('XADD', KEYS[1], '*', 'post', item.post, 'events', cjson.encode(slugs))
    redis.call('INCR', KEYS[2])
    for _, key in ipairs(keys) do
      redis.call('SET', key, 1, 'EX', ARGV[2])
    end
  end
  counts[i] = #slugs
end
return counts
