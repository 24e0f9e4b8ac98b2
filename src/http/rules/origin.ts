/** The fields from which a handler can derive the origin of a request. */
export interface OriginFields {
  /** The `Host` field; `undefined` if absent. */
  readonly host: string | undefined
  /** The `:authority` of HTTP/2; `undefined` in HTTP/1.1. */
  readonly authority: string | undefined
  /** The `:scheme` of HTTP/2, which the client chooses freely; `undefined` in HTTP/1.1. */
  readonly scheme: string | undefined
  readonly forwardedHost: string | undefined
  readonly forwardedProto: string | undefined
  /** Whether the connection is encrypted. */
  readonly encrypted: boolean
}

/** The value of {@link otherOrigin} for a request whose response must not be stored. */
export const CONTRADICTORY = 'contradictory'

/** The value of `RequestHead.begun` if middleware in front has answered with a body that cannot be compared. */
export const ANSWERED = 'answered'

/**
 * The origin fields of a request as text, if one of them differs from the protocol and host that the framework
 * resolved; `undefined` if none differs. They are then part of the key, because a handler, or an inner application that
 * trusts other proxies, may use any of them.
 *
 * {@link CONTRADICTORY} if `Host` is not a plain host, or differs from `:authority` (RFC 9113, section 8.3.1).
 *
 * @param protocol - as resolved by the framework
 * @param host - as resolved by the framework
 */
export function otherOrigin(fields: OriginFields, protocol: string, host: string): string | undefined {
  const { authority, scheme, forwardedHost, forwardedProto, encrypted } = fields
  const own = fields.host
  if (own !== undefined && own !== host && !isPlainHost(own)) return CONTRADICTORY
  // An empty Host differs from an absent one, which an application may print as `undefined`.
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

/** Whether protocol and host are as browsers send them, without characters that could end the host early in a URL. */
export function isPlainOrigin(protocol: string, host: string): boolean {
  return (protocol === 'http' || protocol === 'https') && isPlainHost(host)
}

/**
 * Whether a text is a host name, an IPv4 address or a bracketed IPv6 address, with or without a port; or empty, as in
 * HTTP/1.0 without a Host.
 */
function isPlainHost(host: string): boolean {
  return host === '' || PLAIN_HOST.test(host)
}

const PLAIN_HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d+)?$/i
