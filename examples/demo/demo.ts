import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AppReport } from './app-process.js'
import type { Fleet } from './fleet.js'
import type { SeenRequest } from './front.js'
import type { PrivateRedis, RedisState } from './private-redis.js'
import { ask, keepAliveAgent } from './request.js'
import { POPULAR_PATHS, popularPath, rarePath } from './traffic.js'
import { Writer, type WriteShown } from './writer.js'

/** Everything that the page and the terminal show beside the requests. */
export interface DemoState {
  /** `external`: not ours to kill. `none`: there is no redis-server, memory answers alone. */
  readonly redis: RedisState | 'external' | 'none'
  /** The worst of all processes. */
  readonly breaker: AppReport['breaker']
  readonly load: boolean
  readonly handlerRuns: number
  readonly apps: readonly (AppReport & { readonly name: string })[]
}

/** Something that happened, in words. */
export interface Note {
  readonly at: number
  readonly kind: 'good' | 'bad' | 'plain'
  readonly text: string
}

/** How Redis and the circuit breakers were from a moment on. */
export interface Condition extends Pick<DemoState, 'redis' | 'breaker'> {
  readonly at: number
}

const ACTIONS = ['kill', 'freeze', 'resume', 'restart', 'write', 'clear', 'load'] as const

/** The buttons and keys. */
export type Action = (typeof ACTIONS)[number]

/** True for the name of a button or key. */
export function isAction(name: string): name is Action {
  return (ACTIONS as readonly string[]).includes(name)
}

const CALM_WITHIN_MS = 5000
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

  readonly #fleet: Fleet
  readonly #agent = keepAliveAgent(16)
  readonly #writer: Writer
  #redis: PrivateRedis | 'external' | undefined
  #origin: string | undefined
  #load: NodeJS.Timeout | undefined
  #isOutage = false
  #replayed = 0

  constructor(fleet: Fleet) {
    super()
    this.#fleet = fleet
    this.setMaxListeners(100)
    this.#writer = new Writer(fleet.names, (asked) => ask(this.#origin ?? '', asked, this.#agent))
    this.#writer.on('write', (write) => this.emit('write', write))
    this.#writer.on('note', (text) => this.#say('plain', text))
    fleet.on('report', () => this.#sayIfChanged())
    fleet.on('recovered', (replayed) => {
      this.#replayed += replayed
    })
    fleet.on('lost', (name) => this.#say('bad', `${name} has ended: the other processes go on`))
  }

  get lastWrite(): WriteShown | undefined {
    return this.#writer.last
  }

  get state(): DemoState {
    const apps = [...this.#fleet.reports].map(([name, report]) => ({ name, ...report }))
    const breakers = apps.map(({ breaker }) => breaker)
    return {
      redis: this.#redis === undefined ? 'none' : this.#redis === 'external' ? 'external' : this.#redis.state,
      breaker: breakers.includes('open') ? 'open' : breakers.includes('half_open') ? 'half_open' : 'closed',
      load: this.#load !== undefined,
      handlerRuns: apps.reduce((sum, { runs }) => sum + runs, 0),
      apps,
    }
  }

  /** To be called once the apps answer: it asks each of them for every popular page, so that a visitor meets a cache that works. */
  async open(origin: string, redis: PrivateRedis | 'external' | undefined): Promise<void> {
    this.#redis = redis
    await Promise.all(
      this.#fleet.names.map(async (app, i) => {
        const paths = POPULAR_PATHS.map((_, at) => POPULAR_PATHS[(at + 11 * i) % POPULAR_PATHS.length] ?? '/countries')
        for (const path of paths) await ask(origin, { path, app }, this.#agent).catch(() => {})
      }),
    )
    await this.#untilCalm()
    this.#origin = origin
    this.#remember()
  }

  /** Takes down a request that was answered. */
  saw(request: SeenRequest): void {
    if (this.#origin === undefined) return
    this.requests.push(request)
    if (this.requests.length > KEPT_REQUESTS) this.requests.shift()
    this.emit('request', request)
  }

  async do(action: Action): Promise<void> {
    if (this.#origin === undefined) return
    if (action === 'write') await this.#writer.write()
    else if (action === 'load') this.#toggleLoad()
    else if (action === 'clear') await this.#clear()
    else await this.#doToRedis(action)
  }

  /** Ends the load and the connections it used. */
  close(): void {
    clearInterval(this.#load)
    this.#load = undefined
    this.#writer.close()
    this.#agent.destroy()
  }

  async #doToRedis(action: 'kill' | 'freeze' | 'resume' | 'restart'): Promise<void> {
    const redis = this.#redis
    if (redis === undefined) this.#say('plain', 'there is no redis-server here: memory answers alone')
    else if (redis === 'external') this.#say('plain', 'this Redis is not ours to take down')
    else if (action === 'restart') {
      await redis.restart()
      this.#say('good', `Redis started again, empty (pid ${redis.pid})`)
    } else if (redis.state === 'down') {
      this.#say('plain', 'Redis is down: restart it first')
    } else if (action === 'kill') {
      this.#say('bad', `Redis killed (SIGKILL, pid ${redis.pid})`)
      await redis.kill()
      this.#remember()
    } else if (action === 'freeze') {
      redis.freeze()
      this.#say('bad', `Redis frozen (SIGSTOP, pid ${redis.pid}): connections stay open, nothing answers`)
    } else {
      redis.resume()
      this.#say('good', `Redis resumed (SIGCONT, pid ${redis.pid}): it goes on with all that it held`)
    }
  }

  async #clear(): Promise<void> {
    const durable = await this.#fleet.clear()
    this.#say('plain', `cleared both tiers${durable ? '' : '; Redis will follow when it is back'}`)
  }

  /** Where several processes start at once on a small machine, one of them may miss a deadline: waits until that is over, not for long. */
  async #untilCalm(): Promise<void> {
    const end = Date.now() + CALM_WITHIN_MS
    const isCalm = () => this.state.apps.every(({ connected, breaker }) => connected && breaker === 'closed')
    while (this.#redis !== undefined && !isCalm() && Date.now() < end) await sleep(50)
  }

  #toggleLoad(): void {
    if (this.#load === undefined) {
      this.#load = setInterval(() => {
        const path = Math.random() < RARE ? rarePath() : popularPath()
        ask(this.#origin ?? '', { path }, this.#agent).catch(() => {})
      }, LOAD_INTERVAL_MS)
      this.#say('plain', `load on: ${Math.round(1000 / LOAD_INTERVAL_MS)} requests a second, to each process in turn`)
    } else {
      clearInterval(this.#load)
      this.#load = undefined
      this.#say('plain', 'load off')
    }
  }

  /** One line for all processes, each of which finds out on its own. */
  #sayIfChanged(): void {
    const { apps } = this.state
    if (!this.#isOutage && this.#redis !== undefined && apps.every(({ connected }) => !connected)) {
      this.#isOutage = true
      this.#replayed = 0
      this.#say('bad', 'all processes have stopped asking Redis: memory answers')
    } else if (this.#isOutage && apps.every(({ connected }) => connected)) {
      this.#isOutage = false
      const sent = this.#replayed === 0 ? '' : `, and ${this.#replayed} invalidations were sent on`
      this.#say('good', `all processes use Redis again${sent}`)
    }
    this.#remember()
  }

  #say(kind: Note['kind'], text: string): void {
    if (this.#origin === undefined) return
    const note = { at: Date.now(), kind, text }
    this.notes.push(note)
    if (this.notes.length > KEPT_NOTES) this.notes.shift()
    this.emit('note', note)
    this.#remember()
  }

  /** Notes the condition of Redis and the breakers, if it is another one now. */
  #remember(): void {
    if (this.#origin === undefined) return
    const { redis, breaker } = this.state
    const last = this.history.at(-1)
    if (last?.redis === redis && last.breaker === breaker) return
    const condition = { at: Date.now(), redis, breaker }
    this.history.push(condition)
    if (this.history.length > KEPT_NOTES) this.history.shift()
    this.emit('condition', condition)
  }
}
