import type { ServerResponse } from 'node:http'

/** The response of Node.js, on which the cache has put its handle. */
type Handled = ServerResponse & { readonly fallbackCache?: { skip(why: string): unknown } }

/** The option `inputs`. */
type Inputs = { readonly ignore?: readonly string[] | undefined } | false | undefined

/**
 * Response fields that say nothing about one visitor, so that middleware in front of the cache may set them after
 * `next()`: those that secure pages, describe the body or its way, or measure.
 */
const OF_ALL_VISITORS = new RegExp(
  `^(?:${[
    'content-(?:security-policy(?:-report-only)?|type|length|encoding|language|disposition)',
    'x-content-type-options|x-dns-prefetch-control|x-download-options|x-frame-options|x-xss-protection',
    'x-permitted-cross-domain-policies|x-powered-by|x-robots-tag|x-response-time|x-runtime',
    'cross-origin-[a-z-]+|origin-agent-cluster|referrer-policy|permissions-policy|feature-policy',
    'strict-transport-security|report-to|reporting-endpoints|nel|alt-svc',
    'cache-control|cdn-cache-control|expires|pragma|age|date|vary|etag|last-modified|accept-ranges',
    'connection|keep-alive|transfer-encoding|server|server-timing|via|set-cookie',
    'access-control-(?:allow-(?:headers|methods|credentials)|expose-headers|max-age)',
  ].join('|')})$`,
)

/** Maximum number of field names for which a warning is printed. */
const MOST_TOLD = 100

/**
 * Keeps responses from being stored to which middleware in front of the cache has added a field after `next()`, or given another
 * body, from data that it may have read before: Hono sends a hit without it, and would send another visitor what is stored.
 */
export class LateFields {
  readonly #isOff: boolean
  readonly #ignored: ReadonlySet<string>
  readonly #told = new Set<string>()
  /** The Content-Encoding of bodies that were replaced. */
  readonly #replaced = new WeakMap<ServerResponse, string | null>()

  constructor(inputs: Inputs) {
    this.#isOff = inputs === false
    this.#ignored = new Set(inputs === false ? [] : inputs?.ignore?.map((name) => name.toLowerCase()))
  }

  /** Notes that middleware has set, appended to or removed a field. */
  note(outgoing: ServerResponse, name: string): void {
    const lower = String(name).toLowerCase()
    if (this.#isOff || OF_ALL_VISITORS.test(lower) || this.#ignored.has(`response:${lower}`)) return
    ;(outgoing as Handled).fallbackCache?.skip(`${lower} was set after next()`)
    this.#tell(
      lower,
      `set the field ${lower} after next(), maybe from data of one visitor, and hits would have the same value. Set it before ` +
        `next(), mount the middleware behind the cache, or name "response:${lower}" in inputs.ignore if all visitors may have the value.`,
    )
  }

  /** Notes the fields of a response in the place of another one, and whether it has another status or body. */
  noteReplaced(outgoing: ServerResponse, before: Response, after: Response): void {
    for (const [name, value] of after.headers) if (before.headers.get(name) !== value) this.note(outgoing, name)
    if (this.#replaced.has(outgoing) || (before.status === after.status && before.body === after.body)) return
    this.#replaced.set(outgoing, before.headers.get('content-encoding'))
  }

  /** Notes that a head is sent: a body that was replaced is the route's own only if it was encoded (`compress`). */
  noteHead(outgoing: ServerResponse, encoding: string | undefined): void {
    if (this.#isOff || !this.#replaced.has(outgoing)) return
    if (encoding !== undefined && encoding !== this.#replaced.get(outgoing)) return
    ;(outgoing as Handled).fallbackCache?.skip('another response was set after next()')
    this.#tell(
      'another response',
      'set another response (c.res = …) after next(), maybe for one visitor, and hits would get the same one. Mount the ' +
        'middleware behind the cache.',
    )
  }

  /** Warns once for each name. */
  #tell(name: string, text: string): void {
    if (this.#told.has(name) || this.#told.size >= MOST_TOLD) return
    this.#told.add(name)
    process.emitWarning(
      `a response was not stored: middleware in front of the cache has ${text}`,
      'FallbackCacheWarning',
    )
  }
}
