import { type ConnectionOptions, createSecureContext } from 'node:tls'
import { pause, systemClock } from '../clock.js'
import { callable, shown } from '../option-checks.js'
import { readRedisUrl } from './redis-url.js'

/** What a connection to Redis is made with, as the `credentials` option gives it. */
export interface Credentials {
  /** @defaultValue the default user */
  readonly username?: string | undefined
  /** @defaultValue no login */
  readonly password?: string | undefined
  /** As the `tls` option, which it replaces; for a `rediss://` URL only. @defaultValue the `tls` option */
  readonly tls?: ConnectionOptions | undefined
}

/** Gives the credentials for a connection that is about to be made. */
export type GiveCredentials = () => Credentials | Promise<Credentials>

/** How long a connection waits for its credentials, in milliseconds. */
const LIMIT = 2_000

/**
 * The `credentials` option, checked.
 *
 * @throws TypeError when it is no function, or the `redis` option is no URL or has a login already
 */
export function readCredentials(credentials: unknown, redis: unknown): GiveCredentials | undefined {
  const give = callable(credentials as GiveCredentials | undefined, 'credentials')
  if (give === undefined) return undefined
  if (typeof redis !== 'string') {
    throw new TypeError(
      'credentials is for a redis URL: a client of yours has such an option of its own (node-redis: credentialsProvider)',
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

/** The parts of an ioredis client that decide how its next connection is made. */
export interface Connecting {
  readonly connector: { connect(...args: unknown[]): Promise<unknown> }
  /** Filled in at the beginning of each attempt to connect. */
  condition: { auth?: string | readonly [string, string] | undefined } | null
  readonly options: { tls?: ConnectionOptions | undefined; sentinelTLS?: ConnectionOptions | undefined }
  /** Whether `disconnect()` has ended the client for good. */
  readonly manuallyClosing?: boolean
}

/**
 * Has a client ask for credentials before each connection. When the function fails, or has not settled within two seconds, the
 * connection is tried with the last ones it gave: a vault that is down does not take Redis away.
 *
 * @param onFault - hears why there are no new credentials
 */
export function askBeforeConnecting(
  client: Connecting,
  give: GiveCredentials,
  isSecure: boolean,
  onFault: (error: Error) => void,
): void {
  const { connector } = client
  const connect = connector.connect.bind(connector)
  let last: Credentials = {}
  connector.connect = async (...args) => {
    try {
      last = checked(await inTime(give), isSecure)
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : shown(thrown)
      onFault(new Error(`the function "credentials" gave none: ${why}`, { cause: thrown }))
    }
    if (client.manuallyClosing === true) throw new Error('Connection is closed.')
    const { username = '', password, tls } = last
    if (client.condition !== null && password !== undefined) {
      client.condition.auth = username === '' ? password : [username, password]
    }
    if (tls !== undefined) {
      client.options.tls = tls
      if (client.options.sentinelTLS !== undefined) client.options.sentinelTLS = tls
    }
    return connect(...args)
  }
}

async function inTime(give: GiveCredentials): Promise<Credentials> {
  const late = pause(systemClock, LIMIT).then(() => {
    throw new Error(`it has not settled within ${LIMIT} ms`)
  })
  late.catch(() => {})
  return Promise.race([give(), late])
}

/** A client that is handed anything else gives up for good, or ends the process. */
function checked(given: unknown, isSecure: boolean): Credentials {
  if (typeof given !== 'object' || given === null) throw new TypeError('it must give { username, password, tls }')
  const { username, password, tls } = given as Readonly<Record<string, unknown>>
  for (const [name, value] of Object.entries({ username, password })) {
    if (value !== undefined && typeof value !== 'string') throw new TypeError(`${name} must be a text`)
  }
  if (tls === undefined) return given
  if (!isSecure) throw new TypeError('tls is for a rediss:// URL')
  if (typeof tls !== 'object' || tls === null) throw new TypeError('tls must be an object such as { ca, cert, key }')
  try {
    createSecureContext(tls)
  } catch (thrown) {
    // The error itself may show what it could not read.
    throw new TypeError(`tls cannot be read: ${thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''}`)
  }
  return { ...given, tls: { ...tls } }
}
