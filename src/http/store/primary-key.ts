import { buildKey, type KeyParams } from '../../core/build-key.js'
import type { RequestHead } from '../port/request-head.js'
import { countedQuery, type QueryPolicy } from '../rules/counted-query.js'
import { isPlainOrigin } from '../rules/origin.js'
import type { SearchRule } from '../syntax/no-vary-search.js'
import { Remembered } from '../syntax/remembered.js'
import { pathOf } from '../syntax/target.js'
import { isPlainPath, plainPath } from './plain-path.js'

/** The key of a request, and the full identity that a stored response must match (RFC 9111, section 2). */
export interface PrimaryKey {
  /** The optional `group:`, the path, `:`, and a short hash. Matched by prefix invalidations. */
  readonly text: string
  /** Everything that was hashed, in full: stored with the response and compared on read. */
  readonly identity: string
  /** The rule of No-Vary-Search by which queries share it; left out for the key of an exact query. */
  readonly rule?: SearchRule | undefined
}

/** A request whose key is wanted, with what its key holds beside the URI. */
export interface KeyedRequest {
  readonly request: RequestHead
  /** The values added by the `key` and `user` options, joined unambiguously; `''` if there are none. */
  readonly extra: string
  /** The digest of the content of a QUERY; `undefined` for other methods. */
  readonly content: string | undefined
}

/** How requests are distinguished. */
export interface KeyPolicy {
  readonly group: string
  readonly query: QueryPolicy
}

/** Size of each of the two generations of remembered keys. */
const MEMORY = 4096

/**
 * Once a generation is full, 1 in 8 new keys is admitted, to resist scans that would evict each key before it is
 * requested again.
 */
const ONE_IN = 8

/** Longer requests are not remembered, because clients choose the length of a target. */
const MAX_LENGTH = 1024

/** A newly built key. */
class MadeKey implements PrimaryKey {
  readonly text: string
  readonly identity: string
  readonly rule: SearchRule | undefined
  /** The text to remember it under; `undefined` if it is already remembered, or never will be. */
  #seen: string | undefined

  constructor(text: string, identity: string, rule: SearchRule | undefined) {
    this.text = text
    this.identity = identity
    this.rule = rule
  }

  get seen(): string | undefined {
    return this.#seen
  }

  set seen(seen: string | undefined) {
    this.#seen = seen
  }
}

/**
 * Builds the primary keys of requests. Keys under which a response was found recently are remembered, so that repeated
 * requests are not parsed and hashed again. Other keys are not, because requests for nonexistent pages would evict the
 * useful ones.
 */
export class PrimaryKeys {
  readonly #policy: KeyPolicy
  #recent = new Map<string, PrimaryKey>()
  #older = new Map<string, PrimaryKey>()
  /** Of the last request for a plain path. */
  #protocol: string | undefined
  #host: string | undefined
  #origin = ''
  /** What {@link HASHES} has for it. */
  #hash: string | undefined

  constructor(policy: KeyPolicy) {
    this.#policy = policy
  }

  /**
   * The key of a request; `undefined` if its target is not a path (`*`, an absolute URI) or has a fragment, its host is
   * not a plain host with or without a port, or its protocol is neither http nor https.
   *
   * @param extra - the values that the `key` and `user` options add, unambiguously joined; `''` for none
   */
  of(request: RequestHead, extra: string): PrimaryKey | undefined {
    const { url } = request
    if (!isPath(url)) return undefined
    if (extra === '' && isPlainPath(url)) return this.#ofPlainPath(request)
    // Clients may send a slash in Host, so the separator is a line break, which no field or target can contain.
    const seen = `${request.protocol}\n${request.host}\n${url}${extra === '' ? '' : `\n${extra}`}`
    return this.#recent.get(seen) ?? this.#recall(seen, request, extra)
  }

  /** Remembers a key returned by {@link of}, because a response was found under it. */
  found(key: PrimaryKey): void {
    if (!(key instanceof MadeKey) || key.seen === undefined) return
    if (this.#older.size > 0 && Math.random() * ONE_IN >= 1) return
    const { seen } = key
    key.seen = undefined
    this.#remember(seen, key)
  }

  /**
   * The key shared by all queries that are equivalent under a rule; `undefined` if this query must be matched exactly.
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
        : makeKey(this.#policy, { request, extra, content }, { line: rule.text, query, rule })
    }
    return content === undefined ? this.#remembered(seenAs(request, url, extra, rule.text), make) : make()
  }

  /** The key under which the rule of a path is stored. */
  ofRule(request: RequestHead, extra: string, content: string | undefined): PrimaryKey {
    // Shared by all contents, because the rule applies to the path.
    const of = content === undefined ? undefined : ''
    const make = () => makeKey(this.#policy, { request, extra, content: of }, { line: RULE, query: '' })
    return of === undefined ? this.#remembered(seenAs(request, pathOf(request.url), extra, RULE), make) : make()
  }

  /**
   * The key of a QUERY, which includes the digest of its content, as returned by `contentDigest`. Not remembered,
   * because the number of contents is unbounded.
   */
  ofQuery(request: RequestHead, extra: string, content: string): PrimaryKey | undefined {
    if (!isPath(request.url) || !hasPlainOrigin(request)) return undefined
    return makeKey(this.#policy, { request, extra, content })
  }

  /** The same as `makeKey`, for a path without a query: to make it costs less than to look for it. */
  #ofPlainPath({ protocol, host, url }: RequestHead): PrimaryKey | undefined {
    if (protocol !== this.#protocol || host !== this.#host) {
      this.#origin = `${protocol}://${host}`
      this.#hash = HASHES.of(this.#origin)
      this.#protocol = protocol
      this.#host = host
    }
    if (this.#hash === undefined) return undefined
    // join() creates a flat string: see `buildKey`.
    const text = [this.#policy.group + url, this.#hash].join(':')
    return new MadeKey(text, `GET ${this.#origin}${url}`, undefined)
  }

  #recall(seen: string, request: RequestHead, extra: string): PrimaryKey | undefined {
    if (!hasPlainOrigin(request)) return undefined
    const older = this.#older.get(seen)
    if (older !== undefined) return this.#remember(seen, older)
    const key = makeKey(this.#policy, { request, extra, content: undefined })
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

/** The text to remember a request with an additional line under; none of the parts contains a line break. */
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
 * The prefixes that match all keys of a path and of the paths below it: all queries, origins and variants, with or
 * without a trailing slash.
 *
 * @param path - in the form used in keys, without a trailing slash
 */
export function prefixesOfPath(group: string, path: string): readonly string[] {
  return path === '' ? [`${group}/`] : [`${group}${path}:`, `${group}${path}/`]
}

/** The query of a target, with its question mark and without a fragment; `''` if there is none. */
function queryOf(url: string): string {
  const rest = url.slice(pathOf(url).length)
  return rest.startsWith('?') ? (rest.split('#', 1)[0] ?? '') : ''
}

/** The parts of a request that distinguish it from others, apart from its method. */
export interface KeyParts {
  readonly origin: string
  readonly path: string
  /** The normalized significant part of the query, with its question mark; `''` if there is none. */
  readonly query: string
}

/** The parts of a request from which its primary key is built. */
export function keyParts(policy: KeyPolicy, request: RequestHead): KeyParts {
  const path = pathOf(request.url)
  // Letter case is kept, because an application may compare or print the origin.
  const origin = `${request.protocol}://${request.host}`
  return { origin, path, query: countedQuery(queryOf(request.url), policy.query) }
}

/** Differs from every rule, digest and value added by options, which begins with a bracket. */
const RULE = 'no-vary-search'

function makeKey(
  policy: KeyPolicy,
  { request, extra, content }: KeyedRequest,
  search?: { readonly line: string; readonly query: string; readonly rule?: SearchRule },
): MadeKey {
  const method = content === undefined ? 'GET' : 'QUERY'
  const { origin, path, query: own } = keyParts(policy, request)
  const query = search?.query ?? own
  const plain = plainPath(path, 'latin1')
  const params: KeyParams = {
    method: 'GET',
    origin,
    // Different spellings of a path share the text but have different hashes.
    path: plain === path ? undefined : path,
    query,
    search: search?.line,
  }
  const uri = buildKey(`${policy.group}${plain}`, params)
  // Derived from the key of the URI, so that retiring the URI also retires every content, user and `key`.
  const more: KeyParams = { content, extra: extra === '' ? undefined : extra }
  const text = extra === '' && content === undefined ? uri : buildKey(uri, more)
  let identity = `${method} ${origin}${path}${query}`
  if (content !== undefined) identity += `\n${content}`
  if (search !== undefined) identity += `\n${search.line}`
  // Values added by options may contain anything, so they come last; nothing before them contains a line break.
  if (extra !== '') identity += `\n${extra}`
  return new MadeKey(text, identity, search?.rule)
}

const HASHES = /* @__PURE__ */ new Remembered(hashOfOrigin)

/** The hash in the key of a path without a query, which depends on the origin alone; `undefined` if it is not plain. */
function hashOfOrigin(origin: string): string | undefined {
  const at = origin.indexOf('://')
  if (!isPlainOrigin(origin.slice(0, at), origin.slice(at + 3))) return undefined
  return buildKey('', { method: 'GET', origin, path: undefined, query: '', search: undefined }).slice(1)
}
