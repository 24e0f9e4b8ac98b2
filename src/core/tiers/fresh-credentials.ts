import type { ConnectionOptions } from 'node:tls'
import { pause, systemClock } from '../clock.js'
import { shown } from '../option-checks.js'
import type { Credentials, GiveCredentials } from './credentials.js'
import { readTlsOptions } from './redis-option.js'

/** Maximum time a connection attempt waits for its credentials, in milliseconds. */
const LIMIT = 2_000

/** The private parts of an ioredis client that determine how its next connection is made. */
export interface Connecting {
  readonly connector: { connect(...args: unknown[]): Promise<unknown> }
  /** Reset by ioredis at the start of each connection attempt. */
  condition: { auth?: string | readonly [string, string] | undefined } | null
  readonly options: { tls?: ConnectionOptions | undefined; sentinelTLS?: ConnectionOptions | undefined }
  /** True after `disconnect()` has ended the client permanently. */
  readonly manuallyClosing?: boolean
}

/**
 * Makes a client call the `credentials` function before each connection attempt. If the function fails, or does not
 * settle within two seconds, the previous credentials are used, so that an outage of a secret store does not cut off
 * Redis.
 *
 * @param onFault - called with the reason when no new credentials are available
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

/** Validates returned credentials: ioredis given other values stops reconnecting, or ends the process. */
function checked(given: unknown, isSecure: boolean): Credentials {
  if (typeof given !== 'object' || given === null) throw new TypeError('it must return { username, password, tls }')
  const { username, password, tls } = given as Readonly<Record<string, unknown>>
  for (const [name, value] of Object.entries({ username, password })) {
    if (value !== undefined && typeof value !== 'string') throw new TypeError(`${name} must be a string`)
  }
  if (tls === undefined) return given
  if (!isSecure) throw new TypeError('tls is for a rediss:// URL')
  return { ...given, tls: readTlsOptions(tls) }
}
