import { shown } from '../option-checks.js'
import { IoredisPort, openIoredis } from './ioredis-port.js'
import { NodeRedisPort } from './node-redis-port.js'
import { isIoredis, isNodeRedis, isNodeRedisCluster, type RedisClient, type RedisPort } from './redis-client.js'

/** The port over whatever the `redis` option was given. @throws TypeError for a shape nobody knows */
export function openPort(redis: string | RedisClient): RedisPort {
  if (typeof redis === 'string') return new IoredisPort(openIoredis(redis), true)
  if (isIoredis(redis)) return new IoredisPort(redis, false)
  if (isNodeRedis(redis) || isNodeRedisCluster(redis)) return new NodeRedisPort(redis)
  throw new TypeError(
    `redis must be a URL, or a client of ioredis, iovalkey or node-redis (4 or later), got ${shown(redis)}` +
      ` (${(redis as object).constructor?.name ?? 'no class'})`,
  )
}
