import type { ServerResponse } from 'node:http'
import { isToken, lowerCase } from '../../http/port/index.js'
import { methodsWith } from './shared-methods.js'

/** The methods of a response whose calls may leave no trace on it. */
type Methods = Pick<ServerResponse, 'removeHeader' | 'appendHeader'>

/** The fields that the route has set, by their lower-case names. */
interface SetFields {
  isSet(name: string): boolean
  /** An object for the current value of a field: another one after each call that sets it, the same one after values were appended. */
  content(name: string): object | undefined
}

/** The property under which a response stores its acts. */
const ACTS = Symbol('fallback-cache.acts')

type Acting = ServerResponse & { [ACTS]?: RouteActs }

/**
 * What a route does to fields of a response that middleware in front of the cache may have set for other clients only: it
 * removes a field that is not there, or appends to one. A hit does the same.
 */
export class RouteActs {
  /** Fields that were removed, in lower case. */
  removed: ReadonlySet<string> = NONE
  /** Fields to which values were appended, in lower case. */
  appended: ReadonlySet<string> = NONE
  /** The objects for the values of those fields right after that. */
  #contents: Map<string, object | undefined> | undefined
  readonly #fields: SetFields
  readonly #response: ServerResponse
  readonly #before: Methods
  readonly #own: Methods

  constructor(response: ServerResponse, fields: SetFields) {
    this.#fields = fields
    const { removeHeader, appendHeader } = response
    this.#response = response
    this.#before = { removeHeader, appendHeader }
    const acting: Acting = response
    // Another cache has handled the request before.
    this.#own = acting[ACTS] === undefined ? SHARED : methodsWith(SHARED, ACTS, this)
    acting[ACTS] ??= this
    response.removeHeader = this.#own.removeHeader
    response.appendHeader = this.#own.appendHeader
  }

  removeHeader(name: string): void {
    this.removed = withName(this.removed, name)
    this.appended = withoutName(this.appended, name)
    this.#before.removeHeader.call(this.#response, name)
  }

  appendHeader(name: string, value: string | readonly string[]): ServerResponse {
    const isOwn = this.isOwn(lowerCase(String(name)))
    const response = this.#before.appendHeader.call(this.#response, name, value)
    if (!isOwn) this.append(name)
    return response
  }

  /** Records that values have been appended to a field. */
  append(name: string): void {
    const lower = lowerCase(name)
    if (this.removed.has(lower)) return
    this.appended = withName(this.appended, name)
    this.#contents ??= new Map()
    this.#contents.set(lower, this.#fields.content(lower))
  }

  /** Whether no part of a field comes from middleware in front, for any client: the route has set or removed it. */
  isOwn(lower: string): boolean {
    return this.removed.has(lower) || (this.#fields.isSet(lower) && !this.#isAppended(lower))
  }

  /** Whether the route has appended to a field, and has not set it since. */
  #isAppended(lower: string): boolean {
    return this.appended.has(lower) && this.#contents?.get(lower) === this.#fields.content(lower)
  }

  /** Restores the methods. Called before the head is recorded. */
  stop(): void {
    for (const name of this.appended) if (!this.#isAppended(name)) this.appended = withoutName(this.appended, name)
    const [response, own, before] = [this.#response, this.#own, this.#before]
    if (response.removeHeader === own.removeHeader) response.removeHeader = before.removeHeader
    if (response.appendHeader === own.appendHeader) response.appendHeader = before.appendHeader
  }
}

const NONE: ReadonlySet<string> = new Set()

/** Fields of the body and the connection, which frameworks remove for every response without a body. */
const FRAMING: ReadonlySet<string> = new Set([
  ...['connection', 'content-length', 'content-type', 'date', 'keep-alive', 'trailer', 'transfer-encoding'],
])

/** Clients may choose names. */
const MOST_NAMES = 32

function withName(names: ReadonlySet<string>, name: unknown): ReadonlySet<string> {
  if (typeof name !== 'string') return names
  const lower = lowerCase(name)
  if (names.has(lower) || names.size >= MOST_NAMES || FRAMING.has(lower) || !isToken(name)) return names
  return new Set(names).add(lower)
}

function withoutName(names: ReadonlySet<string>, name: unknown): ReadonlySet<string> {
  if (names.size === 0) return names
  const rest = new Set(names)
  rest.delete(lowerCase(String(name)))
  return rest
}

/** Shared functions for all responses: see `watchResponse`. */
const SHARED: Methods & ThisType<Acting> = {
  removeHeader(name) {
    this[ACTS]?.removeHeader(name)
  },
  appendHeader(name, value) {
    return this[ACTS]?.appendHeader(name, value) as never
  },
}
