import type { ConnectionSecrets } from './credentials.js'
import { LatePort } from './late-port.js'
import { loadIoredis } from './load-ioredis.js'
import type { RedisPort } from './redis-client.js'
import { readRedisUrl } from './redis-url.js'

/**
 * Opens the port over a client for a URL. ioredis and what makes the client are being loaded when it returns.
 *
 * @throws TypeError if the URL cannot be parsed, or the package `ioredis` is not installed
 */
export function openUrl(text: string, secrets: ConnectionSecrets): RedisPort {
  const url = readRedisUrl(text)
  const loading = Promise.all([loadIoredis(), import('./url-client.js')])
  return new LatePort(loading.then(([ioredis, { clientFor }]) => clientFor(url, secrets, ioredis)))
}
