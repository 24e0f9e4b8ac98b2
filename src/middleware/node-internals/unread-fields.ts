import { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'

/** Where node keeps the record of fields that it makes when somebody reads `headers` for the first time. */
const place = findPlace()

/** Whether nobody has read, and perhaps changed, the fields of a request, so that `rawHeaders` tells all; false where that cannot be known. */
export function hasUnreadFields(request: IncomingMessage): boolean {
  return place !== undefined && Reflect.get(request, place) === null
}

function findPlace(): symbol | undefined {
  const request = new IncomingMessage(new Duplex() as Socket)
  const symbol = Object.getOwnPropertySymbols(request).find((own) => own.description === 'kHeaders')
  if (symbol === undefined || Reflect.get(request, symbol) !== null) return undefined
  return request.headers !== null && Reflect.get(request, symbol) === request.headers ? symbol : undefined
}
