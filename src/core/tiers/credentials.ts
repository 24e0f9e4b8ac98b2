import type { ConnectionOptions } from 'node:tls'
import { callable } from '../option-checks.js'
import { readRedisUrl } from './redis-url.js'

/** The credentials for one connection to Redis, as returned by the `credentials` option. */
export interface Credentials {
  /** @defaultValue the default user */
  readonly username?: string | undefined
  /** @defaultValue no login */
  readonly password?: string | undefined
  /** Replaces the `tls` option; only allowed with a `rediss://` URL. @defaultValue the `tls` option */
  readonly tls?: ConnectionOptions | undefined
}

/** The type of the `credentials` option: called before each connection attempt. */
export type GiveCredentials = () => Credentials | Promise<Credentials>

/**
 * Validates the `credentials` option.
 *
 * @throws TypeError if it is not a function, or if the `redis` option is not a URL or already contains a login
 */
export function readCredentials(credentials: unknown, redis: unknown): GiveCredentials | undefined {
  const give = callable(credentials as GiveCredentials | undefined, 'credentials')
  if (give === undefined) return undefined
  if (typeof redis !== 'string') {
    throw new TypeError(
      'credentials is for a redis URL: your own client has its own option (node-redis: credentialsProvider)',
    )
  }
  const { username, password } = readRedisUrl(redis)
  if (username !== '' || password !== undefined) {
    throw new TypeError(
      'credentials and a login in the redis URL exclude each other: leave user and password out of the URL',
    )
  }
  return give
}

/** Connection settings that are not part of the URL. */
export interface ConnectionSecrets {
  readonly tls: ConnectionOptions | undefined
  readonly credentials: GiveCredentials | undefined
}
