import { HIGHEST_POSITION } from '../stamp.js'
import { Script } from '../tiers/script.js'
import { NOTE_CHANGE, NOTE_IN_LIFE } from './change-scripts.js'

/** Maximum number of newer records that a write searches; if there are more, the process must catch up first. */
const MOST_UNREAD = 200

/** Finds the id of the tombstone that a frame is, or was stored after. */
const CARRIED = `
  local retired = string.match(old, '^fallback%-cache/1 %S+ %d+ 0 0 0 0 0 0 (%w+)\\n')
  retired = retired or string.match(old, '^fallback%-cache/1 [^\\n]* %+(%w+)[ \\n]')
`

/**
 * Writes an entry, unless there is one with a newer position, or, for a late entry, one that was not stored earlier. A
 * late entry also replaces itself: an earlier attempt may have stored it, and lost the reply.
 * Returns the id of a tombstone that is in its place, or that the existing entry was stored after, if the new entry is
 * not known to be newer than it.
 *
 * The answer begins with the ticket in ARGV[11], which tells it from the answer to another command. For a written entry it
 * ends with the number of the change, if changes are counted; ARGV[12] is the name of the key in them.
 *
 * KEYS: the entry, then, outside a cluster, the head, the log, and the ring of changes. A command may arrive minutes after it was sent, when
 * the tombstone has expired and no process remembers the record of the key, so the log is searched for newer records of
 * the key.
 */
export const writeScript = new Script(`${NOTE_CHANGE}
local function say(outcome) return ARGV[11] .. ' ' .. outcome end
local function isThisEntry(old)
  local behindPosition = '^fallback%-cache/1 %S+ %d+ (.*)$'
  local begin, ours = string.match(old, behindPosition), string.match(ARGV[1], behindPosition)
  if string.sub(ours, 1, #begin) ~= begin then return false end
  return string.match(redis.call('GET', KEYS[1]), behindPosition) == ours
end
local head
if KEYS[2] then
  head = read(redis.pcall('GET', KEYS[2]))
  local life, at = string.match(type(head) == 'string' and head or '', '^%d+ (%S+) (%d+) ')
  if life ~= ARGV[3] then return say('behind') end
  if at ~= ARGV[8] then
    local records = read(redis.pcall('XRANGE', KEYS[3], ARGV[8], '+', 'COUNT', ${MOST_UNREAD + 1}))
    if records.err or #records > ${MOST_UNREAD} or not records[1] or records[1][1] ~= ARGV[8] .. '-0' then return say('behind') end
    for index = 2, #records do
      if string.find(records[index][2][4], ARGV[9], 1, true) then return say('behind') end
    end
  end
end
local old = read(redis.pcall('GETRANGE', KEYS[1], 0, 255))
if type(old) == 'string' then
  ${CARRIED}
  if retired and ARGV[7] ~= retired and not string.find(ARGV[10], retired, 1, true) then return say(retired) end
  local incarnation, position, stored = string.match(old, '^fallback%-cache/1 (%S+) (%d+) (%d+) ')
  local theirs = tonumber(position or 0)
  if incarnation == ARGV[3] and theirs <= ${HIGHEST_POSITION} then
    local ours = tonumber(ARGV[4])
    local isLate = ARGV[5] ~= ''
    local isNewer = theirs > ours
    if isLate and theirs >= tonumber(ARGV[6]) and tonumber(stored) >= tonumber(ARGV[5]) then isNewer = true end
    if isNewer and not (isLate and isThisEntry(old)) then return say('0') end
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local count = KEYS[2] and noteChange(KEYS[2], KEYS[4], head, ARGV[12])
return say(count and '1 ' .. count or '1')
`)

/**
 * Replaces an entry by a tombstone with an id; if there is no entry, only if ARGV[4] permits it. Keeps the position and
 * the remaining lifetime of an older tombstone, which may be needed longer. If Redis is full, the entry is deleted.
 * Returns the first bytes of the previous value (all of an entry without a body), the id, and the id of the previous
 * tombstone, or of the one that the entry was stored after. Values that are not entries are left unchanged.
 *
 * If the previous tombstone, or the one that the entry was stored after, is not among the older ones in ARGV[6], the
 * new id is ARGV[5], which no process knows yet: it is unknown which of the two is newer, and processes may hold
 * entries stored after ARGV[2] alone.
 *
 * KEYS: the entry, then, outside a cluster, the head and the ring of changes; ARGV[7] is the name of the key in it. The
 * change is noted after a deletion or a write, because then a full Redis accepts the note.
 */
export const retireScript = new Script(`${NOTE_CHANGE}
local old = read(redis.pcall('GETRANGE', KEYS[1], 0, 255))
local id = ARGV[2]
if type(old) ~= 'string' then return { '', id, '' } end
local function note()
  if KEYS[2] then noteChange(KEYS[2], KEYS[3], read(redis.pcall('GET', KEYS[2])), ARGV[7]) end
end
local met = ''
local at, ttl = '0', tonumber(ARGV[3])
if old == '' then
  if ARGV[4] ~= '1' then
    redis.call('DEL', KEYS[1])
    note()
    return { '', id, '' }
  end
else
  local incarnation, position, ends, body = string.match(old, '^fallback%-cache/1 (%S+) (%d+) %d+ %d+ (%d+) %d+ %d+ (%d+)')
  if not incarnation then
    note()
    return { '', id, '' }
  end
  if incarnation == ARGV[1] and tonumber(position) <= ${HIGHEST_POSITION} then at = position end
  ${CARRIED}
  met = retired or ''
  if retired and retired ~= id and not string.find(ARGV[6], retired, 1, true) then id = ARGV[5] end
  if ends == '0' then ttl = math.max(ttl, redis.call('PTTL', KEYS[1])) end
  if ends ~= '0' and body == '0' then old = redis.call('GETRANGE', KEYS[1], 0, 65535) end
end
local frame = 'fallback-cache/1 ' .. ARGV[1] .. ' ' .. at .. ' 0 0 0 0 0 0 ' .. id .. '\\n'
local done = redis.pcall('SET', KEYS[1], frame, 'PX', string.format('%.0f', ttl))
if type(done) == 'table' and done.err then redis.call('DEL', KEYS[1]) end
note()
return { old, id, met }
`)

/**
 * Deletes a key, and notes the change. KEYS: the key, head, ring. ARGV: life of the log, name of the key, ticket. Answers
 * as the script that only notes.
 */
export const removeScript = new Script(`${NOTE_IN_LIFE}
redis.call('UNLINK', KEYS[1])
return noteInLife(KEYS[2], KEYS[3], ARGV[1], ARGV[2], ARGV[3])
`)

/** Replaces an entry by a changed version of the same entry. */
export const amendScript = new Script(`
if redis.pcall('GETRANGE', KEYS[1], 0, #ARGV[3] - 1) ~= ARGV[3] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`)
