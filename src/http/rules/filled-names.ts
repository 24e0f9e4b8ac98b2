/** Objects and functions by these names say who or where the visitor is: a response made from one is not stored. In lower case. */
export const TELLING_NAMES: ReadonlySet<string> = new Set([
  'account',
  'auth',
  'claims',
  'currentuser',
  'customer',
  'i18n',
  'identity',
  'lang',
  'language',
  'languages',
  'locale',
  'locales',
  'member',
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
  'viewer',
  'workspace',
])

/**
 * Values by these names have no influence on a response: identifiers of the request, loggers, what middleware keeps to itself. `user` has a
 * rule of its own.
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
])
