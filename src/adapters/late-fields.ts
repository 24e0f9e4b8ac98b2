import type { ServerResponse } from 'node:http'

/** The response of Node.js, on which the cache has put its handle. */
type Handled = ServerResponse & { readonly fallbackCache?: { skip(why: string): unknown } }

/** What the option `inputs` says. */
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

/** Maximum number of names that are warned of. */
const MOST_TOLD = 100

/**
 * Keeps responses from being stored to which middleware in front of the cache has added a field after `next()`, from data that it
 * may have read before: Hono sends a hit without it, and would send another visitor what is stored.
 */
export class LateFields {
  readonly #isOff: boolean
  readonly #ignored: ReadonlySet<string>
  readonly #told = new Set<string>()

  constructor(inputs: Inputs) {
    this.#isOff = inputs === false
    this.#ignored = new Set(inputs === false ? [] : inputs?.ignore?.map((name) => name.toLowerCase()))
  }

  /** Notes that middleware has set, appended to or removed a field. */
  note(outgoing: ServerResponse, name: string): void {
    const lower = String(name).toLowerCase()
    if (this.#isOff || OF_ALL_VISITORS.test(lower) || this.#ignored.has(`response:${lower}`)) return
    ;(outgoing as Handled).fallbackCache?.skip(`${lower} was set after next()`)
    if (this.#told.has(lower) || this.#told.size >= MOST_TOLD) return
    this.#told.add(lower)
    process.emitWarning(
      `a response was not stored: middleware in front of the cache has set the field ${lower} after next(), maybe from data of ` +
        'one visitor, and hits would have the same value. Set it before next(), mount the middleware behind the cache, or name ' +
        `"response:${lower}" in inputs.ignore if all visitors may have the value.`,
      'FallbackCacheWarning',
    )
  }

  /** Notes the fields of a response in the place of another one. */
  noteReplaced(outgoing: ServerResponse, before: Headers, after: Headers): void {
    for (const [name, value] of after) if (before.get(name) !== value) this.note(outgoing, name)
  }
}
