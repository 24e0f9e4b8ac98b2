import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import {
  CacheError,
  type CacheStats,
  type FallbackCache,
  type InvalidateOptions,
  type Invalidation,
  REASONS,
} from '../index.js'
import { inspectorOf } from '../inspect/index.js'
import { answer, type DashboardAnswer, type DashboardRequest, json, refusal } from './answer.js'
import { isAuthorized } from './authorized.js'
import { BusyError, Entries } from './entries.js'
import { type Board, Fleet } from './fleet.js'
import { History, SAMPLE_EVERY } from './history.js'
import { PageFiles } from './page-files.js'
import { type ProcessReport, shownStats } from './process-report.js'
import { foreignness, isLocalName } from './same-origin.js'
import { Tail } from './tail.js'

/** The options of a dashboard, checked. */
export interface DashboardSettings<Request> {
  /** Decides who may use it; `undefined`: everyone who reaches its address. */
  readonly authorize: ((request: Request) => boolean | Promise<boolean>) | undefined
  /** Whether it is reached by its host's name without `authorize`, too. */
  readonly isPublic: boolean
  readonly readOnly: boolean
  readonly environment: string
}

/** What a dashboard shows: the cache of a middleware, with its invalidations. */
export interface Watched {
  readonly cache: FallbackCache
  /** Where its processes tell of themselves; resolves to `undefined` without Redis. */
  board(): Promise<Board | undefined>
  stats(): CacheStats
  /** What the cache would have done; `undefined` if it is not in shadow mode. */
  shadowReport(): object | undefined
  /** The hits that were compared with their handlers; `undefined` if the mode is not `verify`. */
  verifyReport(): object | undefined
  invalidate(path: string, options: InvalidateOptions): Promise<Invalidation>
  invalidateTags(tags: readonly string[], options: InvalidateOptions): Promise<Invalidation>
}

/** Bytes of a request's body; an invalidation takes less. */
const LONGEST_BODY = 16_384

/**
 * Answers the requests of the dashboard's page: files, statistics as JSON, events as they happen, and invalidations.
 * Knows no framework: an adapter passes requests on and sends the answers.
 */
export class Dashboard<Request> {
  readonly #watched: Watched
  readonly #settings: DashboardSettings<Request>
  readonly #files = new PageFiles()
  readonly #history = new History()
  readonly #tail: Tail
  /** `undefined` without Redis: then no process knows of others. */
  readonly #fleet: Fleet | undefined
  readonly #id: string
  readonly #entries: Entries
  readonly #startedAt = Date.now() - Math.round(process.uptime() * 1000)
  readonly #sampling: NodeJS.Timeout
  #samples = 0

  constructor(watched: Watched, board: Board | undefined, settings: DashboardSettings<Request>) {
    this.#watched = watched
    this.#settings = settings
    this.#tail = new Tail(watched.cache)
    this.#entries = new Entries(inspectorOf(watched.cache))
    this.#id = board?.self ?? `${hostname()}/${process.pid}/${randomUUID()}`
    if (board !== undefined) this.#fleet = new Fleet(board, () => this.#report(this.#history.outline))
    this.#sampling = setInterval(() => this.#sample(), SAMPLE_EVERY).unref()
    this.#sample()
    const { cache } = watched
    const note = (kind: 'outage' | 'recovery' | 'circuit' | 'fault', text: string) =>
      this.#history.note(kind, text, Date.now())
    cache.on('outage', ({ cause }) => note('outage', cause?.message ?? 'Redis cannot be used'))
    cache.on('recovery', ({ seconds }) => note('recovery', `after ${seconds.toFixed(1)} s`))
    cache.on('circuit', ({ from, to }) => note('circuit', `${from} → ${to}`))
    cache.on('fault', ({ error }) => note('fault', error.message))
  }

  /** The answer to a request of the framework. Never rejects. */
  async answer(request: DashboardRequest, framework: Request): Promise<DashboardAnswer> {
    try {
      const { authorize, isPublic } = this.#settings
      if (authorize === undefined && !isPublic && !isLocalName(request)) return refusal(403, FOREIGN_NAME)
      if (!(await isAuthorized(authorize, framework))) return refusal(403, 'authorize() did not permit this request')
      return await this.#route(request)
    } catch (error) {
      return refusal(500, error instanceof Error ? error.message : 'the dashboard failed')
    }
  }

  async #route(request: DashboardRequest): Promise<DashboardAnswer> {
    const { method, path } = request
    if (path === '') return answer(308, 'text/plain', '', { location: `${encodeURIComponent(request.ownName)}/` })
    if (method === 'POST')
      return path === '/api/invalidate' ? this.#invalidate(request) : refusal(404, 'no such address')
    if (method !== 'GET' && method !== 'HEAD') return refusal(405, `${method} is not used here`)
    if (path === '/api/overview') return json(await this.#overview(request.query))
    if (path === '/api/shadow') return this.#modeReport('shadow', this.#watched.shadowReport())
    if (path === '/api/verify') return this.#modeReport('verify', this.#watched.verifyReport())
    if (path === '/api/events') return method === 'HEAD' ? answer(200, 'text/event-stream', '') : this.#events()
    if (path.startsWith('/api/entr') || path === '/api/largest') return this.#inspect(path, request.query)
    return this.#files.answer(request) ?? refusal(404, 'no such address')
  }

  async #overview(query: URLSearchParams): Promise<object> {
    const asked = Number(query.get('after') ?? 0)
    const after = Number.isFinite(asked) ? asked : 0
    const others = await this.#fleet?.others()
    const told = others?.processes.map((one) => ({
      ...one,
      samples: one.samples.filter(({ at }) => at > after),
    }))
    return {
      at: Date.now(),
      self: this.#id,
      environment: this.#settings.environment,
      readOnly: this.#settings.readOnly,
      mode: this.#mode,
      sampleEvery: SAMPLE_EVERY,
      // The page keeps them from its first request on.
      reasons: after === 0 ? REASONS : undefined,
      processes: [{ ...this.#report(this.#history.samplesAfter(after)), age: 0 }, ...(told ?? [])],
      // Why there may be more processes than those.
      others: {
        areShared: this.#fleet !== undefined,
        areRead: others !== undefined,
        unreadable: others?.unreadable ?? 0,
        isFull: others?.isFull ?? false,
      },
    }
  }

  get #mode(): 'normal' | 'shadow' | 'verify' {
    if (this.#watched.stats().shadow !== undefined) return 'shadow'
    return this.#watched.verifyReport() === undefined ? 'normal' : 'verify'
  }

  #modeReport(mode: 'shadow' | 'verify', report: object | undefined): DashboardAnswer {
    return report === undefined
      ? refusal(404, `the cache is not in this mode: fallbackCache({ mode: '${mode}' })`)
      : json({ process: this.#id, report })
  }

  #report(samples: ProcessReport['samples']): ProcessReport {
    return {
      id: this.#id,
      host: hostname(),
      pid: process.pid,
      node: process.version,
      at: Date.now(),
      startedAt: this.#startedAt,
      stats: shownStats(this.#watched.stats()),
      samples,
      moments: this.#history.moments,
    }
  }

  async #inspect(path: string, query: URLSearchParams): Promise<DashboardAnswer> {
    try {
      if (path === '/api/entries') return json(await this.#entries.page(query))
      if (path === '/api/largest') return json(await this.#entries.largest())
      const key = query.get('key') ?? ''
      return path === '/api/entry' && key !== ''
        ? json(await this.#entries.entry(key))
        : refusal(404, 'no such address')
    } catch (error) {
      if (error instanceof BusyError) return refusal(503, error.message)
      if (error instanceof RangeError) return refusal(400, error.message)
      if (error instanceof CacheError) return refusal(502, error.message)
      throw error
    }
  }

  #events(): DashboardAnswer {
    const stream = this.#tail.watch()
    if (stream === undefined) return refusal(503, 'too many pages watch the events of this process')
    return answer(200, 'text/event-stream', stream, { 'x-accel-buffering': 'no' })
  }

  async #invalidate(request: DashboardRequest): Promise<DashboardAnswer> {
    if (this.#settings.readOnly)
      return refusal(403, 'the dashboard only shows: dashboard({ readOnly: false }) lets it invalidate')
    const foreign = foreignness(request)
    if (foreign !== undefined) return refusal(403, `the request was refused: ${foreign}`)
    const body = await request.readBody(LONGEST_BODY)
    if (body === undefined) return tooLong(LONGEST_BODY)
    const order = parsed(body.toString())
    if (!isOrder(order))
      return refusal(400, 'an invalidation is { kind: "path" | "prefix" | "tag" | "all", value, soft, dryRun }')
    const begun = performance.now()
    try {
      const receipt = await this.#carryOut(order)
      const milliseconds = Math.round(performance.now() - begun)
      return json({ ...receipt, kind: order.kind, value: order.value, milliseconds })
    } catch (error) {
      // A path that cannot be read, such as a pattern.
      if (error instanceof TypeError) return refusal(400, error.message)
      throw error
    }
  }

  #carryOut({ kind, value, soft = false, dryRun = false }: Order): Promise<Invalidation> {
    // Every process that has applied it is named in the receipt.
    const options = { soft, dryRun, confirm: !dryRun }
    if (kind === 'path') return this.#watched.invalidate(value, options)
    if (kind === 'prefix') return this.#watched.cache.invalidatePrefix(value, options)
    if (kind === 'tag') return this.#watched.invalidateTags([value], options)
    return this.#watched.cache.clear(options)
  }

  #sample(): void {
    if (this.#watched.cache.isClosed) {
      clearInterval(this.#sampling)
      return
    }
    this.#history.add(this.#watched.stats(), Date.now())
    this.#samples += 1
    if (this.#samples % 2 === 0) void this.#fleet?.tell()
  }
}

/** The rest of the body is not read, so the connection cannot be used for another request. */
function tooLong(limit: number): DashboardAnswer {
  const { status, headers, body } = refusal(413, `the body is longer than ${limit} bytes`)
  return { status, headers: { ...headers, connection: 'close' }, body }
}

const FOREIGN_NAME =
  'without authorize, the dashboard answers at localhost and at IP addresses only: give dashboard({ authorize }), or public: true if only operators can reach it'

/** The value of a JSON text; `undefined` if it is none. */
function parsed(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

interface Order {
  readonly kind: 'path' | 'prefix' | 'tag' | 'all'
  readonly value: string
  /** Makes stale instead of removing. */
  readonly soft?: boolean
  /** Only counts. */
  readonly dryRun?: boolean
}

function isOrder(order: unknown): order is Order {
  const { kind, value, soft, dryRun } = Object(order) as Partial<Record<keyof Order, unknown>>
  if (![soft, dryRun].every((flag) => flag === undefined || typeof flag === 'boolean')) return false
  if (typeof value !== 'string') return false
  return kind === 'all' || ((kind === 'path' || kind === 'prefix' || kind === 'tag') && value !== '')
}
