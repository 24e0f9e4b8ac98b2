import type { Duration } from '../../core/duration.js'
import type { FallbackCache } from '../../core/fallback-cache.js'
import type { FallbackCacheOptions } from '../../core/options.js'
import type { FinishedResponse } from '../port/finished-response.js'
import type { InputsOptions } from '../rules/inputs-policy.js'

/** A value, or a promise of one. */
export type Awaitable<T> = T | PromiseLike<T>

/**
 * The options of `fallbackCache` in every framework: those below, and those of the core (`redis`, `maxEntries`, …),
 * which configure a separate core unless `cache` is given.
 *
 * Times are seconds (`redisTimeout`: milliseconds), or a duration such as `'5m'`. Lists have at most 1000 names of at most 256 characters. Invalid
 * options throw an error at construction.
 *
 * @typeParam Context - the argument of the functions: `req` in Express, `ctx` in Koa
 */
export interface FallbackCacheMiddlewareOptions<Context extends object = object> extends FallbackCacheOptions {
  /**
   * A core to share between several middlewares, or between a middleware and your own `get` and `set`. Cannot be
   * combined with the options of the core, and is not closed by the middleware's `close()`.
   */
  readonly cache?: FallbackCache | undefined
  /**
   * `'shadow'` measures what the cache would do: every request reaches its handler, nothing is stored and no answer is changed, and
   * `shadowReport()` tells the result: hits, time saved, what it would not have stored and why, and
   * which of its answers would have been stale or another visitor's (docs/shadow.md). Invalidations are carried out.
   *
   * `'verify'` answers as in normal mode, runs the handler beside a share of the hits, and compares: `verifyReport()` says
   * by route which hits were stale, or another visitor's.
   *
   * @defaultValue `'normal'`
   */
  readonly mode?: 'normal' | 'shadow' | 'verify' | undefined
  /**
   * The share of hits that `mode: 'verify'` compares, 0 to 1: one at a time, and at most ten in a second.
   *
   * @defaultValue 0.01
   */
  readonly verifyShare?: number | undefined
  /**
   * The freshness lifetime of responses that state none. A lifetime stated with `Cache-Control: s-maxage`, `max-age`, a
   * targeted field or `Expires` takes precedence. Without `ttl`, responses that state no lifetime are not stored. It
   * only applies on the server and is not sent to browsers. Applies to the statuses 200, 203, 204, 300, 301 and 308.
   */
  readonly ttl?: Duration | undefined
  /**
   * The freshness lifetime by status, which takes precedence over `ttl`: `{ 200: '5m', 404: 10 }`. `false`: never store
   * that status.
   */
  readonly statusTtl?: Readonly<Record<number, Duration | false>> | undefined
  /**
   * The first part of the keys: `catalog` gives keys such as `catalog:/products/1:…`. `invalidate()` without a path
   * invalidates the whole group. Letters, digits, `.`, `_`, `-`; at most 200 characters.
   */
  readonly group?: string | undefined
  /**
   * Returns an additional value on which the response depends, apart from method, origin, path and query; it is added
   * to the key. A string, a number or a boolean. `undefined` and `null` add nothing: requests without the cookie or
   * field that the function reads share their responses with each other, but with no request that has a value. If the
   * function throws, or returns an object, the request bypasses the cache.
   */
  readonly key?: ((context: Context) => Awaitable<string | number | bigint | boolean | null | undefined>) | undefined
  /**
   * Returns the user for whom the response is made, if it is personal. The user is added to the key, and the request's
   * credentials no longer prevent caching. `undefined`: the response is for everyone, and the usual refusals apply.
   */
  readonly user?: ((context: Context) => Awaitable<string | undefined>) | undefined
  /**
   * The part of the query that distinguishes resources: `'all'` of it unchanged, all of it `'sorted'` by parameter, or
   * only the listed parameters (in the order of the list). List every parameter that a handler reads. Values of one
   * parameter, and names that parsers may merge (`a=1&a[]=2`), keep their order. A query is used unchanged if parsers
   * may disagree about it: if it has more than 256 parameters, a second `?`, non-ASCII characters, or, for `'sorted'`,
   * names such as `[a]` and `a]`.
   *
   * @defaultValue `'all'`
   */
  readonly query?: 'all' | 'sorted' | readonly string[] | undefined
  /**
   * Whether a response may declare with `No-Vary-Search` which query parameters do not matter: `params=("utm_source")`,
   * `except=("id")`, `key-order`, or the older `params` and `params, except=("id")`. It then answers all queries that
   * differ only in those, from any client: never list a parameter by which the handler distinguishes users or checks a
   * signature. The newest rule of a path applies. A malformed rule is ignored.
   *
   * @defaultValue false
   */
  readonly noVarySearch?: boolean | undefined
  /**
   * `'application'` is safe in front of handlers that were written without caching in mind. `'proxy'` permits
   * everything that RFC 9111 permits a shared cache: it sets `heuristic`, `storeSetCookie`, `storePartial` and
   * `obeyClient`, adds `POST` to `methods` and `CDN-Cache-Control` to `targets`, sets `staleIfError` to 7 days, and
   * `inputs` to `false`.
   *
   * @defaultValue `'application'`
   */
  readonly preset?: 'application' | 'proxy' | undefined
  /** Derive a lifetime from `Last-Modified` if none is stated (RFC 9111, section 4.2.2). @defaultValue by `preset` */
  readonly heuristic?: boolean | undefined
  /**
   * The target list (RFC 9213): fields that take precedence over `Cache-Control`; the first one present applies.
   * @defaultValue `['Fallback-Cache-Control']`; with `CDN-Cache-Control` in the `proxy` preset
   */
  readonly targets?: readonly string[] | undefined
  /**
   * Store responses that set a cookie, and send the cookie to every client (RFC 9111, section 7.3). @defaultValue by
   * `preset`
   */
  readonly storeSetCookie?: boolean | undefined
  /** Store 206 responses. @defaultValue by `preset` */
  readonly storePartial?: boolean | undefined
  /** Respect the request's `Cache-Control` (`no-cache`, `max-age`, `only-if-cached`, …). @defaultValue by `preset` */
  readonly obeyClient?: boolean | undefined
  /**
   * Serve a stale response for this long after its lifetime, while the handler makes a new one in the background (RFC
   * 5861). The response's own directive takes precedence. For what such a run copies from the client's request, see
   * docs/stampedes.md. @defaultValue 0
   */
  readonly staleWhileRevalidate?: Duration | undefined
  /**
   * Serve a stale response for this long after its lifetime instead of an error: 500, 502, 503, 504, or a handler that
   * throws (RFC 5861). The response's own directive takes precedence.
   *
   * @defaultValue 0; 604800 (7 days) in the `proxy` preset
   */
  readonly staleIfError?: Duration | undefined
  /**
   * Inputs on which responses depend, in addition to those in their `Vary`: request fields, single cookies as
   * `cookie:theme`, and values that middleware in front sets as `req:tenant`, `ctx:tenant`, `locals:lang` or
   * `state:lang` (docs/inputs.md); at most 16. A credential field listed here (`authorization`, `cookie`) no longer
   * prevents caching: each value has separate responses.
   */
  readonly vary?: readonly string[] | undefined
  /**
   * Maximum number of variants (by `Vary`, by `vary` and by what the handler reads) of one path, query and origin, an
   * integer from 1 to 1000. A further variant replaces one that was not requested recently. Processes that store at the
   * same moment may exceed it. `false`: no limit.
   *
   * @defaultValue 64; `false` if `vary` lists a credential field, by which each user has separate variants
   */
  readonly maxVariants?: number | false | undefined
  /**
   * Tags for `invalidateTags`, in addition to those of the response. A function is called when the head of the response
   * is known. It may return a promise: the response is stored after it has settled, without delaying a client. Only
   * what an async function reads from the request before its first `await` is certain not to be recorded as an input of
   * the handler. If the function throws, rejects, does not return a list or does not settle within `collapseTimeout`,
   * the response is not stored (`fault`).
   */
  readonly tags?: readonly string[] | ((context: Context) => Awaitable<readonly string[]>) | undefined
  /**
   * Tells caches on the way the tags of stored responses, in this field: `'Surrogate-Key'` (Fastly), `'Cache-Tag'`
   * (Cloudflare, Google, Azure), `'Edge-Cache-Tag'` (Akamai) or `'xkey'` (Varnish). At most 8,000 bytes; a tag that the field
   * cannot hold is left out, with a warning. The CDN has to remove the field: users would see the tags. Tags from a promise
   * are in hits only. Without the option, no field with tags is sent. See docs/behind-a-cdn.md.
   */
  readonly emitTags?: 'Surrogate-Key' | 'Cache-Tag' | 'Edge-Cache-Tag' | 'xkey' | undefined
  /**
   * Decides whether a complete response may be stored: called with the response (`status`, `fields` by lower-case name,
   * and `body`, a Buffer) if it would be stored otherwise. May return a promise: the response is stored after it has
   * settled, without delaying a client. A falsy value prevents this response from being stored, and has no effect on
   * the next one. So does a function that throws, rejects or does not settle within `collapseTimeout` (`fault`). It
   * overrides no other refusal.
   */
  readonly cacheIf?: ((response: FinishedResponse, context: Context) => Awaitable<boolean>) | undefined
  /**
   * Return true to bypass the cache for this request, for reading and storing. A function that throws has the same
   * effect.
   */
  readonly skip?: ((context: Context) => Awaitable<boolean>) | undefined
  /**
   * Return true to permit this client to run the handler and replace the stored response, with
   * `Cache-Control: no-cache`.
   */
  readonly allowRefresh?: ((context: Context) => Awaitable<boolean>) | undefined
  /**
   * Methods whose responses are stored or answered from the cache: `GET` always, `HEAD` (answered from stored GET
   * responses), `POST` (always reaches the handler; a 200 response with explicit freshness and its own URI as
   * `Content-Location` is stored, after its invalidations, and answers GET and HEAD), `QUERY` (RFC 10008: like GET,
   * with the content of the request as part of the key: byte by byte, with `Content-Type` and `Content-Encoding`).
   * Other methods always reach the handler.
   *
   * The content of a QUERY is read up to 64 KiB, and the handler can still read it. Behind a body parser, its bytes
   * must be available: a Buffer or a string as `rawBody` or `body`, for example from `express.json({ verify })`. The
   * HTTP parser of Node.js 20.19.0 does not support the method and answers 400; 20.19.6, 22.1 and later support it.
   *
   * @defaultValue `['GET', 'HEAD']`; with `POST` in the `proxy` preset
   */
  readonly methods?: readonly ('GET' | 'HEAD' | 'POST' | 'QUERY')[] | undefined
  /**
   * Maximum size of a stored body, in bytes; an integer, 1 or greater. A larger one is passed on unbuffered.
   * @defaultValue 1 MiB
   */
  readonly maxBodySize?: number | undefined
  /**
   * Encode stored responses once, in the background, and send hits in the coding that the client's `Accept-Encoding`
   * prefers; among equal ones, the first of this list. `'br'`, `'gzip'`, `'zstd'` (ignored in Node.js before 22.15).
   * Applies to bodies of at least 1 KB with a compressible type, without `no-transform` and without a
   * `Content-Encoding` of the route. The encoded forms count towards `maxBytes`.
   *
   * @defaultValue `[]`
   */
  readonly precompress?: readonly ('br' | 'gzip' | 'zstd')[] | undefined
  /** The `Cache-Status` field (RFC 9211): `true`, `false`, or `'debug'`, which adds the key, and Server-Timing. @defaultValue `true` */
  readonly cacheStatus?: boolean | 'debug' | undefined
  /**
   * Records what a handler reads from its request while its response may be stored (docs/inputs.md): a response made
   * from a cookie is not stored, and a response made from another field is stored for the value of that field. `ignore`
   * lists inputs to ignore: fields, and cookies as `cookie:theme`. `false`: nothing is recorded, and you must declare
   * the fields and cookies on which responses depend.
   *
   * @defaultValue `{}`; `false` in the `proxy` preset
   */
  readonly inputs?: false | InputsOptions | undefined
  /**
   * Which cookies prevent caching. `'named'`: those whose names or signatures look like a session. `'observed'`: none,
   * only the cookies that a handler reads matter; use it only if no middleware in front of the cache makes decisions by
   * cookies.
   *
   * @defaultValue `'named'`
   */
  readonly cookies?: 'named' | 'observed' | undefined
  /**
   * Media types whose bodies may never end, in addition to `text/event-stream`, `multipart/x-mixed-replace` and
   * `application/x-ndjson`: such responses are not stored, and no request waits for one. `count` adds types; for types
   * in `ignore`, complete bodies are stored as for any other type.
   *
   * @defaultValue `{}`
   */
  readonly endlessTypes?: EndlessTypesOptions | undefined
  /**
   * How long a request waits for another request's handler run for the same response, before it runs the handler
   * itself. If the body arrives in pieces, it waits for half a second after the head. The same limit applies to
   * promises of `skip`, `key`, `user`, `allowRefresh`, `tags` and `cacheIf`, and to the time for which a background
   * revalidation occupies its slot.
   *
   * @defaultValue 10
   */
  readonly collapseTimeout?: Duration | undefined
}

/** The value of the `endlessTypes` option: media types without parameters. */
export interface EndlessTypesOptions {
  /** Types that are treated as endless. */
  readonly count?: readonly string[] | undefined
  /** Types that are not treated as endless, even if they are listed by default. */
  readonly ignore?: readonly string[] | undefined
}

/** Options that a derived middleware may set: all except those that configure or share the core. */
export type RefiningOptions<Context extends object = object> = Omit<
  FallbackCacheMiddlewareOptions<Context>,
  keyof FallbackCacheOptions | 'cache' | 'mode' | 'verifyShare'
>
