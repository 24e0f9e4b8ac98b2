import type { ConnectionOptions } from 'node:tls'
import { shown } from '../option-checks.js'
import type { RedisClient } from './redis-client.js'
import { readRedisUrl } from './redis-url.js'

/** Checks the `redis` option: a URL or a client. @throws TypeError */
export function readRedis(redis: unknown): string | RedisClient | undefined {
  if (redis === undefined) return undefined
  if (typeof redis === 'string') {
    readRedisUrl(redis)
    return redis
  }
  if (redis === null || typeof redis !== 'object') {
    throw new TypeError(`redis must be a redis:// or rediss:// URL or a client, got ${shown(redis)}`)
  }
  return redis as RedisClient
}

/**
 * Checks the `tls` option, so that unreadable certificates are reported at construction and not at the first connection.
 *
 * @throws TypeError
 */
export function readTls(tls: unknown, redis: unknown): ConnectionOptions | undefined {
  if (tls === undefined) return undefined
  const options = readTlsOptions(tls)
  if (typeof redis !== 'string' || !readRedisUrl(redis).isSecure) {
    throw new TypeError('tls is for a rediss:// URL: your own client has its own TLS options, and redis:// has no TLS')
  }
  return options
}

/** Checks options of `tls.connect()`, so that what cannot be read is reported before a connection. @throws TypeError */
export function readTlsOptions(tls: unknown): ConnectionOptions {
  if (typeof tls !== 'object' || tls === null || Array.isArray(tls)) {
    throw new TypeError(`tls must be an object such as { ca, cert, key }, got ${shown(tls)}`)
  }
  const options: ConnectionOptions = { ...tls }
  for (const name of ['ca', 'cert', 'key'] as const) {
    for (const one of [options[name]].flat()) {
      if (typeof one === 'string' && !one.includes('-----BEGIN ')) {
        throw new TypeError(`tls.${name} must be the text of a PEM file, not its path: readFileSync(path)`)
      }
    }
  }
  try {
    // Not an import, which would load it for every user.
    process.getBuiltinModule('node:tls').createSecureContext(options)
  } catch (thrown) {
    // The original error may contain the unreadable key material, so it is not attached as the cause.
    throw new TypeError(
      `tls cannot be read: ${thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'see ca, cert and key'}`,
    )
  }
  return options
}
