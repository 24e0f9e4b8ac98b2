import type { IncomingMessage, ServerResponse } from 'node:http'
import { type PurgeAnswer, PurgeDoor, type Purged, type PurgeOptions } from '../purge/index.js'

export type { PurgeOptions } from '../purge/index.js'

/** A handler of Express, to be mounted below a path. */
export type ExpressPurge = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void

/** Creates the purge endpoint for Express. @throws as {@link PurgeDoor} */
export function expressPurge(purged: Purged, options: PurgeOptions): ExpressPurge {
  const door = new PurgeDoor(purged, options)
  let isSaid = false
  return (request, response, next) => {
    const { baseUrl, route } = request as { readonly baseUrl?: string; readonly route?: unknown }
    if (baseUrl === '' && route === undefined) {
      if (!isSaid) process.emitWarning(NOT_MOUNTED, 'FallbackCacheWarning')
      isSaid = true
      next()
      return
    }
    const send = ({ status, headers, body }: PurgeAnswer): void => {
      // Middleware in front may have answered already, such as one that limits the time.
      if (!response.headersSent && !response.destroyed) response.writeHead(status, headers).end(body)
    }
    door
      .answer(request, request as { readonly body?: unknown })
      .then(send)
      .catch(next)
  }
}

const NOT_MOUNTED =
  "purgeEndpoint() is mounted without a path and therefore does nothing: app.post('/__purge', cached.purgeEndpoint({ secret }))"
