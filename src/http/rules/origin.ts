/** What a handler can read of the origin of a request, field by field. */
export interface OriginFields {
  /** The `Host` field; `undefined`: absent. */
  readonly host: string | undefined
  /** The `:authority` of HTTP/2; `undefined` in HTTP/1.1. */
  readonly authority: string | undefined
  /** The `:scheme` of HTTP/2, which a client may send as it likes; `undefined` in HTTP/1.1. */
  readonly scheme: string | undefined
  readonly forwardedHost: string | undefined
  readonly forwardedProto: string | undefined
  /** Whether the connection is encrypted. */
  readonly encrypted: boolean
}

/** The value of {@link otherOrigin} for a request whose response must not be stored. */
export const CONTRADICTORY = 'contradictory'

/**
 * The origin fields of a request as text, where one of them differs from the protocol and the host that the framework resolved: a handler,
 * or an application further in that trusts other proxies, may use any of them, so that they are part of the key. `undefined`: none differs.
 *
 * {@link CONTRADICTORY} when `Host` is no plain host, or differs from `:authority` (RFC 9113, section 8.3.1).
 *
 * @param protocol - as the framework resolved it
 * @param host - as the framework resolved it
 */
export function otherOrigin(fields: OriginFields, protocol: string, host: string): string | undefined {
  const { authority, scheme, forwardedHost, forwardedProto, encrypted } = fields
  const own = fields.host
  if (own !== undefined && own !== host && !isPlainHost(own)) return CONTRADICTORY
  // Empty is not absent, which an application may print as `undefined`.
  if (own === '') return CONTRADICTORY
  if (own !== undefined && authority !== undefined && own !== authority) return CONTRADICTORY
  const isSame =
    (own ?? authority ?? '') === host &&
    (scheme === undefined || scheme === protocol) &&
    (forwardedHost === undefined || forwardedHost === host) &&
    (forwardedProto === undefined || forwardedProto === protocol) &&
    encrypted === (protocol === 'https')
  return isSame ? undefined : JSON.stringify([own ?? authority, forwardedHost, forwardedProto, encrypted, scheme])
}

/** Whether a protocol and a host are such as browsers send, in which no character ends the host before its end. */
export function isPlainOrigin(protocol: string, host: string): boolean {
  return (protocol === 'http' || protocol === 'https') && isPlainHost(host)
}

/** Whether a text is a host name, an IPv4 address or an IPv6 address in brackets, with or without a port; or empty, as where HTTP/1.0 names none. */
function isPlainHost(host: string): boolean {
  return host === '' || PLAIN_HOST.test(host)
}

const PLAIN_HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d+)?$/i
