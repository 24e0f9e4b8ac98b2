import { EventEmitter } from 'node:events'
import type { CacheStats, FallbackCache } from 'fallback-cache'
import { type AnswerSource, answerSource } from './answer-source.js'
import type { Atlas, CityRecord } from './atlas.js'
import type { AppName, SeenRequest } from './front.js'
import type { PrivateRedis, RedisState } from './private-redis.js'
import { ask, keepAliveAgent } from './request.js'
import { KNOWN_CITIES, popularPath, rarePath } from './traffic.js'

/** Everything that the page and the terminal show beside the requests. */
export interface DemoState {
  /** `external`: not ours to kill. `none`: there is no redis-server, memory answers alone. */
  readonly redis: RedisState | 'external' | 'none'
  readonly breaker: string
  readonly load: boolean
  readonly handlerRuns: number
  readonly stats: CacheStats
}

/** Something that happened, in words. */
export interface Note {
  readonly at: number
  readonly kind: 'good' | 'bad' | 'plain'
  readonly text: string
}

/** How Redis and the circuit breaker were from a moment on. */
export interface Condition extends Pick<DemoState, 'redis' | 'breaker'> {
  readonly at: number
}

/** What the two apps read before and after a write. */
export interface WriteShown {
  readonly city: string
  readonly path: string
  readonly through: AppName
  readonly durable: boolean
  readonly written: number
  readonly reads: readonly {
    readonly app: AppName
    readonly before: number
    readonly after: number
    readonly source: AnswerSource
    readonly computedBy: string
  }[]
}

/** The buttons and keys. */
export type Action = 'kill' | 'freeze' | 'resume' | 'restart' | 'write' | 'clear' | 'load'

/** True for the name of a button or key. */
export function isAction(name: string): name is Action {
  return ['kill', 'freeze', 'resume', 'restart', 'write', 'clear', 'load'].includes(name)
}

const APPS: readonly AppName[] = ['express', 'koa']
const LOAD_INTERVAL_MS = 60
/** The share of the load that asks for what is in no cache. */
const RARE = 0.03
const KEPT_REQUESTS = 1000
const KEPT_NOTES = 40

interface DemoEvents {
  request: [SeenRequest]
  condition: [Condition]
  note: [Note]
  write: [WriteShown]
}

/** What one can do to the running apps and their Redis, and what is to be seen of them. */
export class Demo extends EventEmitter<DemoEvents> {
  readonly requests: SeenRequest[] = []
  readonly notes: Note[] = []
  readonly history: Condition[] = []
  lastWrite: WriteShown | undefined

  readonly #atlas: Atlas
  readonly #cache: FallbackCache
  readonly #redis: PrivateRedis | 'external' | undefined
  readonly #agent = keepAliveAgent(16)
  #origin = ''
  #load: NodeJS.Timeout | undefined
  #writes = 0

  constructor(atlas: Atlas, cache: FallbackCache, redis: PrivateRedis | 'external' | undefined) {
    super()
    this.#atlas = atlas
    this.#cache = cache
    this.#redis = redis
    this.setMaxListeners(100)
    this.#remember()
    const moods = { closed: 'good', half_open: 'plain', open: 'bad' } as const
    cache.on('circuit', ({ from, to }) => this.#say(moods[to], `circuit breaker: ${from} → ${to}`))
    cache.on('outage', () => this.#say('bad', 'outage: memory answers from now on'))
    cache.on('recovery', ({ seconds, replayed, writeBack }) => {
      if (cache.stats().counters.outages === 0) return
      const done = `${replayed} invalidations replayed, ${writeBack} entries to write back`
      this.#say('good', `Redis is trusted again after ${seconds.toFixed(1)} s: ${done}`)
    })
  }

  /** Where the apps answer; to be called once they do. */
  open(origin: string): void {
    this.#origin = origin
  }

  get state(): DemoState {
    const stats = this.#cache.stats()
    return {
      redis: this.#redis === undefined ? 'none' : this.#redis === 'external' ? 'external' : this.#redis.state,
      breaker: stats.circuitBreakerState ?? 'closed',
      load: this.#load !== undefined,
      handlerRuns: this.#atlas.runs,
      stats,
    }
  }

  /** Takes down a request that was answered. */
  saw(request: SeenRequest): void {
    this.requests.push(request)
    if (this.requests.length > KEPT_REQUESTS) this.requests.shift()
    this.emit('request', request)
  }

  async do(action: Action): Promise<void> {
    if (action === 'write') await this.#write()
    else if (action === 'load') this.#toggleLoad()
    else if (action === 'clear') await this.#clear()
    else await this.#doToRedis(action)
  }

  /** Ends the load and the connections it used. */
  close(): void {
    clearInterval(this.#load)
    this.#load = undefined
    this.#agent.destroy()
  }

  async #doToRedis(action: 'kill' | 'freeze' | 'resume' | 'restart'): Promise<void> {
    const redis = this.#redis
    if (redis === undefined) this.#say('plain', 'there is no redis-server here: memory answers alone')
    else if (redis === 'external') this.#say('plain', 'this Redis is not ours to take down')
    else if (action === 'restart') {
      await redis.restart()
      this.#say('good', `started again and empty, pid ${redis.pid}`)
    } else if (redis.state === 'down') {
      this.#say('plain', 'Redis is down: restart it first')
    } else if (action === 'kill') {
      this.#say('bad', `SIGKILL to pid ${redis.pid}`)
      await redis.kill()
      this.#remember()
    } else if (action === 'freeze') {
      redis.freeze()
      this.#say('bad', `SIGSTOP to pid ${redis.pid}: connections stay open, nothing answers`)
    } else {
      redis.resume()
      this.#say('good', `SIGCONT to pid ${redis.pid}: it goes on with all that it held`)
    }
  }

  async #clear(): Promise<void> {
    const { durable } = await this.#cache.clear()
    this.#say('plain', `cleared both tiers${durable ? '' : '; Redis will follow when it is back'}`)
  }

  #toggleLoad(): void {
    if (this.#load === undefined) {
      this.#load = setInterval(() => {
        const path = Math.random() < RARE ? rarePath() : popularPath()
        this.#read(path).catch(() => {})
      }, LOAD_INTERVAL_MS)
      this.#say(
        'plain',
        `load on: ${Math.round(1000 / LOAD_INTERVAL_MS)} requests a second, to Express and Koa in turn`,
      )
    } else {
      clearInterval(this.#load)
      this.#load = undefined
      this.#say('plain', 'load off')
    }
  }

  /** Reads a city through both apps, writes it through one of them, and reads it again through both. */
  async #write(): Promise<void> {
    const city = KNOWN_CITIES[this.#writes % KNOWN_CITIES.length]
    const through: AppName = this.#writes % 2 === 0 ? 'express' : 'koa'
    this.#writes++
    if (city === undefined) return
    const path = `/cities/${city.id}`
    const before = await this.#readThroughBoth(path)
    const population = Math.max(...before.map((read) => read.population)) + 1 + Math.floor(Math.random() * 999)
    const asked = { method: 'PATCH', path, app: through, body: { population } } as const
    const answer = await ask(this.#origin, asked, this.#agent)
    const after = await this.#readThroughBoth(path)
    const shown: WriteShown = {
      city: city.name,
      path,
      through,
      durable: JSON.parse(answer.body.toString()).durable === true,
      written: population,
      reads: after.map((read, i) => ({
        app: read.app,
        before: before[i]?.population ?? 0,
        after: read.population,
        source: read.source,
        computedBy: read.computedBy,
      })),
    }
    this.lastWrite = shown
    this.emit('write', shown)
    const seenBy = shown.reads.map((read) => `${read.app} reads ${read.after} (${read.source})`).join(', ')
    this.#say('plain', `${city.name} → ${population} through ${through}; ${seenBy}`)
  }

  async #readThroughBoth(path: string) {
    const reads = []
    for (const app of APPS) {
      const { headers, body } = await this.#read(path, app)
      const { population }: CityRecord = JSON.parse(body.toString())
      const source = answerSource(headers['cache-status']?.toString())
      reads.push({ app, population, source, computedBy: String(headers['x-computed-by'] ?? app) })
    }
    return reads
  }

  #read(path: string, app?: AppName) {
    return ask(this.#origin, { path, app }, this.#agent)
  }

  #say(kind: Note['kind'], text: string): void {
    const note = { at: Date.now(), kind, text }
    this.notes.push(note)
    if (this.notes.length > KEPT_NOTES) this.notes.shift()
    this.emit('note', note)
    this.#remember()
  }

  /** Notes the condition of Redis and the breaker, if it is another one now. */
  #remember(): void {
    const { redis, breaker } = this.state
    const last = this.history.at(-1)
    if (last?.redis === redis && last.breaker === breaker) return
    const condition = { at: Date.now(), redis, breaker }
    this.history.push(condition)
    if (this.history.length > KEPT_NOTES) this.history.shift()
    this.emit('condition', condition)
  }
}
