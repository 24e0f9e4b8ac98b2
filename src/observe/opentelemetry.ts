import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import {
  type Attributes,
  context,
  createContextKey,
  type Histogram,
  type Meter,
  metrics,
  type Span,
  trace,
} from '@opentelemetry/api'
import type { CacheStats, HandlerMessage, RequestMessage } from '../index.js'
import { INSTRUMENTS, makeInstruments } from './instruments.js'

/** A cache or a middleware that is instrumented. */
export interface InstrumentedSource {
  stats(): CacheStats
}

/** Options of {@link instrument}. */
export interface InstrumentOptions {
  /** Value of the attribute `cache.name`, which distinguishes several caches in one process. @defaultValue 'default' */
  readonly name?: string | undefined
  /** Whether metrics have the attribute `http.route`, up to 202 values of it. @defaultValue true */
  readonly routes?: boolean | undefined
  /** Makes the metrics. @defaultValue that of the global meter provider */
  readonly meter?: Meter | undefined
}

/** What {@link instrument} has added. */
export interface Instrumented {
  /** Removes the metrics, and the attributes from further spans if no other cache is instrumented. */
  disable(): void
}

/**
 * Adds a cache to OpenTelemetry: its metrics, attributes on the server span of each request, and, for hits, the route,
 * which no handler sets because none runs. Call it after the SDK has started.
 *
 * ```ts
 * import { instrument } from 'fallback-cache/opentelemetry'
 *
 * const cached = fallbackCache({ ttl: 60 })
 * instrument(cached)
 * ```
 *
 * The attributes: `cache.hit`, `cache.ttl` (s), `cache.item_size` (bytes), `fallback_cache.result`, `.tier` and
 * `.reason`. Metrics are read when they are collected.
 *
 * @throws TypeError if an argument has the wrong type, or if a cache of this name is instrumented already
 */
export function instrument(source: InstrumentedSource, options: InstrumentOptions = {}): Instrumented {
  if (typeof source?.stats !== 'function') {
    throw new TypeError(
      'instrument needs the cache as its first argument: what fallbackCache() returned, or a FallbackCache',
    )
  }
  const { name = 'default', routes = true, meter = metrics.getMeter('fallback-cache') } = options
  if (typeof name !== 'string' || name === '') throw new TypeError('the option name must be a non-empty string')
  if (typeof routes !== 'boolean') throw new TypeError('the option routes must be true or false')
  if (instrumented.has(name)) {
    throw new TypeError(`a cache named "${name}" is instrumented already: give each one a name of its own`)
  }
  const durations = meter.createHistogram('fallback_cache.handler.duration', {
    description: 'Handler runs until the response began.',
    unit: 's',
    advice: { explicitBucketBoundaries: [...DURATIONS] },
  })
  const instruments = makeInstruments(meter)
  const read = (result: { observe(instrument: never, value: number, attributes: Attributes): void }) => {
    const stats = source.stats()
    const meters = routes ? stats.traffic.routes : [stats.traffic]
    INSTRUMENTS.forEach((one, at) => {
      for (const { value, attributes } of one.read(stats, meters)) {
        result.observe(instruments[at] as never, value, { 'cache.name': name, ...attributes })
      }
    })
  }
  meter.addBatchObservableCallback(read, [...instruments])
  if (instrumented.size === 0) listen()
  const { keyPrefix } = source.stats()
  instrumented.set(name, { name, engine: engineOf(source), keyPrefix, routes, durations })
  return {
    disable: () => {
      meter.removeBatchObservableCallback(read, [...instruments])
      if (instrumented.delete(name) && instrumented.size === 0) stopListening()
    },
  }
}

/** Upper bounds of the buckets of handler times, in seconds. */
const DURATIONS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const

interface InstrumentedCache {
  readonly name: string
  /** Tells caches of the same prefix apart; `undefined` for a source that is neither a cache nor a middleware. */
  readonly engine: unknown
  readonly keyPrefix: string
  readonly routes: boolean
  readonly durations: Histogram
}

/** The property of caches and of messages that tells which cache it is; without it, `keyPrefix` does. */
const ENGINE = Symbol.for('fallback-cache.engine/1')

function engineOf(source: InstrumentedSource & { readonly cache?: unknown }): unknown {
  return Reflect.get(Object(source.cache ?? source) as object, ENGINE)
}

/** The instrumented caches by name. */
const instrumented = new Map<string, InstrumentedCache>()

/** The context key of the HTTP instrumentation for what a framework tells it of a request. */
const RPC_METADATA = createContextKey('OpenTelemetry SDK Context Key RPC_METADATA')

/** What the HTTP instrumentation makes the span's name, `http.route` and its metric of. */
interface RpcMetadata {
  route?: string
  readonly span: Span
}

function onRequest(message: unknown): void {
  // An error of a subscriber would end the process.
  try {
    mark(message as RequestMessage)
  } catch {}
}

/** Puts attributes on the server span of a request, and its route if no handler has run that would. */
function mark(message: RequestMessage): void {
  const { route, result } = message
  const active = context.active()
  const rpc = active.getValue(RPC_METADATA) as RpcMetadata | undefined
  // The active span may be one of a middleware; the server's is the one that the HTTP instrumentation names.
  const span = rpc?.span ?? trace.getSpan(active)
  const isFromCache = result === 'hit' || result === 'stale' || result === 'collapsed'
  if (rpc !== undefined && route !== undefined && (isFromCache || rpc.route === undefined)) rpc.route = route
  span?.setAttributes(attributesOf(message, isFromCache))
}

function attributesOf({ result, tier, reason, ttl, size }: RequestMessage, isFromCache: boolean): Attributes {
  return {
    'cache.hit': isFromCache,
    'fallback_cache.result': result,
    'fallback_cache.tier': tier,
    ...(reason !== undefined && { 'fallback_cache.reason': reason }),
    ...(ttl !== undefined && { 'cache.ttl': ttl }),
    ...(size !== undefined && { 'cache.item_size': size }),
  }
}

const onHandlerEnd = (message: HandlerMessage): void => {
  const { keyPrefix, route, seconds } = message
  if (seconds === undefined) return
  const engine = Reflect.get(message, ENGINE)
  for (const cache of instrumented.values()) {
    if (cache.engine === undefined ? cache.keyPrefix !== keyPrefix : cache.engine !== engine) continue
    const routed = cache.routes && route !== undefined ? { 'http.route': route } : {}
    cache.durations.record(seconds, { 'cache.name': cache.name, ...routed })
    return
  }
}

const HANDLER_LISTENERS = {
  start: nothing,
  end: nothing,
  asyncStart: nothing,
  asyncEnd: (message: object) => onHandlerEnd(message as HandlerMessage),
  error: nothing,
}

function nothing(): void {}

function listen(): void {
  subscribe('fallback-cache:request', onRequest)
  tracingChannel('fallback-cache:handler').subscribe(HANDLER_LISTENERS)
}

function stopListening(): void {
  unsubscribe('fallback-cache:request', onRequest)
  tracingChannel('fallback-cache:handler').unsubscribe(HANDLER_LISTENERS)
}
