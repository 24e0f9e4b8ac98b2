import { parse } from 'node:querystring'
import { isPlain } from '../../core/plain-object.js'
import { filledText } from '../../http/port/index.js'
import { addedCookies, type ParsedCookies } from './added-cookies.js'

/** Where parsers put what a request has sent, and where middleware in front may have put something else. */
export interface ParsedContent extends ParsedCookies {
  readonly body?: unknown
  readonly rawBody?: unknown
  readonly file?: unknown
  readonly files?: unknown
  readonly query?: unknown
  readonly params?: unknown
  /** `res.locals` or `ctx.state`. */
  readonly locals?: unknown
  /** The version of an API that a package has found in the request, and by which the route was chosen. */
  readonly version?: unknown
  /** The handler, if the router has chosen it by more than the URL. */
  readonly handler?: unknown
}

/** The property by which an adapter names the handler of a request. */
export const HANDLER: unique symbol = Symbol.for('fallback-cache.handler')

/** A request, by which it is judged what middleware in front has added. */
export interface SentRequest {
  readonly method: string | undefined
  /** Path and query. */
  readonly url: string
  /** The `Cookie` field. */
  readonly cookie: string | undefined
  /** How the framework parses a query, by default as `node:querystring` does. */
  readonly parseQuery?: ((query: string) => object) | undefined
}

/**
 * What middleware in front has put on the request that the client has not sent, as text: a body on a GET, parameters
 * that are not in the URL, cookies that are not in the Cookie field. `undefined` if it has not; `false` if it cannot be
 * compared.
 */
export function addedContent(parsed: ParsedContent, request: SentRequest): string | undefined | false {
  const { query, params } = parsed
  const added: unknown[] = request.method === 'GET' || request.method === 'HEAD' ? contentOf(parsed) : []
  if (isRecord(query) && isOtherQuery(query, request)) added.push('query', { ...query })
  if (isRecord(params) && isOtherPath(params, request.url)) added.push('params', { ...params })
  if (typeof parsed.version === 'string') added.push('version', parsed.version)
  if (parsed.handler !== undefined) added.push('handler', parsed.handler)
  if (isOther(query) || isOther(params) || isOther(parsed.locals) || isOther(parsed.cookies)) {
    added.push(
      'others',
      [query, params, parsed.locals, parsed.cookies].map((one) => (isOther(one) ? one : null)),
    )
  }
  const cookies = addedCookies(parsed, request.cookie)
  if (cookies !== undefined) added.push('cookies', cookies)
  if (added.length === 0) return undefined
  return filledText(added) ?? false
}

/** What a request without content has nevertheless. */
function contentOf({ body, rawBody, file, files }: ParsedContent): unknown[] {
  const added: unknown[] = []
  if (!isEmpty(body)) added.push('body', body)
  if (!isEmpty(rawBody)) added.push('rawBody', rawBody)
  if (!isEmpty(file)) added.push('file', file)
  if (!isEmpty(files)) added.push('files', files)
  return added
}

/** Whether a value is an object whose properties may be read; a list is one, too. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

/** Whether a text, a list or a function is in the place of a record, so that no reads of it are seen. */
function isOther(holder: unknown): boolean {
  return holder !== undefined && (typeof holder !== 'object' || Array.isArray(holder))
}

/** Whether a parsed value is that of a request without content. */
function isEmpty(value: unknown): boolean {
  if (!isRecord(value)) return value === undefined || value === null || value === ''
  for (const _name in value) return false
  return isPlain(value) || Object.getPrototypeOf(value) === Array.prototype
}

/** Whether a parsed query is another one than that of the URL. */
function isOtherQuery(query: Readonly<Record<string, unknown>>, { url, parseQuery = parse }: SentRequest): boolean {
  const start = url.indexOf('?')
  const names = Object.keys(query)
  if (start < 0) return names.length > 0
  const text = url.slice(start + 1)
  const pairs = text.split('&')
  // Parsing again is left to queries that need decoding.
  if (names.length === pairs.length) {
    const sent = new Set(pairs)
    if (names.every((name) => typeof query[name] === 'string' && sent.has(`${name}=${query[name]}`))) return false
  }
  const own = filledText({ ...query })
  // Clients can send more than can be compared.
  return own === undefined || filledText({ ...parseQuery(text) }) !== own
}

/** Whether the parameters of the path are no parts of it, in the order of its segments. */
function isOtherPath(params: Readonly<Record<string, unknown>>, url: string): boolean {
  // A parameter may be a list of segments, as those of wildcards are in Express 5.
  const values = Object.values(params).flat()
  if (values.length === 0) return false
  const path = `${url.split('?', 1)[0]}/`
  if (areWithin(path, values)) return false
  try {
    return !areWithin(decodeURIComponent(path), values)
  } catch {
    return true
  }
}

function areWithin(path: string, values: readonly unknown[]): boolean {
  let from = 0
  return values.every((value) => {
    // One that is missing may have been removed.
    if (typeof value !== 'string' || value === '') return false
    const at = path.indexOf(`/${value}/`, from)
    from = at + value.length + 1
    return at >= 0
  })
}
