import type { ServerResponse } from 'node:http'

/**
 * Makes an http2 response behave as if its head were sent, without sending it: a head without a body would end the
 * stream at once, and `finish` would fire before the handler's `end`.
 *
 * @returns a function that undoes it
 */
export function holdHead(response: ServerResponse): () => void {
  const before = Object.getOwnPropertyDescriptors(response) as Record<string, PropertyDescriptor | undefined>
  Object.defineProperty(response, 'headersSent', { configurable: true, get: () => true })
  for (const name of CHANGES)
    Object.defineProperty(response, name, { configurable: true, writable: true, value: refuse })
  Object.defineProperty(response, 'flushHeaders', { configurable: true, writable: true, value: () => {} })
  return () => {
    for (const name of ['headersSent', 'flushHeaders', ...CHANGES]) {
      const own = before[name]
      if (own === undefined) Reflect.deleteProperty(response, name)
      else Object.defineProperty(response, name, own)
    }
  }
}

const CHANGES = ['setHeader', 'appendHeader', 'removeHeader', 'setHeaders', 'writeHead'] as const

function refuse(): never {
  throw Object.assign(new Error('Response has already been initiated.'), { code: 'ERR_HTTP2_HEADERS_SENT' })
}
