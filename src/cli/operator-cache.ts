import { setTimeout as pause } from 'node:timers/promises'
import { FallbackCache } from '../index.js'
import { type OpenedRedis, openCluster } from '../inspect/index.js'
import type { Arguments } from './arguments.js'
import type { Surroundings } from './command.js'
import { CommandFailure } from './errors.js'
import { withRedis } from './redis-options.js'

/**
 * Runs with a cache that takes part in the coherence of an application, as one more process of it.
 *
 * @throws CommandFailure if no application uses this Redis and prefix, or Redis cannot be used
 */
export function withCache<T>(
  given: Arguments,
  around: Surroundings,
  run: (cache: FallbackCache) => Promise<T>,
): Promise<T> {
  return withRedis(given, around, async (redis, target) => {
    await requireLog(redis)
    const cluster = target.isCluster ? await openCluster(target) : undefined
    // Without a listener, an error of a connection would end the process.
    cluster?.on('error', () => {})
    const { url, tls, keyPrefix, timeout } = target
    const connection =
      cluster === undefined ? { redis: url, ...(tls === undefined ? {} : { tls }) } : { redis: cluster }
    const cache = new FallbackCache({
      ...connection,
      keyPrefix,
      redisTimeout: timeout,
      logger: SILENT,
      maxEntries: 1,
    })
    try {
      await untilConnected(cache, timeout, around.signal)
      return await run(cache)
    } finally {
      await cache.close()
      cluster?.disconnect()
    }
  })
}

/** Logs nothing: the messages of a cache are for an application, and the command reports its own failures. */
const SILENT = { info: () => {}, warn: () => {} }

/** A cache that joins an unused Redis would begin a log there: of the wrong server, or under the wrong prefix. */
async function requireLog(redis: OpenedRedis): Promise<void> {
  const { head } = await redis.standing()
  if (head !== undefined) return
  const prefix = redis.keyPrefix === '' ? 'without a keyPrefix' : `with the keyPrefix "${redis.keyPrefix}"`
  throw new CommandFailure(`no application ${prefix} uses this Redis: is --key-prefix right?`)
}

async function untilConnected(cache: FallbackCache, timeout: number, signal: AbortSignal): Promise<void> {
  const end = performance.now() + timeout
  while (!cache.stats().connected) {
    if (performance.now() > end || signal.aborted) {
      throw new CommandFailure(cache.stats().redisError ?? `Redis cannot be used within ${timeout / 1000} s`)
    }
    await pause(20)
  }
}
