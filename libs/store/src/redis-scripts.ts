import { createHash } from 'node:crypto';

// An older version deleted by the time of day. What it left stays at least this long, whatever the clock says now.
const shortestCarriedLifetimeMs = 400 * 86_400_000;

/** A Lua script and the name Redis caches it under. */
export interface RedisScript {
  readonly text: string;
  readonly sha1: string;
}

// KEYS: 1 revision counter, 2 index (sorted set of keys, all of score 0, so in byte order), 3 change log (stream with
// the revision as id), 4 dues (sorted set scored by milliseconds of running time), 5 running time as last written down,
// 6 expiries (sorted set scored by the time of day, of an older version), then the entry hashes the caller names. ARGV:
// 1 what entry hashes start with, 2 length of the change log, 3 running time as far as the caller knows, 4 how much of
// it may be unwritten, then as each script says. The clock of Redis (TIME, EXPIRE) may be wrong too. So it deletes
// nothing here.
const prelude = `
local revisions, index, changes, dues, running, expiries = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local entryPrefix, retained = ARGV[1], ARGV[2]
local noted = tonumber(redis.call('GET', running) or '0')
local now = math.max(noted, tonumber(ARGV[3]))

local function whole(number) return string.format('%.0f', number) end
local function read(key)
  local found = redis.call('HMGET', entryPrefix .. key, 'v', 'r', 'd')
  if not found[1] or (found[3] and tonumber(found[3]) <= now) then return nil end
  return found[1], found[2]
end
local function log(...)
  local revision = whole(redis.call('INCR', revisions))
  redis.call('XADD', changes, 'MAXLEN', '=', retained, revision .. '-0', ...)
  return revision
end
local function put(key, value, lifetime)
  local entry, revision = entryPrefix .. key, log('k', key, 'v', value)
  redis.call('HSET', entry, 'v', value, 'r', revision)
  redis.call('ZADD', index, 0, key)
  if lifetime == '' then
    redis.call('HDEL', entry, 'd')
    redis.call('ZREM', dues, key)
  else
    local due = whole(now + tonumber(lifetime))
    redis.call('HSET', entry, 'd', due)
    redis.call('ZADD', dues, due, key)
  end
  redis.call('ZREM', expiries, key)
end
local function remove(key)
  if redis.call('DEL', entryPrefix .. key) == 0 then return end
  redis.call('ZREM', index, key)
  redis.call('ZREM', dues, key)
  redis.call('ZREM', expiries, key)
  log('k', key)
end
local function carryOver()
  local old = redis.call('ZRANGE', expiries, 0, 199, 'WITHSCORES')
  if #old == 0 then return end
  local today = redis.call('TIME')[1] * 1000
  for i = 1, #old, 2 do
    local due = whole(now + math.max(tonumber(old[i + 1]) - today, ${shortestCarriedLifetimeMs}))
    redis.call('HSET', entryPrefix .. old[i], 'd', due)
    redis.call('HDEL', entryPrefix .. old[i], 'x')
    redis.call('ZADD', dues, due, old[i])
    redis.call('ZREM', expiries, old[i])
  end
end
local function sweep()
  carryOver()
  local due = redis.call('ZRANGEBYSCORE', dues, '-inf', whole(now), 'LIMIT', 0, 200)
  for _, key in ipairs(due) do remove(key) end
  if now - noted >= tonumber(ARGV[4]) then redis.call('SET', running, whole(now)) end
end
local function newest() return redis.call('GET', revisions) or '0' end
`;

function script(body: string): RedisScript {
  const text = prelude + body;
  return { text, sha1: createHash('sha1').update(text).digest('hex') };
}

/** ARGV 5: key. Returns value and revision, or nil. */
export const getScript = script(`
local value, revision = read(ARGV[5])
if not value then return nil end
return {value, revision}
`);

/** ARGV: 5 first key as ZRANGEBYLEX bound, 6 end bound, 7 how many. Returns key, value, revision of each in turn. */
export const listScript = script(`
local found, after, reply = 0, ARGV[5], {}
while true do
  local keys = redis.call('ZRANGEBYLEX', index, after, ARGV[6], 'LIMIT', 0, ARGV[7])
  for _, key in ipairs(keys) do
    local value, revision = read(key)
    if value then
      reply[#reply + 1] = key
      reply[#reply + 1] = value
      reply[#reply + 1] = revision
      found = found + 1
      if found == tonumber(ARGV[7]) then return reply end
    end
  end
  if #keys < tonumber(ARGV[7]) then return reply end
  after = '(' .. keys[#keys]
end
`);

/**
 * ARGV: 5 how many conditions, then of each: `key` or `series`, its name, its revision or newest id. Then of each change:
 * operation, name and two more: value and lifetime in milliseconds (empty: for ever) of `put`, value and least id of
 * `append`, how many to keep and the smallest id of `trim` (empty: all). The name of a series is its Redis key. Returns 1
 * or 0 (not committed), the newest revision, how many keys of deletions existed, the running time, and the ids of the
 * appended items.
 */
export const transactionScript = script(`
local newestIds, position, existed, appended = {}, 6, 0, {}
local function newestId(series)
  if newestIds[series] then return newestIds[series] end
  local last = redis.call('XREVRANGE', series, '+', '-', 'COUNT', 1)[1]
  newestIds[series] = last and tonumber(string.match(last[1], '^%d+')) or 0
  return newestIds[series]
end
local function append(series, value, at)
  local id = math.max(tonumber(at), newestId(series) + 1)
  redis.call('XADD', series, whole(id) .. '-0', 'v', value)
  newestIds[series] = id
  appended[#appended + 1] = whole(id)
end
local function trim(series, keep, before)
  if newestId(series) == 0 then return end
  if keep ~= '' then redis.call('XTRIM', series, 'MAXLEN', '=', keep) end
  if before ~= '' then
    redis.call('XTRIM', series, 'MINID', '=', whole(math.min(tonumber(before), newestId(series))))
  end
end
sweep()
for _ = 1, tonumber(ARGV[5]) do
  local kind, name, expected, found = ARGV[position], ARGV[position + 1], ARGV[position + 2], nil
  if kind == 'series' then
    found = whole(newestId(name))
  else
    local _, revision = read(name)
    found = revision or '0'
  end
  if found ~= expected then return {0, newest(), 0, whole(now)} end
  position = position + 3
end
while position <= #ARGV do
  local operation, name, first, second = ARGV[position], ARGV[position + 1], ARGV[position + 2], ARGV[position + 3]
  if operation == 'put' then
    put(name, first, second)
  elseif operation == 'delete' then
    if read(name) then existed = existed + 1 end
    remove(name)
  elseif operation == 'append' then
    append(name, first, second)
  elseif operation == 'trim' then
    trim(name, first, second)
  else
    redis.call('DEL', name)
    newestIds[name] = 0
  end
  position = position + 4
end
local reply = {1, newest(), existed, whole(now)}
for _, id in ipairs(appended) do reply[#reply + 1] = id end
return reply
`);

/**
 * ARGV: 5 the Redis key of the series, 6 XRANGE or XREVRANGE, 7 and 8 its bounds, 9 how many, 10 how many bytes at most.
 * Returns id and value of each in turn.
 */
export const rangeScript = script(`
local from, left, bytes, reply = ARGV[7], tonumber(ARGV[9]), tonumber(ARGV[10]), {}
while left > 0 and bytes > 0 do
  local items = redis.call(ARGV[6], ARGV[5], from, ARGV[8], 'COUNT', math.min(left, 16))
  for _, item in ipairs(items) do
    if bytes <= 0 then return reply end
    reply[#reply + 1] = string.match(item[1], '^%d+')
    reply[#reply + 1] = item[2][2]
    bytes = bytes - #item[2][2]
  end
  if #items < math.min(left, 16) then return reply end
  left = left - #items
  from = '(' .. items[#items][1]
end
return reply
`);

/** Deletes expired entries. Returns the running time. */
export const sweepScript = script('sweep() return whole(now)');

/**
 * ARGV: 5 revision, 6 how many. Returns the newest revision, the oldest kept one, and key, value (false: deleted) and
 * revision of each change after the given one.
 */
export const changesScript = script(`
local function revisionOf(entry) return string.match(entry[1], '^%d+') end
local first = redis.call('XRANGE', changes, '-', '+', 'COUNT', 1)[1]
local reply = {newest(), first and revisionOf(first) or '0'}
for _, entry in ipairs(redis.call('XRANGE', changes, '(' .. ARGV[5] .. '-0', '+', 'COUNT', ARGV[6])) do
  reply[#reply + 1] = entry[2][2]
  reply[#reply + 1] = entry[2][4] or false
  reply[#reply + 1] = revisionOf(entry)
end
return reply
`);
