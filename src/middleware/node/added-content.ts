import { filledText } from '../../http/port/index.js'

/**
 * The parsed body and the parsed query as text, where middleware in front has put something on the request that the
 * client has not sent: a body on a GET, or more parameters than the URL has. `undefined` if it has not; `false` if it
 * cannot be compared.
 *
 * @param body - `undefined` for methods whose requests have content
 */
export function addedContent(body: unknown, query: unknown, url: string): string | undefined | false {
  const hasBody = body !== undefined && body !== null && !isEmpty(body)
  const hasMore = typeof query === 'object' && query !== null && hasMoreThan(url, query)
  if (!hasBody && !hasMore) return undefined
  const texts = [hasBody ? filledText(body) : null, hasMore ? filledText(query) : null]
  return texts.includes(undefined) ? false : JSON.stringify(texts)
}

/** Whether a parsed body is that of a request without content. */
function isEmpty(body: unknown): boolean {
  if (typeof body !== 'object' || body === null) return body === ''
  for (const _name in body) return false
  return Object.getPrototypeOf(body) === Object.prototype || Object.getPrototypeOf(body) === null
}

function hasMoreThan(url: string, query: object): boolean {
  const parsed = Object.keys(query).length
  if (parsed === 0) return false
  const start = url.indexOf('?')
  return parsed > (start < 0 ? 0 : url.slice(start).split('&').length)
}
