/**
 * Patterns for names of request fields that identify the user, as Authorization does. Each is matched anywhere in the
 * lower-case name.
 */
const CREDENTIAL_FIELDS: readonly string[] = [
  // Authentication, but for `:authority`
  'auth(?!ority)',
  // Tokens and keys
  'token|api-?key|jwt|secret|credential',
  // Sessions
  'sess',
  // Single sign-on
  'assertion|oidc|principal',
  // Client certificates
  'client-(?:cert|s-dn|dn)',
  // The user whom a proxy has authenticated
  'e?mail$|user(?:$|-?(?:id|name|groups?)$)|forwarded-groups',
  // Tenants and accounts
  '(?:tenant|account|customer|member|organi[sz]ation|workspace)(?:-?id)?$',
  // Names for which code looks on every object
  '^(?:constructor|then|\\$\\$typeof)$',
]

/**
 * Patterns for request fields that browsers and platforms send with every request: never credentials, even if their
 * names suggest so.
 */
const EVERYDAY_FIELDS: readonly string[] = [
  // Pseudo-fields of HTTP/2
  '^:',
  // Client hints and fetch metadata
  '^sec-',
  // Vercel
  '^x-vercel-',
  // Envoy, about the proxies themselves
  '^x-forwarded-client-cert$',
]

/** Patterns for names of cookies that identify the user. Each is matched anywhere in the name, case-insensitively. */
const CREDENTIAL_COOKIES: readonly string[] = [
  // Sessions
  'sess(?!ential)|(?:^|[._-])s(?:id|so)(?:$|[._-])|^sid|^\\.aspnet',
  // Logins
  'auth|login|logged|remember|passport|credential|bearer|identity|impersonat|saml',
  // Tokens and keys
  'token|jwt|csrf|xsrf|api-?_?key',
  // Users and accounts
  'current[._-]?user|^user(?:$|[._-]?(?:id|name|info|data)$)|(?:account|customer|member|tenant)[._-]?id$',
  // Cookies bound to a host or to TLS
  '^__(?:host|secure)-',
  // Previews of Next.js and Prismic
  '^__(?:prerender_bypass|next_preview_data)$|^io\\.prismic\\.preview$',
  // Single sign-on of ForgeRock, Oracle, SAP, CAS, Pomerium
  '^(?:iplanetdirectorypro|obssocookie|mysapsso2?|castgc|tgc|_pomerium)',
  // Users of TYPO3
  '^[bf]e_typo_user$',
  // Members and staff of Ghost
  '^ghost-(?:members|admin)',
  // Clerk
  '^__client_uat',
  // Comment forms of WordPress
  '^comment_author',
]

const CREDENTIAL_FIELD = anyOf(CREDENTIAL_FIELDS)
const EVERYDAY_FIELD = anyOf(EVERYDAY_FIELDS)
const CREDENTIAL_COOKIE = anyOf(CREDENTIAL_COOKIES, 'i')

/**
 * Whether the name of a request field, in lower case, is one of {@link CREDENTIAL_FIELDS} and none of {@link
 * EVERYDAY_FIELDS}.
 */
export function namesCredentialField(name: string): boolean {
  return CREDENTIAL_FIELD.test(name) && !EVERYDAY_FIELD.test(name)
}

/** Whether the name of a cookie is one of {@link CREDENTIAL_COOKIES}. */
export function namesCredentialCookie(name: string): boolean {
  return CREDENTIAL_COOKIE.test(name)
}

/** One expression for the names of a list. */
function anyOf(list: readonly string[], flags = ''): RegExp {
  return new RegExp(list.join('|'), flags)
}
