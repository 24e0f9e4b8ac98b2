import type { Reason } from '../rules/reasons.js'

/** What can be done so that responses refused for a reason are stored. Where nothing should be done, there is no entry. */
export const REMEDIES: Partial<Record<Reason, string>> = {
  authorization:
    'Name the user with the option user, or send Cache-Control: public where the page is the same for all.',
  'api-key': 'List the field in vary, or in inputs.ignore if the page does not depend on it.',
  cookie: "List the cookie in inputs.ignore if no page depends on it, or use cookies: 'observed'.",
  'request-body': 'Mount body parsers behind the cache, or on the routes that need them.',
  'no-freshness': 'Give the option ttl, or send Cache-Control: s-maxage.',
  'no-store': 'Remove no-store from the route, if its page may be shared.',
  private: 'Remove private from the route, or name the user with the option user.',
  'no-cache': 'Send s-maxage beside no-cache, if a server may keep the page.',
  'set-cookie': 'Set the cookie on other routes, or in middleware in front of the cache.',
  'vary-star': 'Let the route send the names that its page depends on instead of Vary: *.',
  status: 'Give statusTtl for this status, if such responses may be stored.',
  'logged-in': 'Name the user with the option user, or exclude the route with skip.',
  'cookie-read': 'List the cookie in vary as cookie:name, or in inputs.ignore.',
  'fields-read': 'Read single fields, or mount what copies all of them in front of the cache.',
  'query-read': 'Add the parameter to the option query.',
  'address-read': 'Mount rate limits and loggers in front of the cache.',
  'filled-read': 'List the value in vary as req:name, or in inputs.ignore.',
  reflected: 'List the field in vary, or the parameter in query.',
  'csp-nonce': 'Use hashes instead of nonces on pages that are stored.',
  'too-large': 'Raise maxBodySize or maxBytes.',
  'too-slow': 'Raise maxHandlerTime.',
  'too-many-variants': 'Name a coarser value with the option key, and ignore the input.',
  'recordings-full': 'Raise maxRecordingBytes.',
  trailers: 'Send the values as fields instead of trailers.',
}
