import { createHash } from 'node:crypto';

/** A Lua script and the name Redis caches it under. */
export interface RedisScript {
  readonly text: string;
  readonly sha1: string;
}

// KEYS: 1 revision counter, 2 index (sorted set of keys, all of score 0, so in byte order), 3 change log (stream with
// the revision as id), 4 expiries (sorted set scored by milliseconds), then the entry hashes the caller names.
// ARGV: 1 what entry hashes start with, 2 length of the change log, then as each script says.
const prelude = `
local revisions, index, changes, expiries = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local entryPrefix, retained = ARGV[1], ARGV[2]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function read(key)
  local found = redis.call('HMGET', entryPrefix .. key, 'v', 'r', 'x')
  if not found[1] or (found[3] and tonumber(found[3]) <= now) then return nil end
  return found[1], found[2]
end
local function log(...)
  local revision = string.format('%.0f', redis.call('INCR', revisions))
  redis.call('XADD', changes, 'MAXLEN', '=', retained, revision .. '-0', ...)
  return revision
end
local function put(key, value, lifetime)
  local entry, revision = entryPrefix .. key, log('k', key, 'v', value)
  redis.call('HSET', entry, 'v', value, 'r', revision)
  redis.call('ZADD', index, 0, key)
  if lifetime == '' then
    redis.call('HDEL', entry, 'x')
    redis.call('ZREM', expiries, key)
  else
    local due = string.format('%.0f', now + tonumber(lifetime))
    redis.call('HSET', entry, 'x', due)
    redis.call('ZADD', expiries, due, key)
  end
end
local function remove(key)
  if redis.call('DEL', entryPrefix .. key) == 0 then return end
  redis.call('ZREM', index, key)
  redis.call('ZREM', expiries, key)
  log('k', key)
end
local function sweep()
  local due = redis.call('ZRANGEBYSCORE', expiries, '-inf', now, 'LIMIT', 0, 200)
  for _, key in ipairs(due) do remove(key) end
end
local function newest() return redis.call('GET', revisions) or '0' end
`;

function script(body: string): RedisScript {
  const text = prelude + body;
  return { text, sha1: createHash('sha1').update(text).digest('hex') };
}

/** ARGV 3: key. Returns value and revision, or nil. */
export const getScript = script(`
local value, revision = read(ARGV[3])
if not value then return nil end
return {value, revision}
`);

/** ARGV: 3 first key as ZRANGEBYLEX bound, 4 end bound, 5 how many. Returns key, value, revision of each in turn. */
export const listScript = script(`
local found, after, reply = 0, ARGV[3], {}
while true do
  local keys = redis.call('ZRANGEBYLEX', index, after, ARGV[4], 'LIMIT', 0, ARGV[5])
  for _, key in ipairs(keys) do
    local value, revision = read(key)
    if value then
      reply[#reply + 1] = key
      reply[#reply + 1] = value
      reply[#reply + 1] = revision
      found = found + 1
      if found == tonumber(ARGV[5]) then return reply end
    end
  end
  if #keys < tonumber(ARGV[5]) then return reply end
  after = '(' .. keys[#keys]
end
`);

/**
 * ARGV: 3 how many conditions, then key and revision of each, then operation, key, value and lifetime in milliseconds
 * (empty: for ever) of each change. Returns 1 or 0 (not committed), the newest revision, and how many keys of
 * deletions existed.
 */
export const transactionScript = script(`
sweep()
local position, existed = 4, 0
for _ = 1, tonumber(ARGV[3]) do
  local _, revision = read(ARGV[position])
  if (revision or '0') ~= ARGV[position + 1] then return {0, newest(), 0} end
  position = position + 2
end
while position <= #ARGV do
  local key = ARGV[position + 1]
  if ARGV[position] == 'put' then
    put(key, ARGV[position + 2], ARGV[position + 3])
  else
    if read(key) then existed = existed + 1 end
    remove(key)
  end
  position = position + 4
end
return {1, newest(), existed}
`);

/** Deletes what has expired. */
export const sweepScript = script('sweep()');

/**
 * ARGV: 3 revision, 4 how many. Returns the newest revision, the oldest kept one, and key, value (false: deleted) and
 * revision of each change after the given one.
 */
export const changesScript = script(`
local function revisionOf(entry) return string.match(entry[1], '^%d+') end
local first = redis.call('XRANGE', changes, '-', '+', 'COUNT', 1)[1]
local reply = {newest(), first and revisionOf(first) or '0'}
for _, entry in ipairs(redis.call('XRANGE', changes, '(' .. ARGV[3] .. '-0', '+', 'COUNT', ARGV[4])) do
  reply[#reply + 1] = entry[2][2]
  reply[#reply + 1] = entry[2][4] or false
  reply[#reply + 1] = revisionOf(entry)
end
return reply
`);
