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
  'useragent',
  'usercontext',
  'userinfo',
  'viewer',
  'workspace',
])

/**
 * Names of values that have no influence on a response, or whose influence is observed elsewhere: request identifiers,
 * loggers, functions that render templates, private data of middleware.
 * `user` has a separate rule.
 */
export const NEUTRAL_NAMES: ReadonlySet<string> = new Set([
  'id',
  'log',
  'rateLimit',
  'sessionStore',
  'sessionID',
  'requestId',
  'reqId',
  'correlationId',
  'traceId',
  'spanId',
  'originalMethod',
  'user',
  'render',
  'compress',
])
