import { buildKey, type KeyParams } from '../../core/build-key.js'
import type { RequestHead } from '../port/exchange.js'
import { isPlainOrigin } from '../rules/origin.js'
import type { SearchRule } from '../syntax/no-vary-search.js'
import { pathOf } from '../syntax/target.js'
import { countedQuery, type QueryPolicy } from './counted-query.js'
import { plainPath } from './plain-path.js'

/** Where the responses to a request lie, and what must be equal for one of them to be used (RFC 9111, section 2). */
export interface PrimaryKey {
  /** `group:` if any, the path, `:`, a short hash. What prefixes look at. */
  readonly text: string
  /** All that the hash was made of, in full: it is kept with the response and compared on read. */
  readonly identity: string
}

/** How requests are told apart. */
export interface KeyPolicy {
  readonly group: string
  readonly query: QueryPolicy
}

/** So many keys are known by heart, twice. */
const MEMORY = 4096

/** Once so many are, one in this many new ones is: where more are asked for in turn, each would be forgotten before it is asked for again. */
const ONE_IN = 8

/** Longer ones are not remembered: how long a target is, is up to clients. */
const MAX_LENGTH = 1024

/** A key that was made for this request. */
class MadeKey implements PrimaryKey {
  readonly text: string
  readonly identity: string
  /** What it is to be remembered by; `undefined`: it is remembered already, or never will be. */
  #seen: string | undefined

  constructor(text: string, identity: string) {
    this.text = text
    this.identity = identity
  }

  get seen(): string | undefined {
    return this.#seen
  }

  set seen(seen: string | undefined) {
    this.#seen = seen
  }
}

/**
 * Primary keys of requests. Those under which something was found lately are remembered, so that a repeated request is neither
 * parsed nor hashed again. Not those of all requests: who asks for pages that nobody has would have the others forgotten.
 */
export class PrimaryKeys {
  readonly #policy: KeyPolicy
  #recent = new Map<string, PrimaryKey>()
  #older = new Map<string, PrimaryKey>()

  constructor(policy: KeyPolicy) {
    this.#policy = policy
  }

  /**
   * The key of a request; `undefined` when its target is no path (`*`, an absolute URI) or has a fragment, its host is no plain host with
   * or without a port, or its protocol is neither http nor https.
   *
   * @param extra - what the `key` and `user` options add, unambiguously joined; `''` for nothing
   */
  of(request: RequestHead, extra: string): PrimaryKey | undefined {
    const { url } = request
    if (!isPath(url)) return undefined
    // Clients may put a slash into Host: only what no field and no target can hold keeps the parts apart.
    const seen = `${request.protocol}\n${request.host}\n${url}${extra === '' ? '' : `\n${extra}`}`
    return this.#recent.get(seen) ?? this.#recall(seen, request, extra)
  }

  /** Something was found under a key of {@link of}: it is remembered from now on. */
  found(key: PrimaryKey): void {
    if (!(key instanceof MadeKey) || key.seen === undefined) return
    if (this.#older.size > 0 && Math.random() * ONE_IN >= 1) return
    const { seen } = key
    key.seen = undefined
    this.#remember(seen, key)
  }

  /**
   * The key of all queries that are the same by a rule; `undefined` when this one counts as it stands.
   *
   * @param content - the digest of the content of a QUERY
   */
  under(rule: SearchRule, request: RequestHead, extra: string, content: string | undefined): PrimaryKey | undefined {
    const { url } = request
    if (!isPath(url) || !hasPlainOrigin(request)) return undefined
    const make = () => {
      const query = rule.apply(countedQuery(queryOf(url), this.#policy.query))
      return query === undefined
        ? undefined
        : makeKey(this.#policy, request, extra, content, { line: rule.text, query })
    }
    return content === undefined ? this.#remembered(seenAs(request, url, extra, rule.text), make) : make()
  }

  /** The key of the rule of a path. */
  ofRule(request: RequestHead, extra: string, content: string | undefined): PrimaryKey {
    // Of all contents: what of the query matters is told for the path.
    const of = content === undefined ? undefined : ''
    const make = () => makeKey(this.#policy, request, extra, of, { line: RULE, query: '' })
    return of === undefined ? this.#remembered(seenAs(request, pathOf(request.url), extra, RULE), make) : make()
  }

  /** The key of a QUERY, whose content is part of it: the digest of `contentDigest`. Nothing is remembered: there is no end of contents. */
  ofQuery(request: RequestHead, extra: string, content: string): PrimaryKey | undefined {
    if (!isPath(request.url) || !hasPlainOrigin(request)) return undefined
    return makeKey(this.#policy, request, extra, content)
  }

  #recall(seen: string, request: RequestHead, extra: string): PrimaryKey | undefined {
    if (!hasPlainOrigin(request)) return undefined
    const older = this.#older.get(seen)
    if (older !== undefined) return this.#remember(seen, older)
    const key = makeKey(this.#policy, request, extra)
    if (seen.length <= MAX_LENGTH) key.seen = seen
    return key
  }

  #remembered<Key extends PrimaryKey | undefined>(seen: string, make: () => Key): Key | PrimaryKey {
    const key = this.#recent.get(seen) ?? this.#older.get(seen) ?? make()
    return key === undefined || seen.length > MAX_LENGTH ? key : this.#remember(seen, key)
  }

  #remember(seen: string, key: PrimaryKey): PrimaryKey {
    if (this.#recent.size >= MEMORY) {
      this.#older = this.#recent
      this.#recent = new Map()
    }
    this.#recent.set(seen, key)
    return key
  }
}

/** A request and a line more; there is a line break in none of the parts. */
function seenAs({ protocol, host }: RequestHead, target: string, extra: string, line: string): string {
  return `${protocol}\n${host}\n${target}\n${extra}\n${line}`
}

function isPath(url: string): boolean {
  return url.charCodeAt(0) === 0x2f && !url.includes('#')
}

function hasPlainOrigin({ protocol, host }: RequestHead): boolean {
  return isPlainOrigin(protocol, host)
}

/**
 * The prefixes of all keys of a path and of what is below it: all queries, origins and variants, with or without a trailing slash.
 *
 * @param path - as keys contain it, without a slash at its end
 */
export function prefixesOfPath(group: string, path: string): readonly string[] {
  return path === '' ? [`${group}/`] : [`${group}${path}:`, `${group}${path}/`]
}

/** The query of a target, with its question mark and without a fragment; `''`: none. */
function queryOf(url: string): string {
  const rest = url.slice(pathOf(url).length)
  return rest.startsWith('?') ? (rest.split('#', 1)[0] ?? '') : ''
}

/** What of a request tells it from others, beside its method. */
export interface KeyParts {
  readonly origin: string
  readonly path: string
  /** What of the query counts, as it counts, with its question mark; `''`: nothing. */
  readonly query: string
}

/** The parts of a request that its primary key is made of. */
export function keyParts(policy: KeyPolicy, request: RequestHead): KeyParts {
  const path = pathOf(request.url)
  // Letters as they came: an application may compare or print them.
  const origin = `${request.protocol}://${request.host}`
  return { origin, path, query: countedQuery(queryOf(request.url), policy.query) }
}

/** Told from a rule, a digest and what the options add, which begins with a bracket. */
const RULE = 'no-vary-search'

function makeKey(
  policy: KeyPolicy,
  request: RequestHead,
  extra: string,
  content?: string,
  search?: { readonly line: string; readonly query: string },
): MadeKey {
  const method = content === undefined ? 'GET' : 'QUERY'
  const { origin, path, query: own } = keyParts(policy, request)
  const query = search?.query ?? own
  const plain = plainPath(path, 'latin1')
  const params: KeyParams = {
    method: 'GET',
    origin,
    // Spellings of one path share the text, and nothing else.
    path: plain === path ? undefined : path,
    query,
    search: search?.line,
  }
  const isPlain = query === '' && search === undefined && plain === path
  const uri = isPlain ? plainKey(policy.group, path, params) : buildKey(`${policy.group}${plain}`, params)
  // Derived from the key of the URI: what is retired for the URI is retired for every content, user and `key`.
  const more: KeyParams = { content, extra: extra === '' ? undefined : extra }
  const text = extra === '' && content === undefined ? uri : buildKey(uri, more)
  let identity = `${method} ${origin}${path}${query}`
  if (content !== undefined) identity += `\n${content}`
  if (search !== undefined) identity += `\n${search.line}`
  // What the options add may hold anything, and comes last; a line break is in nothing before it.
  if (extra !== '') identity += `\n${extra}`
  return new MadeKey(text, identity)
}

/** What the hash says of a GET without a query depends on nothing but the origin. The last one, and what it is. */
let lastOrigin: unknown
let lastHash = ''

/** The key of a path alone: hashed once for each origin, and not once for each path. */
function plainKey(group: string, path: string, params: KeyParams): string {
  if (params.origin !== lastOrigin) {
    lastHash = buildKey('', params).slice(1)
    lastOrigin = params.origin
  }
  return [group + path, lastHash].join(':')
}
