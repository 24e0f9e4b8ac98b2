import type { Exchange } from '../port/exchange.js'
import type { RequestContent } from '../port/request-content.js'
import { checkDescription } from './check-description.js'
import type { RequestDescription } from './explanation.js'

/**
 * A synthetic request object made from a description, with the properties that user functions read in both frameworks.
 */
export interface DescribedRequest extends Readonly<Record<string, unknown>> {
  readonly method: string
  /** Path and query. */
  readonly url: string
  readonly originalUrl: string
  readonly path: string
  readonly query: Readonly<Record<string, string | readonly string[]>>
  /** Fields by lower-case name. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly protocol: string
  readonly host: string
  readonly hostname: string
  readonly httpVersionMajor: number
  readonly socket: object
  get(name: string): string | undefined
}

/** How an adapter makes an exchange for `explain` from a description; its code is loaded by the first explanation. */
export interface Describing {
  /** The request object; additional properties of the description are copied. @throws TypeError for an invalid one */
  request(description: RequestDescription): DescribedRequest
  /** The content of a described request, or `'too-large'` above `limit` bytes. */
  content(description: RequestDescription, limit: number): RequestContent
}

/** Makes the exchange that is explained. @throws TypeError for a value that is no request */
export type ExplainedExchange<Context extends object> = (by: Describing) => Exchange<Context>

/** The one implementation of {@link Describing}. */
export const DESCRIBING: Describing = { request: described, content: describedContent }

function described(description: RequestDescription): DescribedRequest {
  checkDescription(description)
  const { method = 'GET', url, headers = {}, protocol, host, ...more } = description
  const whole = /^https?:\/\//i.test(url) ? new URL(url) : undefined
  const target = whole === undefined ? url : whole.pathname + whole.search
  const fields: Record<string, string | readonly string[] | undefined> = Object.create(null)
  for (const [name, value] of Object.entries(headers)) fields[name.toLowerCase()] = value
  const resolvedHost = host ?? whole?.host ?? String(fields.host ?? '')
  const resolvedProtocol = protocol ?? whole?.protocol.slice(0, -1) ?? 'http'
  if (resolvedHost !== '') fields.host = resolvedHost
  const content = contentOf(description)
  if (content !== undefined && content.length > 0 && fields['transfer-encoding'] === undefined) {
    fields['content-length'] ??= String(content.length)
  }
  const [path = ''] = target.split('?', 1)
  return {
    path,
    query: queryOf(target.slice(path.length + 1)),
    hostname: resolvedHost.replace(/:\d*$/, ''),
    httpVersionMajor: 1,
    socket: { encrypted: resolvedProtocol === 'https' },
    get: (name) => fields[name.toLowerCase()]?.toString(),
    ...more,
    method: method.toUpperCase(),
    url: target,
    originalUrl: target,
    headers: fields,
    protocol: resolvedProtocol,
    host: resolvedHost,
  }
}

function describedContent(description: RequestDescription, limit: number): RequestContent {
  const content = contentOf(description)
  if (content === undefined) return 'consumed'
  return content.length > limit ? 'too-large' : content
}

/** The content as bytes; `undefined` for an object, whose original bytes are unknown. */
function contentOf({ body = '' }: RequestDescription): Buffer | undefined {
  return typeof body === 'string' || body instanceof Uint8Array ? Buffer.from(body) : undefined
}

function queryOf(text: string): Record<string, string | readonly string[]> {
  const parameters = new URLSearchParams(text)
  const query: Record<string, string | readonly string[]> = Object.create(null)
  for (const name of new Set(parameters.keys())) {
    const values = parameters.getAll(name)
    query[name] = values.length > 1 ? values : (values[0] ?? '')
  }
  return query
}
