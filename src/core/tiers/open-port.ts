import { shown } from '../option-checks.js'
import { type ConnectionSecrets, IoredisPort, openIoredis } from './ioredis-port.js'
import { NodeRedisPort } from './node-redis-port.js'
import { isIoredis, isNodeRedis, isNodeRedisCluster, type RedisClient, type RedisPort } from './redis-client.js'

/**
 * Opens the port that matches the `redis` option: a URL or a supported client. @throws TypeError for any other value
 */
export function openPort(redis: string | RedisClient, secrets: ConnectionSecrets): RedisPort {
  if (typeof redis === 'string') return openIoredis(redis, secrets)
  if (isIoredis(redis)) return new IoredisPort(redis)
  if (isNodeRedis(redis) || isNodeRedisCluster(redis)) return new NodeRedisPort(redis)
  throw new TypeError(
    `redis must be a URL, or a client of ioredis, iovalkey or node-redis (4 or later), got ${shown(redis)}` +
      ` (${(redis as object).constructor?.name ?? 'no class'})${hintFor(redis)}`,
  )
}

function hintFor(redis: object): string {
  if (redis instanceof URL) return '; write redis: url.href'
  const isPlain = Object.getPrototypeOf(redis) === Object.prototype
  return isPlain && ('host' in redis || 'port' in redis || 'url' in redis || 'socket' in redis)
    ? '; options make no client: write redis: new Redis(options), of ioredis'
    : ''
}
