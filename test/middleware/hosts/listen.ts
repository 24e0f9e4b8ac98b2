import { createServer, type RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { RunningSite } from './host.js'

/** Serves a request listener, or has a server listen, on a free port of the loopback interface. */
export async function listen(listener: RequestListener | Server): Promise<RunningSite> {
  const server = listener instanceof Server ? listener : createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
