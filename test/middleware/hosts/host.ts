import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { CacheStats } from '../../../src/core/cache-stats.js'
import type { Clock } from '../../../src/core/clock.js'
import type { FallbackCache } from '../../../src/core/fallback-cache.js'
import type { InvalidateOptions } from '../../../src/core/invalidate-options.js'
import type { FinishedResponse } from '../../../src/http/port/finished-response.js'
import type { Invalidate } from '../../../src/http/store/named-paths.js'

/** What a handler puts into an answer, before the framework makes bytes of it. */
export type AnswerBody = string | Buffer | { readonly json: unknown } | Readable | undefined

/** An answer, described without any framework. */
export interface Answer {
  /** @defaultValue 200 */
  readonly status?: number
  readonly fields?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: AnswerBody
}

/** The typed handle: `res.fallbackCache` in Express, `ctx.fallbackCache` in Koa. */
export interface Handle {
  tag(...tags: string[]): Handle
  ttl(ttl: number | string): Handle
  skip(reason?: string): Handle
}

/** What a handler sees of the request that it answers. */
export interface Call {
  /** How often this route has run, this run included. */
  readonly run: number
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly fields: IncomingHttpHeaders
  /** What the framework takes for the host name of the request. */
  readonly host: string
  readonly handle: Handle
  /** Reads the body of the request to its end. */
  body(): Promise<string>
  /** What authentication does: `req.user = user`, `ctx.state.user = user`. */
  signIn(user: unknown): void
  /** What a session middleware does: `req.session`, `ctx.session`. */
  session(session: Record<string, unknown>): void
  /** Resolves once the client of this call is gone, or has everything. */
  readonly closed: Promise<void>
}

/** What a middleware in front of the cache may do. */
export interface OuterCall {
  readonly fields: IncomingHttpHeaders
  setField(name: string, value: string | readonly string[]): void
  signIn(user: unknown): void
}

/** One route of a site. */
export interface Route<M> {
  /** @defaultValue 'GET' */
  readonly method?: string
  /** As Express and @koa/router read it: `/products/:id`. */
  readonly path: string
  /** Middlewares of this route alone. */
  readonly use?: readonly M[]
  answer(call: Call): Answer | Promise<Answer>
}

/** An application: middleware in front of the cache, the cache, and routes. */
export interface Site<M> {
  /** Takes X-Forwarded-* at its word, as behind a reverse proxy. */
  readonly trustProxy?: boolean
  readonly outer?: (call: OuterCall) => void
  readonly use?: readonly M[]
  readonly routes: readonly Route<M>[]
}

/** The options that every adapter takes under the same name. */
export interface CommonOptions {
  ttl?: number | string
  staleWhileRevalidate?: number | string
  staleIfError?: number | string
  group?: string
  query?: 'all' | 'sorted' | readonly string[]
  noVarySearch?: boolean
  vary?: readonly string[]
  maxVariants?: number | false | undefined
  tags?: readonly string[] | (() => readonly string[] | Promise<readonly string[]>)
  cacheIf?: (response: FinishedResponse) => boolean | Promise<boolean>
  key?: () => string
  skip?: () => boolean
  user?: () => string | undefined
  allowRefresh?: () => boolean
  statusTtl?: Readonly<Record<number, number | string>>
  maxBodySize?: number
  inputs?: false
  maxRecordingBytes?: number
  maxHandlerTime?: number
  collapseTimeout?: number
  methods?: readonly ('GET' | 'HEAD' | 'POST' | 'QUERY')[]
  cacheStatus?: boolean
  precompress?: readonly ('br' | 'gzip' | 'zstd')[]
  cache?: FallbackCache
  clock?: Clock
  redis?: string
  keyPrefix?: string
  redisTimeout?: number
}

/** What every adapter's middleware carries beside being one. */
export interface CacheFace {
  readonly cache: FallbackCache
  readonly invalidate: Invalidate<{ readonly durable: boolean }>
  invalidateTags(tags: readonly string[], options?: InvalidateOptions): Promise<{ readonly durable: boolean }>
  stats(): CacheStats
  close(): Promise<void>
}

/** A site that listens on a socket. */
export interface RunningSite {
  readonly port: number
  close(): Promise<void>
}

/** One framework, as the contract sees it. */
export interface Host<M extends CacheFace> {
  /** The adapter's own `fallbackCache`. */
  fallbackCache(options?: CommonOptions): M
  /** Whether it can be told to believe X-Forwarded-*. @defaultValue true */
  readonly trustsProxies?: boolean
  /** Whether a cache within another one can store for itself. @defaultValue true */
  readonly nests?: boolean
  /** Serves a site on a free port of the loopback interface. */
  start(site: Site<M>): Promise<RunningSite>
}
