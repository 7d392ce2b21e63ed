-- Mark posts as seen and append them to the stream, in one atomic step.
-- KEYS[1] the stream
-- ARGV[1] JSON: [{"post": text, "events": [[slug, id key, text key], ...]}, ...]
-- ARGV[2], ARGV[3] seconds that an id key and a text key live
-- Returns, for each post, for how many events it was new (0: a duplicate).
local counts = {}
for i, item in ipairs(cjson.decode(ARGV[1])) do
  local fresh = {}
  for _, event in ipairs(item.events) do
    if redis.call('EXISTS', event[2], event[3]) == 0 then
      redis.call('SET', event[2], 1, 'EX', ARGV[2])
      redis.call('SET', event[3], 1, 'EX', ARGV[3])
      fresh[#fresh + 1] = event[1]
    end
  end
  if #fresh > 0 then
    redis.call('XADD', KEYS[1], '*', 'post', item.post, 'events', cjson.encode(fresh))
  end
  counts[i] = #fresh
end
return counts
