import { isIPv6 } from 'node:net'

/** A host name or address without brackets, and a port. */
export interface RedisAddress {
  readonly host: string
  readonly port: number
}

/** The decoded and validated parts of a Redis URL. */
export interface RedisUrl {
  /** Whether the connection uses TLS: `rediss://` and `rediss-sentinel://`. */
  readonly isSecure: boolean
  /** The server, or the Sentinels that name the master. */
  readonly addresses: readonly [RedisAddress, ...RedisAddress[]]
  /** The name of the master as configured in the Sentinels; `undefined` for a single server. */
  readonly master: string | undefined
  /** `''` for the default user. */
  readonly username: string
  readonly password: string | undefined
  /** The database number for `SELECT`, 0 or greater. */
  readonly database: number
  /** IP version used to resolve a host name: 4, 6, or 0 for both. */
  readonly family: 0 | 4 | 6
}

/**
 * Parses `redis://[user:password@]host[:port][/database]` and
 * `redis-sentinel://[user:password@]host[:port],host[:port]/master[/database]`; the schemes `rediss` and
 * `rediss-sentinel` use TLS. An IPv6 host is written in brackets. The only query parameter is `family=4` or `family=6`.
 *
 * @throws TypeError that names the option and the rule, but shows no part of the URL, because any part may belong to a
 * password
 */
export function readRedisUrl(text: string): RedisUrl {
  const url = text.trim()
  const [, scheme = '', rest = ''] = /^(?:([a-z][a-z\d+.-]*):\/\/)?(.*)$/is.exec(url) ?? []
  const kind = SCHEMES.get(scheme.toLowerCase())
  if (kind === undefined) throw refusal(instead(url, scheme.toLowerCase()))
  const [authority = '', path = '', query = '', fragment] = split(rest)
  if (fragment !== undefined || /@/.test(path + query)) throw refusal(ENCODE)
  const at = authority.lastIndexOf('@')
  const hosts = authority.slice(at + 1)
  const login = readLogin(authority.slice(0, Math.max(at, 0)))
  const family = readFamily(query)
  if (!kind.isSentinel) {
    const database = readDatabase(path.slice(1))
    return {
      ...login,
      isSecure: kind.isSecure,
      addresses: [readAddress(hosts, 6379)],
      master: undefined,
      database,
      family,
    }
  }
  const [master = '', number = '', ...more] = path.slice(1).split('/')
  if (master === '' || more.length > 0)
    throw refusal(`the path of a ${scheme}:// URL must be /name-of-master or /name-of-master/database`)
  const [first = '', ...others] = hosts.split(',')
  return {
    ...login,
    isSecure: kind.isSecure,
    addresses: [readAddress(first, 26379), ...others.map((host) => readAddress(host, 26379))],
    master: decoded(master),
    database: readDatabase(number),
    family,
  }
}

const SCHEMES: ReadonlyMap<string, { readonly isSecure: boolean; readonly isSentinel: boolean }> = new Map([
  ['redis', { isSecure: false, isSentinel: false }],
  ['rediss', { isSecure: true, isSentinel: false }],
  ['redis-sentinel', { isSecure: false, isSentinel: true }],
  ['rediss-sentinel', { isSecure: true, isSentinel: true }],
])

const ENCODE =
  'a user name or password with "/", "?", "#", "@" or "%" must be percent-encoded: encodeURIComponent(password)'

/** The advice for a URL whose scheme is not supported. */
function instead(url: string, scheme: string): string {
  if (url === '')
    return 'the text is empty. If the variable is not set, leave the option out: the cache then lives in memory'
  if (scheme === 'http' || scheme === 'https') {
    return `${scheme}:// is not the protocol of Redis. The provider of a REST address has one that begins with rediss:// too`
  }
  if (/^(redis\+)?(unix|socket)$/.test(scheme) || url.startsWith('/')) {
    return 'a socket file cannot be given as a URL: pass a client, new Redis({ path })'
  }
  return `${scheme === '' ? 'the scheme is missing' : 'the scheme is unknown'}. Write redis://host:6379, or rediss:// for TLS`
}

/** Splits into authority, path, query and fragment. */
function split(rest: string): readonly (string | undefined)[] {
  return (/^([^/?#]*)(\/[^?#]*|)(?:\?([^#]*))?(?:#(.*))?$/s.exec(rest) ?? []).slice(1)
}

function readLogin(login: string): { readonly username: string; readonly password: string | undefined } {
  if (login === '') return { username: '', password: undefined }
  const colon = login.indexOf(':')
  if (colon < 0) return { username: decoded(login), password: '' }
  return { username: decoded(login.slice(0, colon)), password: decoded(login.slice(colon + 1)) }
}

function readAddress(text: string, usualPort: number): RedisAddress {
  const [, bracketed, name = '', digits] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d*))?$/.exec(text) ?? []
  if (bracketed === undefined ? !/^[\p{L}\p{N}._-]+$/u.test(name) : !isIPv6(bracketed)) {
    throw refusal('the host must be a name, an IPv4 address, or an IPv6 address in brackets: redis://[::1]:6379')
  }
  const port = digits === undefined || digits === '' ? usualPort : Number(digits)
  if (port < 1 || port > 65535) throw refusal('the port must be a number from 1 to 65535')
  // In a URL, the % before the zone of an address is encoded (RFC 6874).
  return { host: bracketed?.replace('%25', '%') ?? name, port }
}

function readDatabase(text: string): number {
  if (text === '') return 0
  if (!/^\d{1,9}$/.test(text)) throw refusal('the path must be the number of a database: redis://host:6379/0')
  return Number(text)
}

function readFamily(query: string): 0 | 4 | 6 {
  let family: 0 | 4 | 6 = 0
  for (const [name, value] of new URLSearchParams(query)) {
    const known = FAMILIES.find((one) => String(one) === value)
    if (name !== 'family' || known === undefined) {
      throw refusal('the only parameter is family=4 or family=6. All else is an option, or for a client of yours')
    }
    family = known
  }
  return family
}

const FAMILIES = [0, 4, 6] as const

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // The original error is not attached as the cause, because it may contain the text.
    throw refusal(ENCODE)
  }
}

function refusal(rule: string): TypeError {
  return new TypeError(`redis must be a URL such as "redis://user:password@host:6379/0", or a client: ${rule}`)
}
