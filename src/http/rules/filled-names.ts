/**
 * Names of objects and functions that indicate who or where the visitor is: a response made from one is not stored. In
 * lower case.
 */
export const TELLING_NAMES: ReadonlySet<string> = new Set([
  '__',
  '__h',
  '__l',
  '__mf',
  '__n',
  'ability',
  'account',
  'auth',
  'claims',
  'currentuser',
  'customer',
  'geo',
  'geoip',
  'i18n',
  'identity',
  'ipinfo',
  'kauth',
  'lang',
  'language',
  'languages',
  'locale',
  'locales',
  'member',
  'ntlm',
  'oidc',
  'org',
  'organisation',
  'organization',
  'permissions',
  'principal',
  'profile',
  'roles',
  'session',
  't',
  'team',
  'tenant',
  'user',
  'useragent',
  'usercontext',
  'userinfo',
  'viewer',
  'workspace',
])

/**
 * Names of values that have no influence on a response, or whose influence is observed elsewhere: loggers, functions that
 * render templates, what Node.js, frameworks and their middleware keep for themselves. `user` has a separate rule.
 */
export const NEUTRAL_NAMES: ReadonlySet<string> = new Set([
  'log',
  'sessionStore',
  'originalMethod',
  'user',
  'render',
  'compress',
  '_accept',
  '_body',
  '_eventLog',
  '_locals',
  '_matchedRoute',
  '_matchedRouteName',
  '_parsedOriginalUrl',
  '_parsedUrl',
  '_passport',
  '_querycache',
  '_remoteAddress',
  '_responseTime',
  '_routeBlacklists',
  '_routeWhitelists',
  '_sessionManager',
  '_startAt',
  '_startTime',
])

/** Names of identifiers of one request: a response made from one is only not stored if it contains the value. */
export const IDENTIFIER_NAMES: ReadonlySet<string> = new Set([
  'id',
  'requestId',
  'reqId',
  'correlationId',
  'traceId',
  'spanId',
])
