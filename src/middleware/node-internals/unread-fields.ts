import { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'

/** The symbol under which Node.js stores the `headers` object, which it builds on first access. */
const place = findPlace()

/**
 * Whether no code has read (and possibly changed) the `headers` of a request, so that `rawHeaders` is complete; false
 * if unknown.
 */
export function hasUnreadFields(request: IncomingMessage): boolean {
  return place !== undefined && Reflect.get(request, place) === null
}

function findPlace(): symbol | undefined {
  const request = new IncomingMessage(new Duplex() as Socket)
  const symbol = Object.getOwnPropertySymbols(request).find((own) => own.description === 'kHeaders')
  if (symbol === undefined || Reflect.get(request, symbol) !== null) return undefined
  return request.headers !== null && Reflect.get(request, symbol) === request.headers ? symbol : undefined
}
