import { HIGHEST_POSITION } from '../stamp.js'
import { READ_FUNCTION, Script } from '../tiers/script.js'
import { PROTOCOL } from './head.js'

/**
 * The three keys of the log vouch for each other: the head contains the position and name of the last record; the
 * newest record of the stream has that position and name; the marks have a member named after the life, with that
 * position as its score. Every append checks and updates all three, so a key that was evicted, deleted or restored
 * separately is noticed.
 *
 * What this library does not write counts as missing: numbers above {@link HIGHEST_POSITION}, other characters in the
 * head, and a newest record between two positions.
 */
const SHARED = `${READ_FUNCTION}
local function parse(text)
  if type(text) ~= 'string' then return nil end
  local life, at, nonce, floor, born, run, more =
    string.match(text, '^${PROTOCOL} ([!-~]+) (%d+) ([!-~]+) (%d+) (%d+) ([!-~]+)([ -~]*)$')
  if not life then return nil end
  local changes = tonumber(string.match(more, '^ c(%d+)') or 0)
  if math.max(tonumber(at), tonumber(floor), tonumber(born), changes) > ${HIGHEST_POSITION} then return nil end
  return { life = life, at = at, nonce = nonce, floor = floor, born = born, run = run, more = more }
end
local function setHead(head)
  local text = '${PROTOCOL} ' .. head.life .. ' ' .. head.at .. ' ' .. head.nonce .. ' ' .. head.floor .. ' '
    .. head.born .. ' ' .. head.run .. head.more
  redis.call('SET', KEYS[1], text)
  return text
end
local function newestRecord()
  local records = read(redis.pcall('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1))
  local record = not records.err and records[1]
  local at = record and string.match(record[1], '^(%d+)%-0$')
  if not at or tonumber(at) > ${HIGHEST_POSITION} then return nil end
  return { at = at, nonce = record[2][2] }
end
local function hasMarks(head)
  local score = read(redis.pcall('ZSCORE', KEYS[3], '=' .. head.life))
  return type(score) == 'string' and tonumber(score) == tonumber(head.at)
end
local function isWhole(head, newest)
  return newest and newest.at == head.at and newest.nonce == head.nonce and hasMarks(head)
end
local function position(last, seen)
  local time = redis.call('TIME')
  local at = math.min(tonumber(time[1]) * 1000000 + tonumber(time[2]), ${HIGHEST_POSITION / 2})
  return math.max(at, last + 1, tonumber(seen) + 1)
end
local function refuses(added)
  if type(added) ~= 'table' or not added.err then return false end
  local isPast = string.find(added.err, 'smaller', 1, true) or string.find(added.err, 'exhausted', 1, true)
  if not isPast then error(added) end
  redis.call('DEL', KEYS[2])
  return true
end
local function digits(number) return string.format('%.0f', number) end
local function runOf()
  local info = redis.pcall('INFO', 'server')
  local run = type(info) == 'string' and string.match(info, 'run_id:(%w+)')
  return run and string.sub(run, 1, 12) or '-'
end
`

/** A life begins at least so far below the highest position: otherwise it would end soon, as would the next one. */
const RESERVE = 1e12

/**
 * Begins another life of the log, which makes entries stamped in the old one invalid.
 *
 * The remaining records are kept: one of them may have been acknowledged after a loss, and then applies to processes
 * that join the new life. If records are missing, the first record of the new life notes that processes which had
 * applied the old head know them. If the old head is missing too, or is one of another protocol, whose records this
 * process cannot read, the new life begins by covering everything.
 *
 * If too few positions are left above the last ones, they start over at the time of the clock, and nothing is kept. If the
 * last id of the stream is above those of its records (`XSETID`), the records are given up.
 */
const BEGIN = `
local isTakenOver, isSpent = false, false
local function begin(life, seen, nonce, run, head, newest)
  local keepsMarks = head and hasMarks(head)
  local top = math.max(newest and tonumber(newest.at) or 0, head and tonumber(head.at) or 0)
  local place = position(top, seen)
  if place > ${HIGHEST_POSITION - RESERVE} then
    isSpent = true
    return begin(life, 0, nonce, run, nil, nil)
  end
  local at, name, covers = digits(place), nonce, '[]'
  if newest and (not head or tonumber(newest.at) >= tonumber(head.at)) then
    if head and newest.at == head.at and newest.nonce ~= head.nonce then covers = '["a"]' end
  else
    if not newest then redis.call('DEL', KEYS[2]) end
    if head then name = nonce .. '-knows:' .. head.life .. ':' .. head.at .. ':' .. head.at .. ':0'
    elseif isTakenOver or isSpent or redis.call('EXISTS', KEYS[3]) == 1 then covers = '["a"]' end
  end
  if head then setHead(head) end
  if not keepsMarks then redis.call('DEL', KEYS[3]) end
  redis.call('ZADD', KEYS[3], at, '=' .. life)
  if refuses(redis.pcall('XADD', KEYS[2], at .. '-0', 'n', name, 'c', covers)) then
    return begin(life, seen, nonce, run, head, nil)
  end
  if keepsMarks then redis.pcall('ZREM', KEYS[3], '=' .. head.life) end
  local floor = keepsMarks and head.floor or (head or newest or covers ~= '[]') and at or '0'
  return setHead({ life = life, at = at, nonce = name, floor = floor, born = at, run = run, more = head and head.more or '' })
end
`

/**
 * Opens the log, or begins a new life of it.
 *
 * KEYS: head, log, marks, and the presence key of this protocol. ARGV: name of a new life, last position seen, nonce,
 * ms for which this process counts as present, the presence key without the protocol number. Returns the head, the id
 * of the oldest record, the run of the server, its eviction policy and its time. If the server has restarted, it may
 * have lost the newest records without a trace, so another life begins.
 */
export const openScript = new Script(`${SHARED}${BEGIN}
local text = read(redis.pcall('GET', KEYS[1]))
local head = parse(text)
if type(text) == 'string' and not head then
  local other = string.match(text, '^(%d+) %S+ %d+ ')
  if other and other ~= '${PROTOCOL}' then
    if redis.call('EXISTS', ARGV[5] .. other) == 1 then return { 'other', other } end
    redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
    isTakenOver = true
  end
end
local run = runOf()
local newest = newestRecord()
if not head then
  local isGone = not isTakenOver and not newest and redis.call('EXISTS', KEYS[3]) == 0
  text = begin(isGone and ARGV[1] or ARGV[1] .. 'r', ARGV[2], ARGV[3], run, nil, newest)
elseif not isWhole(head, newest) or (run ~= '-' and head.run ~= '-' and run ~= head.run) then
  text = begin(ARGV[1] .. 'r', ARGV[2], ARGV[3], run, head, newest)
end
redis.pcall('SET', KEYS[4], '', 'PX', ARGV[4])
local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)
local memory = redis.pcall('INFO', 'memory')
local limit = type(memory) == 'string' and string.match(memory, 'maxmemory:(%d+)')
local policy = type(memory) == 'string' and string.match(memory, 'maxmemory_policy:([%w-]+)')
return { 'open', text, first[1][1], run, limit and limit ~= '0' and policy or '', digits(position(0, 0)) }
`)

/**
 * Begins another life of the log if it still has the life `ARGV[4]`; the other arguments are those of {@link
 * openScript}.
 */
export const rotateScript = new Script(`${SHARED}${BEGIN}
local head = parse(read(redis.pcall('GET', KEYS[1])))
if not head or head.life ~= ARGV[4] then return 0 end
begin(ARGV[1] .. 'r', ARGV[2], ARGV[3], runOf(), head, newestRecord())
return 1
`)

/**
 * Whether the log is complete, and still has this life and server run. KEYS as in {@link openScript}; ARGV: life, ms.
 */
export const vouchScript = new Script(`${SHARED}
local head = parse(read(redis.pcall('GET', KEYS[1])))
if not head or head.life ~= ARGV[1] or not isWhole(head, newestRecord()) then return 0 end
local run = runOf()
if run ~= '-' and head.run ~= '-' and run ~= head.run then return 0 end
redis.pcall('SET', KEYS[4], '', 'PX', ARGV[2])
return 1
`)

/**
 * Appends a record, and leaves a tombstone at each entry key.
 *
 * A command that Redis refuses to this user ends the script, so those that write the head and the marks are first sent
 * without an effect, and the record is appended after the tombstones: then no record is appended in part.
 *
 * KEYS: head, log, marks, then entry keys. ARGV: life, last position seen, nonce, record, limits for records and marks,
 * tombstone TTL, the record with its soft covers or `''`, covers for the marks.
 */
export const appendScript = new Script(`${SHARED}
local text = read(redis.pcall('GET', KEYS[1]))
local head = parse(text)
if not head or head.life ~= ARGV[1] or not isWhole(head, newestRecord()) then return { 0 } end
local place = position(tonumber(head.at), ARGV[2])
if place > ${HIGHEST_POSITION} then
  redis.call('DEL', KEYS[2])
  return { 0 }
end
local at = digits(place)
redis.call('SET', KEYS[1], text)
redis.call('ZADD', KEYS[3], 'XX', 0, '=')
local mayBeFull = redis.call('ZCARD', KEYS[3]) + #ARGV - 8 > tonumber(ARGV[6])
if mayBeFull then redis.call('ZPOPMIN', KEYS[3], 0) end
local existed = {}
for index = 4, #KEYS do
  local old = redis.pcall('GETRANGE', KEYS[index], 0, 255)
  existed[#existed + 1] = type(old) == 'string' and old or ''
  redis.call('SET', KEYS[index], 'fallback-cache/1 ' .. head.life .. ' ' .. at .. ' 0 0 0 0 0 0\\n', 'PX', ARGV[7])
end
local added
if ARGV[8] == '' then
  added = redis.pcall('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], at .. '-0', 'n', ARGV[3], 'c', ARGV[4])
else
  added = redis.pcall('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], at .. '-0', 'n', ARGV[3], 'c', ARGV[4], 's', ARGV[8])
end
if refuses(added) then return { 0 } end
for index = 9, #ARGV do
  if ARGV[index] == 'a' then
    redis.pcall('DEL', KEYS[3])
    head.floor = at
  else
    redis.call('ZADD', KEYS[3], at, ARGV[index])
  end
end
redis.call('ZADD', KEYS[3], at, '=' .. head.life)
if mayBeFull and redis.call('ZCARD', KEYS[3]) > tonumber(ARGV[6]) then
  local folded = redis.call('ZPOPMIN', KEYS[3], math.ceil(tonumber(ARGV[6]) / 4))
  local newest = folded[#folded]
  if tonumber(newest) + 1 > tonumber(head.floor) then head.floor = digits(tonumber(newest) + 1) end
end
head.at = at
head.nonce = ARGV[3]
return { 1, text, setHead(head), existed }
`)

/**
 * Reads records from a position on, as many as fit a reply. KEYS: log. ARGV: position, maximum number, number of bytes
 * after which no record is added. Returns 1 if there may be more, the records, and what is left of those bytes.
 */
export const pageScript = new Script(`
local start, left, bytes, records = ARGV[1] .. '-0', tonumber(ARGV[2]), tonumber(ARGV[3]), {}
while true do
  local count = math.min(left, 20)
  local page = redis.call('XRANGE', KEYS[1], start, '+', 'COUNT', count)
  for index = 1, #page do
    records[#records + 1] = page[index]
    bytes = bytes - 60
    for field = 2, 6, 2 do bytes = bytes - #(page[index][2][field] or '') end
    if bytes <= 0 and #records > 1 then return { 1, records, bytes } end
  end
  if #page < count then return { 0, records, bytes } end
  left = left - count
  if left <= 0 then return { 1, records, bytes } end
  start = string.match(page[#page][1], '^%d+') .. '-1'
end
`)

/**
 * Reads marks from a position on, as many as fit a reply. KEYS: marks. ARGV: lowest position, maximum number, minimum
 * number, number of bytes after which no mark is added. Returns 1 if there may be more, and names and positions
 * alternately.
 */
export const marksScript = new Script(`
local flat = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local marks, bytes = {}, tonumber(ARGV[4])
for index = 1, #flat, 2 do
  if bytes <= 0 and index > 2 * tonumber(ARGV[3]) then return { 1, marks } end
  marks[index], marks[index + 1] = flat[index], flat[index + 1]
  bytes = bytes - 20 - #flat[index] - #flat[index + 1]
end
return { #flat < 2 * tonumber(ARGV[2]) and 0 or 1, marks }
`)

/** Leaves a tombstone. KEYS: one entry key. ARGV: tombstone, its TTL. Returns the first bytes of the previous value. */
export const tombstoneScript = new Script(`
local old = redis.pcall('GETRANGE', KEYS[1], 0, 255)
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return type(old) == 'string' and old or ''
`)

/** Returns its argument, to check whether replies still match the commands. */
export const echoScript = new Script('return ARGV[1]')
