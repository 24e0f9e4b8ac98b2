import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { fallbackCache } from '../middleware/express.js'
import { CommandFailure } from './errors.js'

/** The path of the dashboard. */
export const DASHBOARD = '/__cache'

/** A server of this machine only, at 127.0.0.1. */
export class LocalServer {
  readonly #server = createServer()
  #port = 0
  origin = ''

  /** @param port - 0 takes a free one. @throws CommandFailure if the port is taken */
  async listen(port: number, listener: RequestListener): Promise<void> {
    this.#server.on('request', listener).listen(port, '127.0.0.1')
    await once(this.#server, 'listening').catch((thrown: unknown) => {
      throw new CommandFailure(thrown instanceof Error ? thrown.message : String(thrown))
    })
    this.#port = (this.#server.address() as AddressInfo).port
    this.origin = `http://127.0.0.1:${this.#port}`
  }

  /** False for a page of another site whose name points here (DNS rebinding): it sends that name. */
  readonly isOwn = ({ headers: { host } }: Pick<IncomingMessage, 'headers'>): boolean =>
    host === `127.0.0.1:${this.#port}` || host === `localhost:${this.#port}`

  /** Resolves after Ctrl-C. */
  async end(signal: AbortSignal): Promise<void> {
    if (!signal.aborted) await once(signal, 'abort')
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

/** Passes a request for the dashboard on, as Express does below a path; false for any other request. */
export function answeredByDashboard(
  dashboard: ReturnType<ReturnType<typeof fallbackCache>['dashboard']>,
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  const { url = '/' } = request
  if (url !== DASHBOARD && !url.startsWith(`${DASHBOARD}/`) && !url.startsWith(`${DASHBOARD}?`)) return false
  const below = url.slice(DASHBOARD.length)
  Object.assign(request, { baseUrl: DASHBOARD, originalUrl: url, url: below.startsWith('/') ? below : `/${below}` })
  dashboard(request, response, () => response.writeHead(500).end())
  return true
}
