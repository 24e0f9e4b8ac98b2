import type { CacheControl } from '../syntax/cache-control.js'
import { type Fields, fieldValue, hasField } from '../syntax/fields.js'
import { anyOf, CREDENTIAL_COOKIES, CREDENTIAL_FIELDS, EVERYDAY_FIELDS } from './credential-names.js'
import { isEverydayCookie } from './everyday-cookies.js'

/** The kind of credential that a request carries; each is also the reason for which its response is refused. */
export type Credential = 'authorization' | 'api-key' | 'cookie'

/** What counts as a credential. */
export interface CredentialPolicy {
  /** Whether a request field of this name, in lower case, names a user as Authorization does; `undefined`: none does, as in the proxy preset. */
  readonly isCredentialField: ((name: string) => boolean) | undefined
  /** Whether a cookie of this name is a session's; `undefined`: no cookie is a credential, as in the proxy preset. */
  readonly isSessionCookie: ((name: string, value: string) => boolean) | undefined
  /** Request fields, in lower case, that the route's options take into the key: they keep users apart, so they are no reason to refuse. */
  readonly keyedFields: readonly string[]
  /** Whether a request with credentials may get what was stored for a request without. RFC 9111 does not forbid it, but the handler might have made another page for this user. */
  readonly reuseForCredentials: boolean
}

/**
 * Whether the name of a request field, in lower case, looks like an API key, a token, a session, a tenant, or the user whom a
 * proxy has authenticated: `x-api-key`, `…-token`, `x-forwarded-user`, `…-jwt-assertion`, `x-tenant-id`. Authorization itself has
 * rules of its own. What browsers and platforms send with every request does not, whatever its name contains.
 */
export function isCredentialField(name: string): boolean {
  const known = FIELD_NAMES.get(name)
  if (known !== undefined) return known
  const answer = name !== 'authorization' && CREDENTIAL.test(name) && !EVERYDAY.test(name)
  // Bounded: names are up to clients.
  if (FIELD_NAMES.size >= 1_000) FIELD_NAMES.clear()
  if (name.length <= 64) FIELD_NAMES.set(name, answer)
  return answer
}

/** Names seen lately. */
const FIELD_NAMES = new Map<string, boolean>()

const CREDENTIAL = anyOf(CREDENTIAL_FIELDS)

const EVERYDAY = anyOf(EVERYDAY_FIELDS)

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
  if (someCredentialField(request, policy, (name) => !separated(name))) return 'api-key'
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

/** The credentials that a request carries and the key does not hold, each kind once; empty for an anonymous one. */
export function credentialsOf(request: Fields, policy: CredentialPolicy): readonly Credential[] {
  const { keyedFields } = policy
  const found: Credential[] = []
  if (hasField(request, 'authorization') && !keyedFields.includes('authorization')) found.push('authorization')
  if (someCredentialField(request, policy, (name) => !keyedFields.includes(name))) found.push('api-key')
  if (carriesSession(request, policy) && !keyedFields.includes('cookie')) found.push('cookie')
  return found
}

/** The names of the fields and cookies that {@link credentialsOf} found, never their values. */
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

/** Whether a request field, by its name in lower case, may hold what only its sender should know. */
export function isSecretField(name: string): boolean {
  return name === 'authorization' || name === 'cookie' || name === 'proxy-authorization' || isCredentialField(name)
}

/**
 * Whether the name of a cookie looks like a session, an account or a token: `connect.sid`, `koa.sess`, `PHPSESSID`,
 * `…auth…`, `…token…`, `__Host-…`, the previews of Next.js and the members of Ghost; or whether it is signed (`s:…`, or `.sig` at the
 * end of its name): an application signs what it trusts. {@link isEverydayCookie Everyday cookies} do not, whatever their names contain.
 */
export function isSessionCookie(name: string, value = ''): boolean {
  if (isSigned(name, value)) return true
  return SESSION.test(name) && !isEverydayCookie(name)
}

const SESSION = anyOf(CREDENTIAL_COOKIES, 'i')

/** As cookie-parser, express-session (`s:value.signature`) and cookies (`name.sig` beside `name`) sign. */
function isSigned(name: string, value: string): boolean {
  return name.endsWith('.sig') || /^"?s(?::|%3a)/i.test(value)
}

function someCredentialField(request: Fields, policy: CredentialPolicy, counts?: (name: string) => boolean): boolean {
  const { isCredentialField: isOne } = policy
  if (isOne === undefined) return false
  for (const name of Object.keys(request)) {
    // Proxies send an empty one for visitors whom they do not know.
    if (isOne(name) && request[name] !== undefined && request[name] !== '' && counts?.(name) !== false) return true
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
