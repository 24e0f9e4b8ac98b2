import type { CacheControl } from '../syntax/cache-control.js'
import { type Fields, fieldValue, hasField } from '../syntax/fields.js'
import { namesCredentialCookie, namesCredentialField } from './credential-names.js'
import { isEverydayCookie } from './everyday-cookies.js'

/** The kind of a credential in a request; also the reason for which its response is refused. */
export type Credential = 'authorization' | 'api-key' | 'cookie'

/** Defines which request fields and cookies are credentials. */
export interface CredentialPolicy {
  /**
   * Whether a request field (name in lower case) identifies a user like Authorization; `undefined`: no field does, as
   * in the proxy preset.
   */
  readonly isCredentialField: ((name: string) => boolean) | undefined
  /** Whether a cookie is a session cookie; `undefined`: no cookie is a credential, as in the proxy preset. */
  readonly isSessionCookie: ((name: string, value: string) => boolean) | undefined
  /**
   * Request fields (in lower case) that the route's options include in the key. The key separates users by them, so
   * they cause no refusal.
   */
  readonly keyedFields: readonly string[]
  /**
   * Whether a request with credentials may get a response that was stored for a request without. RFC 9111 permits it,
   * but the handler might have generated a different page for this user.
   */
  readonly reuseForCredentials: boolean
}

/**
 * Whether the name of a request field (in lower case) looks like an API key, a token, a session, a tenant, or a user
 * that a proxy has authenticated: `x-api-key`, `…-token`, `x-forwarded-user`, `…-jwt-assertion`, `x-tenant-id`. False
 * for Authorization, which has its own rules, and for fields that browsers and platforms send with every request.
 */
export function isCredentialField(name: string): boolean {
  const known = FIELD_NAMES.get(name)
  if (known !== undefined) return known
  const answer = name !== 'authorization' && namesCredentialField(name)
  // Bounded, because clients choose the names.
  if (FIELD_NAMES.size >= 1_000) FIELD_NAMES.clear()
  if (name.length <= 64) FIELD_NAMES.set(name, answer)
  return answer
}

/** Recent results by name. */
const FIELD_NAMES = new Map<string, boolean>()

/**
 * The first credential of a request that prevents its response from being stored; `undefined` if there is none, or if
 * the response is marked as shareable.
 *
 * A response to Authorization may be stored with public, s-maxage or must-revalidate (RFC 9111, section 3.5). For other
 * credentials it may be stored with public or s-maxage, or if its Vary lists their field, so that each user has a
 * variant.
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
  if (someCredentialField(request, policy, (name) => !separated(name))) return 'api-key'
  if (carriesSession(request, policy) && !separated('cookie')) return 'cookie'
  return undefined
}

/**
 * The first credential of a request that prevents a stored response from being sent to it; `undefined` if there is
 * none. RFC 9111 itself never prevents this; {@link CredentialPolicy.reuseForCredentials} selects that behaviour.
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

/** The kinds of credentials in a request that are not part of the key, each once; empty for an anonymous request. */
export function credentialsOf(request: Fields, policy: CredentialPolicy): readonly Credential[] {
  const { keyedFields } = policy
  const found: Credential[] = []
  if (hasField(request, 'authorization') && !keyedFields.includes('authorization')) found.push('authorization')
  if (someCredentialField(request, policy, (name) => !keyedFields.includes(name))) found.push('api-key')
  if (carriesSession(request, policy) && !keyedFields.includes('cookie')) found.push('cookie')
  return found
}

/** The names of the credential fields and cookies in a request, without their values. */
export function credentialNames(
  request: Fields,
  policy: CredentialPolicy,
): readonly { readonly kind: Credential; readonly name: string }[] {
  const found: { kind: Credential; name: string }[] = []
  const note = (kind: Credential) => (name: string) => {
    found.push({ kind, name })
    return false
  }
  if (hasField(request, 'authorization')) found.push({ kind: 'authorization', name: 'authorization' })
  someCredentialField(request, policy, note('api-key'))
  carriesSession(request, policy, note('cookie'))
  return found
}

/** Whether a request field (name in lower case) may contain a secret of its sender. */
export function isSecretField(name: string): boolean {
  return name === 'authorization' || name === 'cookie' || isCredentialField(name)
}

/**
 * Whether a cookie looks like a session, an account or a token, by its name: `connect.sid`, `koa.sess`, `PHPSESSID`,
 * `…auth…`, `…token…`, `__Host-…`, the previews of Next.js and the members of Ghost; or whether it is signed (value
 * `s:…`, or name ending in `.sig`), because applications sign cookies that they trust. False for unsigned
 * {@link isEverydayCookie everyday cookies}.
 */
export function isSessionCookie(name: string, value = ''): boolean {
  if (isSigned(name, value)) return true
  return namesCredentialCookie(name) && !isEverydayCookie(name)
}

/**
 * Recognizes the signatures of cookie-parser and express-session (`s:value.signature`) and of cookies (`name.sig` next
 * to `name`).
 */
function isSigned(name: string, value: string): boolean {
  return name.endsWith('.sig') || /^"?s(?::|%3a)/i.test(value)
}

function someCredentialField(request: Fields, policy: CredentialPolicy, counts: (name: string) => boolean): boolean {
  const { isCredentialField: isOne } = policy
  if (isOne === undefined) return false
  for (const name of Object.keys(request)) {
    // Proxies send an empty field for anonymous visitors.
    if (isOne(name) && request[name] !== undefined && request[name] !== '' && counts(name)) return true
  }
  return false
}

function carriesSession(request: Fields, policy: CredentialPolicy, counts?: (name: string) => boolean): boolean {
  if (policy.isSessionCookie === undefined) return false
  const cookies = fieldValue(request, 'cookie')
  if (cookies === undefined) return false
  for (const pair of cookies.split(/[;,]/)) {
    const equals = pair.indexOf('=')
    const name = (equals < 0 ? pair : pair.slice(0, equals)).trim()
    const value = equals < 0 ? '' : pair.slice(equals + 1).trim()
    if (name !== '' && policy.isSessionCookie(name, value) && counts?.(name) !== false) return true
  }
  return false
}
