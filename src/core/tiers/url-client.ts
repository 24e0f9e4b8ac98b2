import type { ConnectionOptions } from 'node:tls'
import type { ConnectionSecrets } from './credentials.js'
import { askBeforeConnecting } from './fresh-credentials.js'
import type { Ioredis } from './ioredis-package.js'
import { IoredisPort } from './ioredis-port.js'
import { ReconnectPauses } from './reconnect-pauses.js'
import type { RedisUrl } from './redis-url.js'
import { reportSurplusOfSentinels, reportSurplusReplies } from './surplus-replies.js'

/**
 * Makes an ioredis client for a URL, and returns the port over it. The options are the only combination known to settle
 * every promise: no offline queue, no retry of commands in flight, and a timeout for silent sockets.
 */
export function clientFor(url: RedisUrl, { tls, credentials }: ConnectionSecrets, { Redis }: Ioredis): IoredisPort {
  const pauses = new ReconnectPauses()
  const client = new Redis({
    ...safeOptions,
    ...addressOptions(url, tls),
    ...loginOptions(url),
    family: url.family,
    retryStrategy: () => pauses.next(),
  })
  // On reconnect ioredis sends SELECT in a promise of its own; if Redis refuses, the rejection ends the process.
  Object.assign(client, { select: () => Promise.resolve('OK') })
  reportSurplusReplies(client)
  reportSurplusOfSentinels(client)
  if (credentials !== undefined) {
    // Emitting an error event without a listener would end the process.
    const tell = (error: Error) => client.listenerCount('error') > 0 && client.emit('error', error)
    askBeforeConnecting(client, credentials, url.isSecure, tell)
  }
  return new IoredisPort(client, { database: url.database, pauses })
}

const safeOptions = {
  lazyConnect: true,
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  autoResubscribe: false,
  connectTimeout: 1000,
  // Ends a connection that was written to but stays silent. Must exceed the longest expected event loop stall.
  socketTimeout: 2000,
  disconnectTimeout: 200,
  keepAlive: 5000,
  // The first command shows whether Redis is loading; the check needs INFO permission and logs a warning without it.
  enableReadyCheck: false,
  disableClientInfo: true,
}

function addressOptions({ addresses, master, isSecure }: RedisUrl, own: ConnectionOptions | undefined): object {
  const [{ host, port }] = addresses
  const tls = isSecure ? { ...own } : undefined
  if (master === undefined) return { host, port, tls }
  const secure = isSecure ? { tls, sentinelTLS: tls, enableTLSForSentinelMode: true } : {}
  // With Sentinels, the ready check also verifies that the server is the master.
  return { sentinels: addresses, name: master, failoverDetector: true, enableReadyCheck: true, ...secure }
}

function loginOptions({ username, password }: RedisUrl): object {
  if (password === undefined) return {}
  return username === '' ? { password } : { username, password }
}
