import { type Duration, positiveDuration } from '../../core/duration.js'
import { numberWithin, rejectUnknownOptions, shown } from '../../core/option-checks.js'

/** The options of the purge endpoint. */
export interface PurgeOptions {
  /**
   * The secret with which messages are signed, at least 16 characters; `whsec_` and Base64 for bytes, as Standard
   * Webhooks writes it. Several, at most 10, while one is replaced by another. Required.
   */
  readonly secret: string | readonly string[]
  /**
   * How far the time in a message may be from the time here, before and after; at most an hour.
   *
   * @defaultValue 300 (5 minutes)
   */
  readonly tolerance?: Duration | undefined
}

/** The options, checked. */
export interface PurgeSettings {
  readonly secrets: readonly Buffer[]
  /** In seconds. */
  readonly tolerance: number
}

const NAMES = { secret: { otherNames: 'secrets key keys token' }, tolerance: { otherNames: 'window maxAge' } }

const MOST_SECRETS = 10
const SHORTEST = 16
const BASE64 = /^whsec_([A-Za-z0-9+/]{20,}={0,2})$/

/** @throws TypeError or RangeError for an invalid option */
export function readPurgeOptions(options: PurgeOptions): PurgeSettings {
  rejectUnknownOptions(options, NAMES, 'purgeEndpoint')
  const secrets: readonly unknown[] = Array.isArray(options.secret) ? options.secret : [options.secret]
  if (secrets.length === 0 || secrets.length > MOST_SECRETS)
    throw new RangeError(`secret must be one to ${MOST_SECRETS} texts, got ${secrets.length}`)
  const tolerance = options.tolerance === undefined ? 300 : positiveDuration(options.tolerance, 'tolerance')
  return { secrets: secrets.map(bytesOf), tolerance: numberWithin(tolerance, 1, 3600, 'tolerance (in seconds)') }
}

function bytesOf(secret: unknown): Buffer {
  if (typeof secret !== 'string') {
    throw new TypeError(`secret must be a text of at least ${SHORTEST} characters, got ${shown(secret)}`)
  }
  // Never printed.
  if (secret.length < SHORTEST) {
    throw new RangeError(`secret must have at least ${SHORTEST} characters, got ${secret.length}: openssl rand -hex 32`)
  }
  const [, base64] = BASE64.exec(secret) ?? []
  return base64 === undefined ? Buffer.from(secret) : Buffer.from(base64, 'base64')
}
