import { CacheError } from '../errors.js'
import { shown } from '../option-checks.js'
import type { RedisArgument, RedisPort } from '../tiers/redis-client.js'
import { Script } from '../tiers/script.js'
import { tombstoneFrame } from '../wire-frame.js'
import { type Cover, coverText, parseCover } from './cover.js'
import { entryName, ownName } from './names.js'

/** Where the log ends, as one small key in Redis says it. */
export interface Head {
  /** Random name of this life of the log; another one when Redis came back empty, was flushed, or lost records. */
  readonly incarnation: string
  /** Position of the last record: microseconds of the Redis clock, made to grow whatever that clock does. */
  readonly position: number
  /** Name of the last record, which tells two records apart that got the same position in two histories. */
  readonly nonce: string
  /** Entries stamped before this position are invalid: the records that would judge them were given up. */
  readonly floor: number
  /** The head as it is in Redis, for comparing. */
  readonly text: string
}

/** One invalidation in the log. */
export interface LogRecord {
  readonly position: number
  readonly nonce: string
  readonly covers: readonly Cover[]
}

/** The log as a process finds it when it comes (back). */
export interface LogState {
  readonly head: Head
  /** Which run of the server this is, `''` if it may not say. */
  readonly runId: string
  /** The newest position of each prefix and tag, for whoever was not there. */
  readonly marks: readonly { readonly cover: Cover; readonly position: number }[]
  /** Position of the oldest record left; 0 when there is none. */
  readonly oldest: number
}

/** What an append came to. */
export type Appended =
  /** The record is in; `previous` is the head before it. */
  | { readonly appended: true; readonly head: Head; readonly previous: string; readonly existed: readonly Buffer[] }
  /** The log is not the one this process knows. */
  | { readonly appended: false }

/** Records kept in the stream; a process further behind than that starts over. */
const longestLog = 20_000
/** Prefixes and tags remembered for newcomers; past it the oldest are folded into the floor. */
const mostMarks = 10_000
/** How long the mark of an exact invalidation keeps late stores out, beyond the longest handler; ms. */
export const tombstoneGrace = 60_000

const position = `
local function position(last, seen)
  local time = redis.call('TIME')
  local at = tonumber(time[1]) * 1000000 + tonumber(time[2])
  return math.max(at, last + 1, tonumber(seen) + 1)
end
local function digits(number) return string.format('%.0f', number) end
`

const begin = `${position}
local function begin(incarnation, seen, nonce)
  redis.call('DEL', KEYS[2], KEYS[3])
  local at = digits(position(0, seen))
  redis.call('XADD', KEYS[2], at .. '-0', 'n', nonce, 'c', '[]')
  redis.call('SET', KEYS[1], incarnation .. ' ' .. at .. ' ' .. nonce .. ' 0')
end
`

const openScript = new Script(`${begin}
local known = redis.pcall('GET', KEYS[1])
if type(known) ~= 'string' or not string.match(known, '^%S+ %d+ %S+ %d+$') then begin(ARGV[1], ARGV[2], ARGV[3]) end
local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)
local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%w+)') or ''
return { redis.call('GET', KEYS[1]), run, first[1] and first[1][1] or '', redis.call('ZRANGE', KEYS[3], 0, -1, 'WITHSCORES') }
`)

/**
 * Keeps the records that are left: one of them may have been acknowledged after the loss, and binds those who come to
 * the new life of the log. Where none is left, any may have been lost: then the new life begins by covering everything.
 */
const rotateScript = new Script(`${begin}
local head = redis.call('GET', KEYS[1])
if not head then
  begin(ARGV[1], ARGV[2], ARGV[3])
  return 1
end
local incarnation, last, floor = string.match(head, '^(%S+) (%d+) %S+ (%d+)')
if incarnation ~= ARGV[4] then return 1 end
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
local top = newest and tonumber(string.match(newest[1], '^%d+')) or 0
local at = digits(position(math.max(tonumber(last), top), ARGV[2]))
local covers = '[]'
if not newest then
  redis.call('DEL', KEYS[3])
  covers = '["a"]'
  floor = at
end
redis.call('XADD', KEYS[2], at .. '-0', 'n', ARGV[3], 'c', covers)
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. at .. ' ' .. ARGV[3] .. ' ' .. floor)
return 1
`)

/** KEYS: head, log, marks, then entry keys. ARGV: incarnation, seen, nonce, record, caps, tombstone ttl, covers for the marks. */
const appendScript = new Script(`${position}
local head = redis.call('GET', KEYS[1])
if not head then return { 0 } end
local incarnation, last, floor = string.match(head, '^(%S+) (%d+) %S+ (%d+)')
if incarnation ~= ARGV[1] then return { 0 } end
local at = digits(position(tonumber(last), ARGV[2]))
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], at .. '-0', 'n', ARGV[3], 'c', ARGV[4])
for index = 8, #ARGV do
  if ARGV[index] == 'a' then
    redis.call('DEL', KEYS[3])
    floor = at
  else
    redis.call('ZADD', KEYS[3], at, ARGV[index])
  end
end
if redis.call('ZCARD', KEYS[3]) > tonumber(ARGV[6]) then
  local folded = redis.call('ZPOPMIN', KEYS[3], math.ceil(tonumber(ARGV[6]) / 4))
  local newest = folded[#folded]
  if tonumber(newest) + 1 > tonumber(floor) then floor = digits(tonumber(newest) + 1) end
end
local existed = {}
for index = 4, #KEYS do
  local old = redis.pcall('GETRANGE', KEYS[index], 0, 255)
  existed[#existed + 1] = type(old) == 'string' and old or ''
  redis.call('SET', KEYS[index], 'fallback-cache/1 ' .. incarnation .. ' ' .. at .. ' 0 0 0 0 0 0\\n', 'PX', ARGV[7])
end
local now = incarnation .. ' ' .. at .. ' ' .. ARGV[3] .. ' ' .. floor
redis.call('SET', KEYS[1], now)
return { 1, head, now, existed }
`)

/** KEYS: one entry key. ARGV: tombstone, its ttl. Gives the first bytes of what was there. */
const tombstoneScript = new Script(`
local old = redis.pcall('GETRANGE', KEYS[1], 0, 255)
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return type(old) == 'string' and old or ''
`)

/**
 * The shared log of invalidations in Redis: a stream of records, a head that says where it ends, and for newcomers
 * the newest position of each prefix and tag. The three keys live in one slot of a cluster.
 *
 * Only speaks with Redis; deadlines and what the records mean are for the caller.
 */
export class SharedLog {
  readonly headKey: string
  readonly #logKey: string
  readonly #marksKey: string
  readonly #port: RedisPort
  readonly #keyPrefix: string
  readonly #tombstoneTtl: number

  /** @param maxHandlerTime - ms; how long a late store may come */
  constructor(port: RedisPort, keyPrefix: string, maxHandlerTime: number) {
    this.#port = port
    this.#keyPrefix = keyPrefix
    this.headKey = ownName(keyPrefix, 'head')
    this.#logKey = ownName(keyPrefix, 'log')
    this.#marksKey = ownName(keyPrefix, 'marks')
    this.#tombstoneTtl = Math.ceil(maxHandlerTime) + tombstoneGrace
  }

  /** Finds the log, or begins one named `incarnation`. */
  async open(incarnation: string, seen: number, nonce: string): Promise<LogState> {
    const reply = await openScript.run(this.#port, this.#keys(), [incarnation, String(seen), nonce])
    const [head, runId, oldest, marks] = list(reply)
    return {
      head: parseHead(text(head)),
      runId: text(runId),
      oldest: Number(text(oldest).split('-')[0]),
      marks: readMarks(list(marks)),
    }
  }

  /** Begins a new life of the log, unless somebody did already. Every entry in Redis of the old life is invalid then. */
  async rotate(from: string, to: string, seen: number, nonce: string): Promise<void> {
    await rotateScript.run(this.#port, this.#keys(), [to, String(seen), nonce, from])
  }

  /**
   * Appends a record, and leaves a mark at each exact key it names.
   *
   * In a cluster the marks go to other nodes, after the record: until they are there the invalidation is not
   * acknowledged.
   */
  async append(incarnation: string, seen: number, nonce: string, covers: readonly Cover[]): Promise<Appended> {
    const texts = covers.map(coverText)
    const entryKeys = covers.flatMap((cover) => (cover.kind === 'key' ? [entryName(this.#keyPrefix, cover.key)] : []))
    const lasting = texts.filter((cover) => !cover.startsWith('k'))
    const keys: [string, ...string[]] = [...this.#keys(), ...(this.#port.isCluster ? [] : entryKeys)]
    const args: RedisArgument[] = [incarnation, String(seen), nonce, JSON.stringify(texts)]
    args.push(String(longestLog), String(mostMarks), String(this.#tombstoneTtl), ...lasting)
    const [appended, previous, now, existed] = list(await appendScript.run(this.#port, keys, args))
    if (Number(appended) !== 1) return { appended: false }
    const head = parseHead(text(now))
    const before = this.#port.isCluster ? await this.#leaveTombstones(entryKeys, head) : list(existed)
    return { appended: true, head, previous: text(previous), existed: before.map(buffer) }
  }

  /** The records from `position` on, that one included when it is still there. */
  async since(from: number, count: number): Promise<readonly LogRecord[]> {
    const reply = await this.#port.send(this.#logKey, [
      'XRANGE',
      this.#logKey,
      `${from}-0`,
      '+',
      'COUNT',
      String(count),
    ])
    return list(reply).map(readRecord)
  }

  #leaveTombstones(keys: readonly string[], head: Head): Promise<unknown[]> {
    const frame = tombstoneFrame(head)
    return Promise.all(keys.map((key) => tombstoneScript.run(this.#port, [key], [frame, String(this.#tombstoneTtl)])))
  }

  #keys(): [string, string, string] {
    return [this.headKey, this.#logKey, this.#marksKey]
  }
}

/** Reads a head; `undefined` when somebody else has written there. */
export function readHead(head: string): Head | undefined {
  const [, incarnation = '', at = '', nonce = '', floor = ''] = /^(\S+) (\d+) (\S+) (\d+)$/.exec(head) ?? []
  return incarnation === '' ? undefined : { incarnation, position: Number(at), nonce, floor: Number(floor), text: head }
}

function parseHead(text: string): Head {
  const head = readHead(text)
  if (head === undefined) throw new CacheError('log-broken', `the head of the invalidation log is ${shown(text)}`)
  return head
}

function readRecord(item: unknown): LogRecord {
  const [id, fields] = list(item)
  const pairs = list(fields).map(text)
  const covers: unknown = JSON.parse(pairs[pairs.indexOf('c') + 1] ?? '["a"]')
  return {
    position: Number(text(id).split('-')[0]),
    nonce: pairs[pairs.indexOf('n') + 1] ?? '',
    covers: Array.isArray(covers) ? covers.map((cover) => parseCover(String(cover))) : [{ kind: 'all' }],
  }
}

function readMarks(flat: readonly unknown[]): LogState['marks'] {
  const marks: LogState['marks'][number][] = []
  for (let index = 0; index + 1 < flat.length; index += 2) {
    marks.push({ cover: parseCover(text(flat[index])), position: Number(text(flat[index + 1])) })
  }
  return marks
}

function list(reply: unknown): readonly unknown[] {
  return Array.isArray(reply) ? reply : []
}

function text(reply: unknown): string {
  return reply === null || reply === undefined ? '' : String(reply)
}

function buffer(reply: unknown): Buffer {
  return Buffer.isBuffer(reply) ? reply : Buffer.from(text(reply))
}
