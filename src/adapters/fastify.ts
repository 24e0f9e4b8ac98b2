import type {
  FastifyPluginCallback,
  FastifyReply,
  FastifyRequest,
  onRequestHookHandler,
  onSendHookHandler,
  RouteOptions,
} from 'fastify'
import type { Explanation, RequestDescription } from '../index.js'
import {
  fallbackCache as expressCache,
  type FallbackCacheMiddleware,
  type MiddlewareOptions,
} from '../middleware/express.js'
import { CHOSEN_HANDLER } from './chosen-handler.js'
import { fieldValueOf, ignoreUnchanged, isSame, namesOfFields, sendHeadLate } from './late-head.js'
import { tellActs } from './reply-acts.js'
import { serializerInFront } from './reply-serializer.js'
import { type SharedControls, sharedControls } from './shared-controls.js'
import { readGettersThroughCache, showGetters } from './shown-getters.js'
import { areShown, readThroughCache, reportAbsent, shownValue, showParsed, showValues } from './shown-values.js'

/** The options of {@link fallbackCache}; functions in them are called with the request of Node.js (`request.raw`). */
export type FastifyCacheOptions = MiddlewareOptions

/** The two hooks of a cache, for the options of a route: `app.get('/report', cached.hooks, handler)`. */
export interface FastifyCacheHooks {
  readonly onRequest: onRequestHookHandler
  readonly onSend: onSendHookHandler
}

/** A plugin for Fastify 5, and the controls of its cache (`invalidate`, `stats` and others). */
export interface FastifyCache extends FastifyPluginCallback, SharedControls {
  /** The hooks for a single route, or for `addHook`. */
  readonly hooks: FastifyCacheHooks
  /** The same cache with other options, for a single route. Options that are not given are unchanged. */
  with(options: Parameters<FallbackCacheMiddleware['with']>[0]): FastifyCache
  /** Explains what the cache would do with a request, and why. See `explain` of `fallback-cache/express`. */
  explain(request: FastifyRequest | RequestDescription): Promise<Explanation>
}

/**
 * Creates a plugin that answers requests from the cache and stores the responses of handlers (RFC 9111). It holds for
 * the routes that are registered after it in the same instance, and closes its cache together with the instance.
 *
 * ```ts
 * const cached = fallbackCache({ ttl: 60 })
 * await app.register(cached)
 * ```
 *
 * Register it after plugins whose `onRequest` hooks must run for every request, such as authentication and CORS.
 *
 * @throws TypeError or RangeError for invalid options
 */
export function fallbackCache(options: FastifyCacheOptions = {}, ...rest: readonly never[]): FastifyCache {
  if (rest.length > 0) {
    throw new TypeError(
      'fallbackCache must be called, with one object of options: write app.register(fallbackCache({ ttl: 60 }))',
    )
  }
  return fastifyCache(expressCache(options))
}

function fastifyCache(cached: FallbackCacheMiddleware): FastifyCache {
  const hooks = hooksOf(cached)
  const plugin: FastifyPluginCallback = (instance, _options, done) => {
    instance.addHook('onRoute', noteConstraints)
    instance.addHook('onRequest', hooks.onRequest)
    instance.addHook('onSend', hooks.onSend)
    instance.addHook('onClose', () => cached.close())
    done()
  }
  return Object.assign(plugin, PLUGIN, {
    ...sharedControls(cached),
    hooks,
    with: (refinement: Parameters<FallbackCacheMiddleware['with']>[0]) => fastifyCache(cached.with(refinement)),
    explain: (request: FastifyRequest | RequestDescription) =>
      cached.explain('raw' in request ? (request as FastifyRequest).raw : (request as RequestDescription)),
  })
}

/** What `fastify-plugin` sets: the hooks hold for the instance that registers the plugin. */
const PLUGIN = {
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'fallback-cache',
  [Symbol.for('plugin-meta')]: { name: 'fallback-cache', fastify: '5.x' },
}

function hooksOf(cached: FallbackCacheMiddleware): FastifyCacheHooks {
  return {
    onRequest(request, reply, done) {
      const isShown = areShown(reply.raw)
      const laid = layFields(reply, isShown)
      if (!isShown) showChosen(request, reply)
      const inFront = isShown ? undefined : showRequest(request, reply)
      cached(request.raw, reply.raw, (error) => {
        if (laid !== undefined) takeFieldsOnHijack(reply, laid)
        if (error === undefined && inFront !== undefined) {
          observeRequest(request, reply, inFront)
          tellActs(reply)
        }
        done(error as Error | undefined)
      })
    },
    onSend(request, reply, payload, done) {
      // The pattern of the route, for `stats().traffic.routes`.
      Object.assign(request.raw, loggedIn(request), { route: { path: request.routeOptions.url } })
      // Fields that hooks in front of the cache have set and the route has removed.
      const { hasHeader } = Object.getPrototypeOf(reply) as FastifyReply
      for (const name of namesOfFields(reply.raw)) if (!hasHeader.call(reply, name)) reply.raw.removeHeader(name)
      ignoreUnchanged(reply.raw)
      if (typeof payload === 'string' || Buffer.isBuffer(payload)) sendHeadLate(reply.raw)
      done(null, payload)
    },
  }
}

/** The property of the `config` of a route that has its constraints, as text: by them, too, a request has reached it. */
const CONSTRAINTS = Symbol('fallback-cache.constraints')

/** Whether there is a route with constraints. */
let areConstrained = false

/** Called for each route behind the plugin, before it is made. */
function noteConstraints(route: RouteOptions): void {
  const constraints = Object.entries(route.constraints ?? {})
  if (constraints.length === 0) return
  areConstrained = true
  const text = JSON.stringify(constraints.map(([name, value]) => [name, String(value)]))
  route.config = { ...route.config, [CONSTRAINTS]: text }
}

/** Makes the constraints of its route, and a serializer that was set in front, a part of the key of a request. */
function showChosen({ raw, routeOptions }: FastifyRequest, reply: FastifyReply): void {
  const { config } = areConstrained ? routeOptions : { config: NO_CONFIG }
  const constraints = (config as { readonly [CONSTRAINTS]?: string })[CONSTRAINTS]
  const serializer = serializerInFront(reply)
  if (serializer !== undefined) Reflect.set(raw, CHOSEN_HANDLER, [constraints, serializer])
  else if (constraints !== undefined) Reflect.set(raw, CHOSEN_HANDLER, constraints)
}

const NO_CONFIG = Object.freeze({})

/** Fastify keeps its fields to itself until the end; the cache must see those that hooks in front of it have set. */
function layFields(reply: FastifyReply, isNested: boolean): readonly string[] | undefined {
  let laid: string[] | undefined
  // A cache in front observes the response of Node.js, and would take this for a read of all its fields.
  const fields = isNested ? reply.getHeaders.call(Object.create(reply, WITHOUT_FIELDS)) : reply.getHeaders()
  for (const [name, value] of Object.entries(fields)) {
    const known = fieldValueOf(reply.raw, name)
    if (value === undefined || isSame(value, known)) continue
    if (known === undefined) {
      laid ??= []
      laid.push(name)
    }
    reply.raw.setHeader(name, value)
  }
  return laid
}

/** A reply whose response of Node.js has no fields: `getHeaders` then returns those that only Fastify knows. */
const WITHOUT_FIELDS = { raw: { value: { getHeaders: () => ({}) } } }

/** A route that hijacks its reply answers without the fields that only Fastify knows. */
function takeFieldsOnHijack(reply: FastifyReply, laid: readonly string[]): void {
  const { hijack } = reply
  reply.hijack = () => {
    if (!reply.raw.headersSent) for (const name of laid) reply.raw.removeHeader(name)
    return hijack.call(reply)
  }
}

/** The names of what hooks in front of the cache have set on the request and on the reply. */
interface SetInFront {
  readonly onRequest: readonly string[]
  readonly onReply: readonly string[]
}

/** Properties that Fastify sets itself, and those of plugins that are shown where Express has them. */
const KNOWN_OF_REQUEST = new Set(['id', 'params', 'raw', 'query', 'log', 'body', 'cookies', 'session', 'user'])
const KNOWN_OF_REPLY = new Set(['raw', 'request', 'log', 'server', 'context'])

/** Where Fastify keeps what was assigned to `request.headers`; it reads the property for each access to the fields. */
const OTHER_FIELDS = 'additionalHeaders'

/** What a name of the reply begins with among the values that the cache observes. */
const OF_REPLY = 'reply.'

/** Shows the cache the request as hooks in front of it have left it: see `showValues`. */
function showRequest(request: FastifyRequest, reply: FastifyReply): SetInFront {
  const onRequest = Object.keys(request).filter((name) => !KNOWN_OF_REQUEST.has(name))
  const onReply = Object.keys(reply).filter((name) => !KNOWN_OF_REPLY.has(name))
  showValues(
    reply.raw,
    Object.fromEntries([
      ...onRequest.map((name) => [name, Reflect.get(request, name) as unknown]),
      ...onReply.map((name) => [OF_REPLY + name, Reflect.get(reply, name) as unknown]),
    ]),
  )
  const { id, query, params, body, cookies } = request as FastifyRequest & { readonly cookies?: unknown }
  showParsed(request.raw, { id, query, params, body, cookies, ...loggedIn(request) })
  showGetters(request.raw, request, { known: KNOWN_OF_REQUEST, prefix: '' })
  showGetters(request.raw, reply, { known: KNOWN_OF_REPLY, prefix: OF_REPLY })
  return { onRequest, onReply }
}

/** Lets reads of the request and of the reply go through what the cache observes. */
function observeRequest(request: FastifyRequest, reply: FastifyReply, { onRequest, onReply }: SetInFront): void {
  const { raw } = reply
  readThroughCache(request, onRequest, (name) => shownValue(raw, name))
  readThroughCache(reply, onReply, (name) => shownValue(raw, OF_REPLY + name))
  const parsed = ['id', 'query', 'cookies'].filter((name) => Object.hasOwn(request, name))
  readThroughCache(request, parsed, (name) => Reflect.get(request.raw, name))
  readGettersThroughCache(request)
  readGettersThroughCache(reply)
  reportAbsent(request, (name) => KNOWN_OF_REQUEST.has(name) || name === OTHER_FIELDS || shownValue(raw, name))
  reportAbsent(reply, (name) => shownValue(raw, OF_REPLY + name))
}

/** The properties that authentication and session plugins add to a request. */
function loggedIn(request: FastifyRequest): { readonly user?: unknown; readonly session?: unknown } {
  const { user, session } = request as FastifyRequest & { readonly user?: unknown; readonly session?: unknown }
  return { user, session }
}
