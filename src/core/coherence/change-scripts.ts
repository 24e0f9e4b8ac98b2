import { READ_FUNCTION, Script } from '../tiers/script.js'

/** Number of changes that the ring in Redis holds; a process that is further behind asks Redis for each key once. */
export const RING_SIZE = 4096

/** Size of a change in the ring, in bytes: the last 8 digits of its number, then the name of the key. */
export const CHANGE_BYTES = 16

/**
 * Notes that what Redis holds under a key has changed, if a process of this log reads such notes: then the head counts
 * them, in the first field that follows those of the log. Returns the number of the change, or nil.
 *
 * A note that cannot be written, also because another program wrote a value of another type there, leaves a gap in the ring, which tells its readers that they do not know what changed.
 */
export const NOTE_CHANGE = `${READ_FUNCTION}
local function noteChange(headKey, ringKey, head, name)
  if type(head) ~= 'string' then return nil end
  local front, count, rest = string.match(head, '^(%d+ %S+ %d+ %S+ %d+ %d+ %S+ c)(%d+)(.*)$')
  if not front then return nil end
  local place = tonumber(count) % ${RING_SIZE}
  count = string.format('%.0f', tonumber(count) + 1)
  local short = string.format('%08.0f', tonumber(count) % 100000000)
  local noted = redis.pcall('SETRANGE', ringKey, place * ${CHANGE_BYTES}, short .. name)
  if type(noted) == 'table' and noted.err and string.find(noted.err, 'WRONGTYPE', 1, true) then redis.pcall('DEL', ringKey) end
  redis.call('SET', headKey, front .. count .. rest)
  return count
end
`

/** Notes a change in a life of the log. Returns the ticket and the number of the change, which may be ''. */
export const NOTE_IN_LIFE = `${NOTE_CHANGE}
local function noteInLife(headKey, ringKey, life, name, ticket)
  local head = read(redis.pcall('GET', headKey))
  local isSame = type(head) == 'string' and string.match(head, '^%d+ (%S+) ') == life
  return ticket .. ' ' .. (isSame and noteChange(headKey, ringKey, head, name) or '')
end
`

/**
 * Notes a change. KEYS: head, ring. ARGV: life of the log, name of the key, ticket. The answer begins with the ticket, which
 * tells it from the answer to another command, and ends with the number of the change, if changes are counted.
 */
export const noteScript = new Script(`${NOTE_IN_LIFE}
return noteInLife(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3])
`)

/**
 * Has changes counted from now on, if this life of the log lasts and Redis is not full. KEYS: head. ARGV: the life.
 * Returns the head.
 */
export const countChangesScript = new Script(`
local head = redis.pcall('GET', KEYS[1])
if type(head) ~= 'string' then return '' end
local front, life, rest = string.match(head, '^(%d+ (%S+) %d+ %S+ %d+ %d+ %S+)(.*)$')
if life ~= ARGV[1] or string.match(rest, '^ c%d+') then return head end
local counted = front .. ' c0' .. rest
local done = redis.pcall('SET', KEYS[1], counted)
return type(done) == 'table' and done.err and head or counted
`)
