import type { CacheControl } from './cache-control.js'
import { type Fields, fieldValue, hasField } from './fields.js'

/** The kind of credential that a request carries; each is also the reason for which its response is refused. */
export type Credential = 'authorization' | 'api-key' | 'cookie'

/** What counts as a credential. */
export interface CredentialPolicy {
  /** Request fields that name a user as Authorization does, in lower case. The proxy preset has none. */
  readonly credentialFields: readonly string[]
  /** Whether a cookie of this name is a session's; `undefined`: no cookie is a credential, as in the proxy preset. */
  readonly isSessionCookie: ((name: string) => boolean) | undefined
  /** Request fields, in lower case, that the route's options take into the key: they keep users apart, so they are no reason to refuse. */
  readonly keyedFields: readonly string[]
  /** Whether a request with credentials may get what was stored for a request without. RFC 9111 does not forbid it, but the handler might have made another page for this user. */
  readonly reuseForCredentials: boolean
}

/** Fields that carry an API key or a token beside Authorization. */
export const CREDENTIAL_FIELDS: readonly string[] = [
  'proxy-authorization',
  'x-api-key',
  'api-key',
  'x-auth-token',
  'x-access-token',
]

/**
 * The first credential of a request that keeps its response from being stored; `undefined` when there is none or the
 * response is for everybody all the same.
 *
 * Authorization gives way to public, s-maxage and must-revalidate (RFC 9111, section 3.5), the others to public and
 * s-maxage, and to a Vary that names their field, so that each user has a variant.
 *
 * @param vary - the selecting fields of the response, in lower case
 */
export function unsharedCredential(
  request: Fields,
  control: CacheControl,
  vary: readonly string[],
  policy: CredentialPolicy,
): Credential | undefined {
  const shared = control.public || control.sMaxage !== undefined
  if (hasField(request, 'authorization') && !policy.keyedFields.includes('authorization')) {
    if (!shared && !control.mustRevalidate) return 'authorization'
  }
  if (shared) return undefined
  const separated = (name: string) => policy.keyedFields.includes(name) || vary.includes(name)
  for (const name of policy.credentialFields) {
    if (hasField(request, name) && !separated(name)) return 'api-key'
  }
  if (carriesSession(request, policy) && !separated('cookie')) return 'cookie'
  return undefined
}

/**
 * The first credential of a request that keeps a stored response from being sent to it; `undefined` when nothing does. By the letter of RFC 9111 nothing
 * ever does; {@link CredentialPolicy.reuseForCredentials} says whether the letter counts.
 *
 * @param control - the directives of the stored response
 * @param vary - its selecting fields, in lower case
 */
export function unservedCredential(
  request: Fields,
  control: CacheControl,
  vary: readonly string[],
  policy: CredentialPolicy,
): Credential | undefined {
  return policy.reuseForCredentials ? undefined : unsharedCredential(request, control, vary, policy)
}

/** The credentials that a request carries, each kind once; empty for an anonymous one. */
export function credentialsOf(request: Fields, policy: CredentialPolicy): readonly Credential[] {
  const found: Credential[] = []
  if (hasField(request, 'authorization')) found.push('authorization')
  if (policy.credentialFields.some((name) => hasField(request, name))) found.push('api-key')
  if (carriesSession(request, policy)) found.push('cookie')
  return found
}

/**
 * Whether the name of a cookie looks like a session, an account or a token: `connect.sid`, `koa.sess`, `PHPSESSID`,
 * `…auth…`, `…token…`, `__Host-…`. The cookies of the usual analytics scripts do not, whatever their names contain.
 */
export function isSessionCookie(name: string): boolean {
  return SESSION.test(name) && !ANALYTICS.test(name)
}

const SESSION =
  /sess|auth|token|jwt|csrf|xsrf|login|logged|remember|passport|credential|bearer|api-?_?key|(?:^|[._-])sid(?:$|[._-])|^sid|^user(?:$|[._-]?(?:id|name)$)|^__(?:host|secure)-|^\.aspnet/i

const ANALYTICS =
  /^(?:_ga|_gid|_gat|_gcl|_dc_gtm|__utm|_hj|_pk_|_mtm|mtm_|_fb[pc]$|_uet|_clck|_clsk|_pin_unauth|ai_(?:session|user)$|amp_|amplitude|mp_|ajs_|optimizely|_vwo|_vis_opt|__hs|hubspotutk|__cf|cf_clearance|_scid|_sctr|_tt[a-z]*$)/i

function carriesSession(request: Fields, policy: CredentialPolicy): boolean {
  if (policy.isSessionCookie === undefined) return false
  const cookies = fieldValue(request, 'cookie')
  if (cookies === undefined) return false
  for (const pair of cookies.split(/[;,]/)) {
    const equals = pair.indexOf('=')
    const name = (equals < 0 ? pair : pair.slice(0, equals)).trim()
    if (name !== '' && policy.isSessionCookie(name)) return true
  }
  return false
}
