/**
 * Request fields that say who is asking, as Authorization does. Each part is looked for anywhere in the name, which is in lower case.
 */
export const CREDENTIAL_FIELDS: readonly (readonly [meaning: string, names: string])[] = [
  ['Authentication, but for `:authority`', 'auth(?!ority)'],
  ['Tokens and keys', 'token|api-?key|jwt|secret|credential'],
  ['Sessions', 'sess'],
  ['Single sign-on', 'assertion|oidc|principal'],
  ['Client certificates', 'client-(?:cert|s-dn|dn)'],
  ['The user whom a proxy has authenticated', 'e?mail$|user(?:$|-?(?:id|name|groups?)$)|forwarded-groups'],
  ['Tenants and accounts', '(?:tenant|account|customer|member|organi[sz]ation|workspace)(?:-?id)?$'],
]

/** Request fields that browsers and platforms send with every request, and that are no credentials whatever they contain. */
export const EVERYDAY_FIELDS: readonly (readonly [meaning: string, names: string])[] = [
  ['Pseudo-fields of HTTP/2', '^:'],
  ['Client hints and fetch metadata', '^sec-'],
  ['Vercel', '^x-vercel-'],
  ['Envoy, about the proxies themselves', '^x-forwarded-client-cert$'],
]

/** Cookies that say who is asking. Each part is looked for anywhere in the name, in any letter case. */
export const CREDENTIAL_COOKIES: readonly (readonly [meaning: string, names: string])[] = [
  ['Sessions', 'sess|(?:^|[._-])s(?:id|so)(?:$|[._-])|^sid|^\\.aspnet'],
  ['Logins', 'auth|login|logged|remember|passport|credential|bearer|identity|impersonat|saml'],
  ['Tokens and keys', 'token|jwt|csrf|xsrf|api-?_?key'],
  [
    'Users and accounts',
    'current[._-]?user|^user(?:$|[._-]?(?:id|name|info|data)$)|(?:account|customer|member|tenant)[._-]?id$',
  ],
  ['Cookies bound to a host or to TLS', '^__(?:host|secure)-'],
  ['Previews of Next.js and Prismic', '^__(?:prerender_bypass|next_preview_data)$|^io\\.prismic\\.preview$'],
  ['Members and staff of Ghost', '^ghost-(?:members|admin)'],
  ['Clerk', '^__client_uat'],
  ['Comment forms of WordPress', '^comment_author'],
]

/** One expression for the names of a list. */
export function anyOf(list: readonly (readonly [meaning: string, names: string])[], flags = ''): RegExp {
  return new RegExp(list.map(([, names]) => names).join('|'), flags)
}
