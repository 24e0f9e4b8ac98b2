import { Readable } from 'node:stream'
import { afterEach, beforeEach } from 'vitest'
import type { CacheStats } from '../../src/core/cache-stats.js'
import { ManualClock } from '../support/manual-clock.js'
import { type Ask, ask, type Got } from './hosts/client.js'
import type { CacheFace, CommonOptions, Host, Route, Site } from './hosts/host.js'

/** A client of one running site. */
export interface Client {
  readonly port: number
  get(path: string, fields?: Ask['fields']): Promise<Got>
  ask(path: string, options?: Ask): Promise<Got>
}

/** Where one test of the contract plays: it makes caches and sites, and takes them down afterwards. */
export interface Stage<M> {
  readonly clock: ManualClock
  /** A middleware on the manual clock. */
  cached(options?: CommonOptions): M
  serve(site: Site<M>): Promise<Client>
  /** What the last middleware tells of itself. */
  cachedStats(): CacheStats
  /** One route at `/page`, cached for a minute unless `options` say otherwise. */
  page(answer: Route<M>['answer'], options?: CommonOptions): Promise<Client>
}

/** Prepares a fresh stage before each test of the surrounding `describe`. */
export function useStage<M extends CacheFace>(host: Host<M>): Stage<M> {
  const open: { close(): Promise<void> }[] = []
  let last: CacheFace | undefined
  let clock = new ManualClock(Date.now())
  const stage: Stage<M> = {
    get clock() {
      return clock
    },
    cached(options = {}) {
      const middleware = host.fallbackCache(options.cache ? options : { clock, ...options })
      open.push(middleware)
      last = middleware
      return middleware
    },
    async serve(site) {
      const running = await host.start(site)
      open.push(running)
      return client(running.port)
    },
    cachedStats() {
      if (last === undefined) throw new Error('there is no middleware yet')
      return last.stats()
    },
    page: (answer, options = { ttl: 60 }) =>
      stage.serve({ use: [stage.cached(options)], routes: [{ path: '/page', answer }] }),
  }
  beforeEach(() => {
    clock = new ManualClock(Date.now())
  })
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close()
  })
  return stage
}

function client(port: number): Client {
  return {
    port,
    get: (path, fields) => ask(port, path, fields && { fields }),
    ask: (path, options) => ask(port, path, options),
  }
}

/** A promise with its ends in hand. */
export function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

/** A stream that gives these chunks, each in a turn of its own, and then ends. */
export function chunked(...chunks: readonly string[]): Readable {
  return Readable.from(
    (async function* () {
      for (const chunk of chunks) {
        await new Promise(setImmediate)
        yield Buffer.from(chunk)
      }
    })(),
  )
}

/** A stream that gives these chunks and then fails. */
export function broken(...chunks: readonly string[]): Readable {
  return Readable.from(
    (async function* () {
      for (const chunk of chunks) {
        yield Buffer.from(chunk)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      throw new Error('the source broke')
    })(),
  )
}

/** A stream that gives these chunks and then stays open until it is destroyed. */
export function endless(...chunks: readonly string[]): Readable {
  const stream = new Readable({ read() {} })
  for (const chunk of chunks) stream.push(Buffer.from(chunk))
  return stream
}
