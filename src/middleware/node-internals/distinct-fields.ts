import { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'

/** The symbol under which Node.js stores the `headersDistinct` object, which it builds on first access. */
const place = findPlace()

/**
 * The `headersDistinct` of a request, if code has read it, and may have changed it; `undefined` if none has, or if that is
 * unknown.
 */
export function readDistinct(request: object): Readonly<Record<string, unknown>> | undefined {
  return place === undefined ? undefined : ((request as Placed)[place] ?? undefined)
}

type Placed = Readonly<Record<symbol, Readonly<Record<string, unknown>> | null>>

function findPlace(): symbol | undefined {
  const [request, untouched] = [newRequest(), newRequest()]
  const { headersDistinct } = request
  const symbol = Object.getOwnPropertySymbols(request).find((own) => Reflect.get(request, own) === headersDistinct)
  return symbol !== undefined && (Reflect.get(untouched, symbol) ?? undefined) === undefined ? symbol : undefined
}

function newRequest(): IncomingMessage {
  return new IncomingMessage(new Duplex() as Socket)
}
