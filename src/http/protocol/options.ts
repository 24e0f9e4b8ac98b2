import type { Duration } from '../../core/duration.js'
import type { FallbackCache } from '../../core/fallback-cache.js'
import type { FallbackCacheOptions } from '../../core/options.js'
import type { FinishedResponse } from '../port/finished-response.js'
import type { InputsOptions } from '../rules/inputs-policy.js'

/** A value, or a promise of one. */
export type Awaitable<T> = T | PromiseLike<T>

/**
 * The options of `fallbackCache` in every framework: those below, and those of the core (`redis`, `maxEntries`, …),
 * which make a core of its own unless `cache` hands one in.
 *
 * Times are seconds, or a duration such as `'5m'`. Lists hold at most 1000 names of at most 256 characters. What
 * cannot be read is an error at construction.
 *
 * @typeParam Context - the argument of the functions: `req` in Express, `ctx` in Koa
 */
export interface FallbackCacheMiddlewareOptions<Context extends object = object> extends FallbackCacheOptions {
  /**
   * A core to share: several middlewares, or a middleware and your own `get` and `set`. Not together with the options of
   * the core, and not closed by the middleware's `close()`.
   */
  readonly cache?: FallbackCache | undefined
  /**
   * The freshness lifetime of responses that state none: with `Cache-Control: s-maxage`, `max-age`, a targeted field or
   * `Expires` the response is taken at its word. Without `ttl` responses that state none are not stored. It is the
   * lifetime on the server; nothing is told to browsers. For which statuses: 200, 203, 204, 300, 301 and 308.
   */
  readonly ttl?: Duration | undefined
  /** The freshness lifetime by status, before `ttl`: `{ 200: '5m', 404: 10 }`. `false`: never store that status. */
  readonly statusTtl?: Readonly<Record<number, Duration | false>> | undefined
  /**
   * The first part of the keys: `catalog` makes `catalog:/products/1:…`. `invalidate()` without a path takes the whole
   * group. Letters, digits, `.`, `_`, `-`; at most 200 characters.
   */
  readonly group?: string | undefined
  /**
   * Something that the response depends on beside method, origin, path and query; it joins the key and replaces nothing. A string, a
   * number or a boolean. `undefined` and `null` add nothing: requests without the cookie or field that it reads share their responses
   * with each other, and with no value of it. A function that throws, or returns an object, makes the request bypass the cache.
   */
  readonly key?: ((context: Context) => Awaitable<string | number | bigint | boolean | null | undefined>) | undefined
  /**
   * Whom the response is for, where it is personal: it joins the key, and the request's credentials no longer keep it
   * from the cache. `undefined`: for everybody, the usual refusals hold.
   */
  readonly user?: ((context: Context) => Awaitable<string | undefined>) | undefined
  /**
   * Which part of the query tells resources apart: `'all'` of it as it stands, all of it `'sorted'` by parameter, or only the
   * named parameters (in the order of the list). What a handler reads must be named. The values of one parameter, and what
   * parsers put into one (`a=1&a[]=2`), stay in their order. A query counts as it stands where parsers may disagree about it: with more
   * than 256 parameters, a second `?`, characters beyond ASCII, or, for `'sorted'`, names such as `[a]` and `a]`.
   *
   * @defaultValue `'all'`
   */
  readonly query?: 'all' | 'sorted' | readonly string[] | undefined
  /**
   * Whether a response may say by `No-Vary-Search` which parameters of the query do not matter: `params=("utm_source")`,
   * `except=("id")`, `key-order`, or the older `params` and `params, except=("id")`. It then answers all queries that are the
   * same but for those, whoever sends them: name nothing by which the handler tells users apart, or checks a signature. The
   * newest rule of a path counts. A rule that cannot be understood is none.
   *
   * @defaultValue false
   */
  readonly noVarySearch?: boolean | undefined
  /**
   * `'application'`: safe in front of handlers that never thought about caching. `'proxy'`: all that RFC 9111 permits a
   * shared cache; sets `heuristic`, `storeSetCookie`, `storePartial`, `obeyClient`, adds `POST` to `methods` and
   * `CDN-Cache-Control` to `targets`.
   *
   * @defaultValue `'application'`
   */
  readonly preset?: 'application' | 'proxy' | undefined
  /** Guess a lifetime from `Last-Modified` where none is stated (RFC 9111, section 4.2.2). @defaultValue by `preset` */
  readonly heuristic?: boolean | undefined
  /** The target list (RFC 9213): fields that overrule `Cache-Control`, the first one that is there decides. @defaultValue `['Fallback-Cache-Control']` */
  readonly targets?: readonly string[] | undefined
  /** Store responses that set a cookie, and send the cookie to everybody (RFC 9111, section 7.3). @defaultValue by `preset` */
  readonly storeSetCookie?: boolean | undefined
  /** Store 206 responses. @defaultValue by `preset` */
  readonly storePartial?: boolean | undefined
  /** Obey the request's `Cache-Control` (`no-cache`, `max-age`, `only-if-cached`, …). @defaultValue by `preset` */
  readonly obeyClient?: boolean | undefined
  /** For so long after its lifetime a response is still sent at once, while the handler makes a new one in the background (RFC 5861). The response's own directive is stronger. What such a run carries of the client's request: docs/stampedes.md. @defaultValue 0 */
  readonly staleWhileRevalidate?: Duration | undefined
  /** For so long after its lifetime a response is sent in place of an error: 500, 502, 503, 504, or a handler that throws (RFC 5861). The response's own directive is stronger. @defaultValue 0 */
  readonly staleIfError?: Duration | undefined
  /**
   * Request fields, single cookies as `cookie:theme`, and values that middleware in front leaves as `req:tenant`, `ctx:tenant`, `locals:lang` or
   * `state:lang` (docs/inputs.md) that responses depend on, in addition to what their `Vary` names; at most 16. A credential field named here
   * (`authorization`, `cookie`) no longer keeps its requests from the cache: each value has responses of its own.
   */
  readonly vary?: readonly string[] | undefined
  /**
   * So many variants (by `Vary`, by `vary` and by what the handler reads) of one path, query and origin are kept side by side, an
   * integer from 1 to 1000; one beyond takes the place of one that no request has asked for of late. Processes that store at the
   * same moment may exceed it. `false`: no bound.
   *
   * @defaultValue 64; `false` where `vary` names a credential field, by which each user has variants of their own
   */
  readonly maxVariants?: number | false | undefined
  /**
   * Names for `invalidateTags`, in addition to those that the response gives. A function is called when the head of the response is
   * known. It may return a promise: the response is stored once that has settled, which delays no client. Of what an async function
   * reads from the request, only what it reads before its first `await` is certainly not taken for an input of the handler. A function
   * that throws, rejects, returns no list or does not settle within `collapseTimeout` keeps the response from being stored (`fault`).
   */
  readonly tags?: readonly string[] | ((context: Context) => Awaitable<readonly string[]>) | undefined
  /**
   * True: a response that would be stored may be. It is called with the complete response (`status`, `fields` by lower-case name, and
   * `body`, a Buffer), and may return a promise: the response is stored once that has settled, which delays no client. A falsy value keeps
   * this response from being stored and says nothing about the next one. A function that throws, rejects or does not settle within
   * `collapseTimeout` does so too (`fault`). It lifts no other refusal.
   */
  readonly cacheIf?: ((response: FinishedResponse, context: Context) => Awaitable<boolean>) | undefined
  /** True: pass the cache by, both ways. A function that throws does so too. */
  readonly skip?: ((context: Context) => Awaitable<boolean>) | undefined
  /** True: this client may have the handler run and the stored response replaced, by `Cache-Control: no-cache`. */
  readonly allowRefresh?: ((context: Context) => Awaitable<boolean>) | undefined
  /**
   * Methods whose responses are stored or answered from the store: `GET` always, `HEAD` (answered from what is stored for
   * GET), `POST` (always reaches the handler; a 200 that states its freshness and has its own URI as `Content-Location` is
   * stored, after what it invalidates, and answers GET and HEAD), `QUERY` (RFC 10008: like GET, but for the content of the
   * request, which is part of the key: byte by byte, with `Content-Type` and `Content-Encoding`). Others always reach the handler.
   *
   * The content of a QUERY is read up to 64 KiB and given on to the handler as if nobody had read it. Behind a body parser only
   * its bytes will do: a Buffer or a string as `rawBody` or `body`, as `express.json({ verify })` can keep them. The HTTP
   * parser of Node.js 20.19.0 does not know the method and answers 400 by itself; 20.19.6, 22.1 and later know it.
   *
   * @defaultValue `['GET', 'HEAD']`; with `POST` in the `proxy` preset
   */
  readonly methods?: readonly ('GET' | 'HEAD' | 'POST' | 'QUERY')[] | undefined
  /** The largest body stored, in bytes. A larger one is passed on unbuffered. @defaultValue 1 MiB */
  readonly maxBodySize?: number | undefined
  /**
   * Encode stored responses once, in the background, and send hits in the coding that the client's `Accept-Encoding` likes best;
   * of equal ones the first of this list. `'br'`, `'gzip'`, `'zstd'` (left out where Node.js has none: before 22.15). Only bodies of
   * 1 KB and more whose type compresses, and never with `no-transform` or a `Content-Encoding` of the route's own. The encoded
   * forms count for `maxBytes`.
   *
   * @defaultValue `[]`
   */
  readonly precompress?: readonly ('br' | 'gzip' | 'zstd')[] | undefined
  /** The `Cache-Status` field (RFC 9211): `true`, `false`, or `'debug'`, which adds the key. @defaultValue `true` */
  readonly cacheStatus?: boolean | 'debug' | undefined
  /**
   * What a handler reads from its request is watched while its response may be stored (docs/inputs.md): a response made from a
   * cookie is not stored, one made from another field is stored for the value of that field. `ignore` names inputs that never
   * count: fields, and cookies as `cookie:theme`. `false`: nothing is watched, and which fields and cookies a response depends
   * on is yours to declare.
   *
   * @defaultValue `{}`; `false` in the `proxy` preset
   */
  readonly inputs?: false | InputsOptions | undefined
  /**
   * Which cookies keep a request from the cache: `'named'`: those whose names or signatures look like a session. `'observed'`: none;
   * what a handler reads decides alone. Only where nothing in front of the cache decides by cookies.
   *
   * @defaultValue `'named'`
   */
  readonly cookies?: 'named' | 'observed' | undefined
  /**
   * Media types whose bodies have no end, beside `text/event-stream`, `multipart/x-mixed-replace` and `application/x-ndjson`: such
   * responses are not stored, and no request waits for one. `count` adds types; of those in `ignore` whole bodies are stored, as of any
   * other type.
   *
   * @defaultValue `{}`
   */
  readonly endlessTypes?: EndlessTypesOptions | undefined
  /**
   * How long a request waits for another one's handler that runs for the same response, before it runs the handler itself.
   * Where a body comes in pieces, it waits for half a second from the head on. The same limit holds for promises of `skip`,
   * `key`, `user`, `allowRefresh`, `tags` and `cacheIf`, and for the slot of a refresh in the background.
   *
   * @defaultValue 10
   */
  readonly collapseTimeout?: Duration | undefined
}

/** What the `endlessTypes` option takes: media types without parameters. */
export interface EndlessTypesOptions {
  /** Types that count as endless. */
  readonly count?: readonly string[] | undefined
  /** Types that do not, whatever the list says. */
  readonly ignore?: readonly string[] | undefined
}

/** Options that a derived middleware may set: all but those that make or name the core. */
export type RefiningOptions<Context extends object = object> = Omit<
  FallbackCacheMiddlewareOptions<Context>,
  keyof FallbackCacheOptions | 'cache'
>
