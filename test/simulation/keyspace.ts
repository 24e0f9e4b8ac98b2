/** What a command is answered with. Bulk strings are Buffers, `+OK` is a {@link Status}. */
export type Reply = null | number | Buffer | Status | readonly Reply[]

/** A simple string reply. */
export class Status {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** An error reply; its message starts with the code. */
export class ErrorReply extends Error {}

interface Text {
  readonly kind: 'string'
  readonly data: Buffer
  /** Ms of the server's clock. */
  readonly expiresAt: number
}

interface StreamRecord {
  readonly at: number
  readonly index: number
  readonly fields: readonly Buffer[]
}

interface Stream {
  readonly kind: 'stream'
  readonly records: StreamRecord[]
  lastAt: number
  lastIndex: number
}

interface SortedSet {
  readonly kind: 'zset'
  readonly scores: Map<string, number>
}

type Value = Text | Stream | SortedSet

type Command = (args: readonly Buffer[], now: number) => Reply

/** The data of a Redis server, and the commands on it that the library may send. */
export class Keyspace {
  readonly #values = new Map<string, Value>()
  readonly #commands: Readonly<Record<string, Command>> = {
    PING: ([question]) => question ?? new Status('PONG'),
    GET: ([key], now) => this.#string(key, now)?.data ?? null,
    MGET: (keys, now) => keys.map((key) => this.#stringIfAny(key, now)?.data ?? null),
    SET: (args, now) => this.#set(args, now),
    GETRANGE: ([key, start, end], now) => {
      const data = this.#string(key, now)?.data ?? Buffer.alloc(0)
      return Buffer.from(data.subarray(Number(start), Number(end) + 1))
    },
    SETRANGE: ([key, offset, part], now) => this.#overwrite(key, Number(offset), part ?? Buffer.alloc(0), now),
    DEL: (keys, now) => keys.filter((key) => this.#delete(key, now)).length,
    UNLINK: (keys, now) => keys.filter((key) => this.#delete(key, now)).length,
    EXISTS: (keys, now) => keys.filter((key) => this.#value(key, now) !== undefined).length,
    XADD: (args, now) => this.#append(args, now),
    XRANGE: (args, now) => this.#range(args, now),
    XREVRANGE: ([key, end, start, ...count], now) => this.#rangeBackwards(key, start, end, count, now),
    XLEN: ([key], now) => this.#stream(key, now)?.records.length ?? 0,
    XTRIM: ([key, , , length], now) => trim(this.#stream(key, now), Number(length)),
    ZADD: ([key, ...rest], now) => {
      const isOnlyKnown = text(rest[0]) === 'XX'
      const [score, member] = isOnlyKnown ? rest.slice(1) : rest
      if (isOnlyKnown && this.#sortedSet(key, now)?.scores.has(text(member)) !== true) return 0
      return this.#score(key, Number(score), text(member), now)
    },
    ZRANGE: ([key], now) => this.#ranked(key, now).flatMap(([name, score]) => [bulk(name), bulk(String(score))]),
    ZPOPMIN: ([key, count], now) => this.#popLowest(key, Number(count), now),
    ZREM: ([key, member], now) => (this.#sortedSet(key, now)?.scores.delete(text(member)) === true ? 1 : 0),
    ZSCORE: ([key, member], now) => {
      const score = this.#sortedSet(key, now)?.scores.get(text(member))
      return score === undefined ? null : bulk(String(score))
    },
    ZRANGEBYSCORE: ([key, lowest, , , , , count], now) =>
      this.#ranked(key, now)
        .filter(([, score]) => score >= Number(lowest))
        .slice(0, Number(count))
        .flatMap(([name, score]) => [bulk(name), bulk(String(score))]),
    ZCARD: ([key], now) => this.#sortedSet(key, now)?.scores.size ?? 0,
    PEXPIRE: ([key, ms], now) => this.#expire(key, now + Number(ms), now),
    PTTL: ([key], now) => {
      const value = this.#value(key, now)
      if (value === undefined) return -2
      return value.kind === 'string' && Number.isFinite(value.expiresAt) ? Math.ceil(value.expiresAt - now) : -1
    },
    SCAN: (args, now) => this.#scan(args, now),
    FLUSHALL: () => {
      this.#values.clear()
      return new Status('OK')
    },
  }

  /** @param now - ms of the server's clock */
  execute(name: string, args: readonly Buffer[], now: number): Reply {
    const command = this.#commands[name]
    if (command === undefined) throw new ErrorReply(`ERR unknown command '${name}'`)
    return command(args, now)
  }

  /** As a replica or a dump has it. */
  copy(): Keyspace {
    const copy = new Keyspace()
    for (const [key, value] of this.#values) {
      if (value.kind === 'string') copy.#values.set(key, value)
      else if (value.kind === 'stream') copy.#values.set(key, { ...value, records: [...value.records] })
      else copy.#values.set(key, { kind: 'zset', scores: new Map(value.scores) })
    }
    return copy
  }

  keys(): string[] {
    return [...this.#values.keys()]
  }

  #value(key: Buffer | undefined, now: number): Value | undefined {
    const name = text(key)
    const value = this.#values.get(name)
    if (value?.kind === 'string' && value.expiresAt <= now) {
      this.#values.delete(name)
      return undefined
    }
    return value
  }

  #string(key: Buffer | undefined, now: number): Text | undefined {
    const value = this.#value(key, now)
    if (value !== undefined && value.kind !== 'string') throw wrongType()
    return value
  }

  #stringIfAny(key: Buffer | undefined, now: number): Text | undefined {
    const value = this.#value(key, now)
    return value?.kind === 'string' ? value : undefined
  }

  #stream(key: Buffer | undefined, now: number): Stream | undefined {
    const value = this.#value(key, now)
    if (value !== undefined && value.kind !== 'stream') throw wrongType()
    return value
  }

  #sortedSet(key: Buffer | undefined, now: number): SortedSet | undefined {
    const value = this.#value(key, now)
    if (value !== undefined && value.kind !== 'zset') throw wrongType()
    return value
  }

  #set([key, data, ...options]: readonly Buffer[], now: number): Reply {
    const words = options.map((option) => option.toString().toUpperCase())
    const lifetime = words.includes('PX') ? Number(words[words.indexOf('PX') + 1]) : Number.POSITIVE_INFINITY
    if (!(lifetime > 0)) throw new ErrorReply("ERR invalid expire time in 'set' command")
    if (words.includes('NX') && this.#value(key, now) !== undefined) return null
    this.#values.set(text(key), { kind: 'string', data: Buffer.from(data ?? ''), expiresAt: now + lifetime })
    return new Status('OK')
  }

  #overwrite(key: Buffer | undefined, offset: number, part: Buffer, now: number): Reply {
    const known = this.#string(key, now)
    const data = Buffer.alloc(Math.max(known?.data.length ?? 0, offset + part.length))
    known?.data.copy(data)
    part.copy(data, offset)
    this.#values.set(text(key), { kind: 'string', data, expiresAt: known?.expiresAt ?? Number.POSITIVE_INFINITY })
    return data.length
  }

  #delete(key: Buffer, now: number): boolean {
    return this.#value(key, now) !== undefined && this.#values.delete(text(key))
  }

  #expire(key: Buffer | undefined, expiresAt: number, now: number): Reply {
    const value = this.#value(key, now)
    if (value === undefined) return 0
    // Only texts are ever given a lifetime here.
    if (value.kind === 'string') this.#values.set(text(key), { ...value, expiresAt })
    return 1
  }

  #scan([, ...options]: readonly Buffer[], now: number): Reply {
    const words = options.map(text)
    const pattern = matcher(words[words.indexOf('MATCH') + 1] ?? '*')
    const names = this.keys().filter((name) => pattern.test(name) && this.#value(bulk(name), now) !== undefined)
    return [bulk('0'), names.map(bulk)]
  }

  #append([key, ...rest]: readonly Buffer[], now: number): Reply {
    const words = rest.map(String)
    const [length] = words[0]?.toUpperCase() === 'MAXLEN' ? words.slice(words[1] === '~' ? 2 : 1) : []
    const idAt = length === undefined ? 0 : words.indexOf(length) + 1
    const [at = 0, index = 0] = (words[idAt] ?? '').split('-').map(Number)
    const stream = this.#stream(key, now) ?? { kind: 'stream' as const, records: [], lastAt: 0, lastIndex: 0 }
    if (at < stream.lastAt || (at === stream.lastAt && index <= stream.lastIndex)) {
      throw new ErrorReply('ERR The ID specified in XADD is equal or smaller than the target stream top item')
    }
    stream.records.push({ at, index, fields: rest.slice(idAt + 1).map((field) => Buffer.from(field)) })
    stream.lastAt = at
    stream.lastIndex = index
    if (length !== undefined) trim(stream, Number(length))
    this.#values.set(text(key), stream)
    return bulk(`${at}-${index}`)
  }

  #range([key, start, end, , count]: readonly Buffer[], now: number): Reply {
    const [from = 0, firstIndex = 0] = text(start) === '-' ? [] : text(start).split('-').map(Number)
    const to = text(end) === '+' ? Number.POSITIVE_INFINITY : Number(text(end).split('-')[0])
    const isWithin = ({ at, index }: StreamRecord) => (at > from || (at === from && index >= firstIndex)) && at <= to
    const records = this.#stream(key, now)?.records.filter(isWithin) ?? []
    const page = count === undefined ? records : records.slice(0, Number(count))
    return page.map(({ at, index, fields }) => [bulk(`${at}-${index}`), fields])
  }

  #rangeBackwards(
    key: Buffer | undefined,
    start: Buffer | undefined,
    end: Buffer | undefined,
    [, count]: readonly Buffer[],
    now: number,
  ): Reply {
    const records = this.#range(
      [key, start, end].map((part) => part ?? Buffer.alloc(0)),
      now,
    )
    const backwards = Array.isArray(records) ? [...records].reverse() : []
    return count === undefined ? backwards : backwards.slice(0, Number(count))
  }

  #score(key: Buffer | undefined, score: number, member: string, now: number): Reply {
    const set = this.#sortedSet(key, now) ?? { kind: 'zset' as const, scores: new Map<string, number>() }
    const isNew = !set.scores.has(member)
    set.scores.set(member, score)
    this.#values.set(text(key), set)
    return isNew ? 1 : 0
  }

  #ranked(key: Buffer | undefined, now: number): [string, number][] {
    const scores = [...(this.#sortedSet(key, now)?.scores ?? [])]
    return scores.sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1))
  }

  #popLowest(key: Buffer | undefined, count: number, now: number): Reply {
    const lowest = this.#ranked(key, now).slice(0, count)
    const set = this.#sortedSet(key, now)
    for (const [name] of lowest) set?.scores.delete(name)
    if (set?.scores.size === 0) this.#values.delete(text(key))
    return lowest.flatMap(([name, score]) => [bulk(name), bulk(String(score))])
  }
}

function trim(stream: Stream | undefined, length: number): number {
  const surplus = Math.max(0, (stream?.records.length ?? 0) - length)
  stream?.records.splice(0, surplus)
  return surplus
}

/** A pattern of SCAN, as far as the library uses them: stars, and escaped letters. */
function matcher(pattern: string): RegExp {
  const source = pattern.replace(/\\(.)|([*])|([^\w])/g, (_all, escaped?: string, star?: string, other?: string) =>
    star === undefined ? `\\${escaped ?? other}` : '.*',
  )
  return new RegExp(`^${source}$`, 's')
}

function wrongType(): ErrorReply {
  return new ErrorReply('WRONGTYPE Operation against a key holding the wrong kind of value')
}

function text(bytes: Buffer | undefined): string {
  return bytes === undefined ? '' : bytes.toString('latin1')
}

function bulk(words: string): Buffer {
  return Buffer.from(words, 'latin1')
}
