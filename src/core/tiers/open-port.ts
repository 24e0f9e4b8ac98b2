import { shown } from '../option-checks.js'
import { isPlain } from '../plain-object.js'
import { isThenable } from '../thenable.js'
import type { ConnectionSecrets } from './credentials.js'
import { IoredisPort } from './ioredis-port.js'
import { NodeRedisPort } from './node-redis-port.js'
import { openUrl } from './open-url.js'
import {
  type IoredisLike,
  isIoredis,
  isNodeRedis,
  isNodeRedisCluster,
  type RedisClient,
  type RedisPort,
} from './redis-client.js'

/**
 * Opens the port that matches the `redis` option: a URL or a supported client. @throws TypeError for any other value
 */
export function openPort(redis: string | RedisClient, secrets: ConnectionSecrets): RedisPort {
  if (typeof redis === 'string') return openUrl(redis, secrets)
  if (isIoredis(redis)) {
    refuseReplicas(redis)
    return new IoredisPort(redis)
  }
  if (isNodeRedis(redis) || isNodeRedisCluster(redis)) return new NodeRedisPort(redis)
  throw new TypeError(
    `redis must be a URL, or a client of ioredis, iovalkey or node-redis (4 or later), got ${shown(redis)}` +
      ` (${(redis as object).constructor?.name ?? 'no class'})${hintFor(redis)}`,
  )
}

/**
 * Replicas learn of an invalidation late, and take none. Without these two options ioredis sends the commands of this
 * package, whose names are in upper case, to masters.
 *
 * @throws TypeError for a client that reads from replicas
 */
function refuseReplicas({ options = {} }: IoredisLike): void {
  const { role, scaleReads = 'master', keyPrefix, enableAutoPipelining } = options
  if (role === 'slave') throw new TypeError("redis must be a client of the master, got one with role: 'slave'")
  if (scaleReads === 'master' || (!keyPrefix && enableAutoPipelining !== true)) return
  throw new TypeError(
    `redis must be a client that reads from masters, got one with scaleReads: ${shown(scaleReads)} and ` +
      `${keyPrefix ? 'a keyPrefix; use that of the cache' : 'enableAutoPipelining'}, or write scaleReads: 'master'`,
  )
}

function hintFor(redis: object): string {
  if ('getMasterNode' in redis) {
    return "; a Sentinel client of node-redis is not supported: write redis: 'redis-sentinel://host:26379/master', or pass a client of ioredis"
  }
  if ('sendCommand' in redis && 'execute' in redis) return '; pass createClient(), not a pool'
  if (redis instanceof URL) return '; write redis: url.href'
  if (isThenable(redis)) return '; await it: await createClient().connect() gives a client'
  return isPlain(redis) && ('host' in redis || 'port' in redis || 'url' in redis || 'socket' in redis)
    ? '; options make no client: write redis: new Redis(options), of ioredis'
    : ''
}
