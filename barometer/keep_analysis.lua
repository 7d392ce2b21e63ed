-- Keep an answer in the cache and queue it for the database, in one atomic step.
-- KEYS[1] the answer's key in the cache, KEYS[2] the queue
-- ARGV[1] the answer, ARGV[2] milliseconds that the cache keeps it, ARGV[3] the queue's bound
-- Returns 1, or 0 where the queue is full: then the cache alone has it.
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if redis.call('XLEN', KEYS[2]) >= tonumber(ARGV[3]) then
  return 0
end
redis.call('XADD', KEYS[2], '*', 'answer', ARGV[1])
return 1
