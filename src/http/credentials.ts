import type { CacheControl } from './cache-control.js'
import type { Fields } from './fields.js'

/** The kind of credential that a request carries; each is also the reason for which its response is refused. */
export type Credential = 'authorization' | 'api-key' | 'cookie'

/** What counts as a credential. */
export interface CredentialPolicy {
  /** Request fields that name a user as Authorization does, in lower case. The proxy preset has none. */
  readonly credentialFields: readonly string[]
  /** Whether a cookie of this name is a session's; `undefined`: no cookie is a credential, as in the proxy preset. */
  readonly isSessionCookie: ((name: string) => boolean) | undefined
  /** Request fields, in lower case, that the route's `key` or `vary` option takes into the key: they separate users, so they are no reason to refuse. */
  readonly keyedFields: readonly string[]
  /** Whether a request with Authorization may get what was stored for a request without (RFC 9111 does not forbid it; handlers that never thought about it do). */
  readonly reuseForAuthorization: boolean
}

/** Fields that carry an API key or a token beside Authorization. */
export const CREDENTIAL_FIELDS: readonly string[] = [
  'proxy-authorization',
  'x-api-key',
  'api-key',
  'x-auth-token',
  'x-access-token',
]

/** The credentials that a request carries; empty for an anonymous one. */
export function credentialsOf(_request: Fields, _policy: CredentialPolicy): readonly Credential[] {
  throw new Error('not written yet')
}

/** Whether the name of a cookie looks like a session, an account or a token: `connect.sid`, `koa.sess`, `…session…`, `…auth…`, `__Host-…`. Analytics cookies do not. */
export function isSessionCookie(_name: string): boolean {
  throw new Error('not written yet')
}

/**
 * The first credential of a request that keeps its response from being stored, and stored responses from being sent to it; `undefined` when nothing does.
 * A response that says public, s-maxage or must-revalidate is for everybody (RFC 9111, section 3.5).
 *
 * @param vary - the selecting fields of the response, in lower case: one that names Cookie or the API key's field keeps users apart
 */
export function unsharedCredential(
  _request: Fields,
  _control: CacheControl,
  _vary: readonly string[],
  _policy: CredentialPolicy,
): Credential | undefined {
  throw new Error('not written yet')
}
