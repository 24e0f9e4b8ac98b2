import type { RedisPort } from '../tiers/redis-client.js'
import { READ_FUNCTION, Script } from '../tiers/script.js'
import type { Coherence } from './coherence.js'
import { ownName } from './names.js'
import type { RedisConnection } from './redis-connection.js'
import type { SharedParts } from './shared-parts.js'

/** How long a text stays in Redis without a new one, in ms. */
const KEPT_FOR = 30_000

/** How long after a reading processes go on to write, in ms. */
const WANTED_FOR = 30_000

/** Maximum number of processes on a board; further ones are not taken until others have gone. */
const MOST_PROCESSES = 64

/** Maximum length of the text of a process, in bytes; longer ones are not read. */
const LONGEST_TEXT = 32_768

/** Maximum length of the name of a process. */
const LONGEST_NAME = 300

/** Texts that are read at once. */
const AT_ONCE = 16

/** The moment in ms of the clock of Redis; a key of another type, which only a stranger can have set, is replaced. */
const BEGIN = `${READ_FUNCTION}
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function text(number) return string.format('%.0f', number) end
if type(read(redis.pcall('ZCARD', KEYS[1]))) ~= 'number' then redis.call('DEL', KEYS[1]) end
`

/** KEYS: the board, the text of the process. ARGV: its name, its text, lifetime in ms, maximum number. */
const writeScript = new Script(`${BEGIN}
local function drop(from, to)
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], from, to, 'LIMIT', 0, 100)) do
    redis.call('ZREM', KEYS[1], name)
  end
end
drop('-inf', text(now - tonumber(ARGV[3])))
drop(text(now + 60000), '+inf')
local isKnown = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not isKnown and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
redis.call('ZADD', KEYS[1], text(now), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return 1
`)

/** KEYS: the board, the note that it is read. ARGV: lifetime of the note and of texts in ms, maximum number. */
const readScript = new Script(`${BEGIN}
redis.call('SET', KEYS[2], '1', 'PX', ARGV[1])
local oldest = text(now - tonumber(ARGV[2]))
return { text(now), redis.call('ZRANGEBYSCORE', KEYS[1], oldest, text(now + 1000), 'WITHSCORES', 'LIMIT', 0, ARGV[3]) }
`)

/** What one process has written. */
export interface ProcessText {
  /** Its name, as in the receipts of invalidations. */
  readonly id: string
  /** When it was written, in epoch ms of the clock of Redis. */
  readonly at: number
  /** `undefined` if it is gone, too long, or of another type. */
  readonly text: string | undefined
}

/** What all processes have written. */
export interface BoardReading {
  /** Epoch ms of the clock of Redis. */
  readonly now: number
  readonly processes: readonly ProcessText[]
}

/** Usage of a board of processes by the last reading; zero after half a minute without one. */
export interface BoardStats {
  /** Processes whose texts were read. */
  readonly processes: number
  /** Length of these texts in bytes. */
  readonly bytes: number
}

/**
 * A board in Redis on which each process writes a text about itself, for readers in any process. Nothing is written
 * unless the board was read in the last half minute. The texts mean nothing here. Faults of Redis never reject.
 */
export class ProcessBoard {
  readonly mostProcesses = MOST_PROCESSES
  readonly longestText = LONGEST_TEXT
  readonly #port: RedisPort
  readonly #coherence: Coherence
  readonly #connection: RedisConnection
  readonly #clock: SharedParts['settings']['clock']
  readonly #boardKey: string
  readonly #wantedKey: string
  #stats: BoardStats = NOTHING
  #readAt = Number.NEGATIVE_INFINITY

  constructor({ port, coherence, settings }: SharedParts) {
    this.#port = port
    this.#coherence = coherence
    this.#connection = coherence.connection
    this.#clock = settings.clock
    this.#boardKey = ownName(settings.keyPrefix, 'processes')
    this.#wantedKey = `${this.#boardKey}:wanted`
  }

  /** The name of this process, as in the receipts of invalidations. */
  get self(): string {
    return this.#coherence.processName
  }

  /** Whether a process has read the board in the last half minute. */
  async isWanted(): Promise<boolean> {
    const reply = await this.#ask(() => this.#port.send(this.#wantedKey, ['EXISTS', this.#wantedKey]))
    return Number(reply) === 1
  }

  /** Writes a text about this process. Resolves to false if Redis did not take it, or the board is full. */
  async write(text: string): Promise<boolean> {
    const keys = [this.#boardKey, this.#keyOf(this.self)] as const
    const args = [this.self, text, String(KEPT_FOR), String(MOST_PROCESSES)]
    return Number(await this.#ask(() => writeScript.run(this.#port, keys, args))) === 1
  }

  /** The texts of all processes, and asks them to go on writing; `undefined` if Redis cannot be used. */
  async read(): Promise<BoardReading | undefined> {
    const args = [String(WANTED_FOR), String(KEPT_FOR), String(MOST_PROCESSES)]
    const reply = await this.#ask(() => readScript.run(this.#port, [this.#boardKey, this.#wantedKey], args))
    if (!Array.isArray(reply) || !Array.isArray(reply[1])) return undefined
    const found: readonly string[] = reply[1].map(String)
    const listed = found
      .flatMap((id, index) => (index % 2 === 0 ? [{ id, at: Number(found[index + 1]) }] : []))
      .filter(({ id }) => id.length <= LONGEST_NAME)
    const processes: ProcessText[] = []
    for (let from = 0; from < listed.length; from += AT_ONCE) {
      processes.push(...(await this.#texts(listed.slice(from, from + AT_ONCE))))
    }
    const bytes = processes.reduce((sum, { text }) => sum + (text?.length ?? 0), 0)
    this.#stats = { processes: processes.length, bytes }
    this.#readAt = this.#clock.monotonic()
    return { now: Number(reply[0]), processes }
  }

  stats(): BoardStats {
    return this.#clock.monotonic() - this.#readAt > KEPT_FOR ? NOTHING : this.#stats
  }

  async #texts(listed: readonly { readonly id: string; readonly at: number }[]): Promise<readonly ProcessText[]> {
    const text = async (id: string): Promise<string | undefined> => {
      const key = this.#keyOf(id)
      // The limit holds for what strangers have written, too.
      const reply = await this.#port.send(key, ['GETRANGE', key, '0', String(LONGEST_TEXT)]).catch(() => undefined)
      return Buffer.isBuffer(reply) && reply.length > 0 && reply.length <= LONGEST_TEXT ? reply.toString() : undefined
    }
    const texts = await this.#ask(() => Promise.all(listed.map(({ id }) => text(id))))
    return listed.map((one, index) => ({ ...one, text: texts?.[index] }))
  }

  /** The reply of Redis, or `undefined` for any fault. */
  async #ask<Reply>(operation: () => Promise<Reply>): Promise<Reply | undefined> {
    if (!this.#connection.isConnected) return undefined
    return this.#connection.tier.run(operation, 'dashboard').catch(() => undefined)
  }

  #keyOf(id: string): string {
    return `${this.#boardKey}:of:${id}`
  }
}

const NOTHING: BoardStats = { processes: 0, bytes: 0 }
